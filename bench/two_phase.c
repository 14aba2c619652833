/* two_phase: what two-phase commit over two PostgreSQL servers costs when nothing stands between.
 *
 *     two_phase SECONDS CLIENTS SCALE PORT DATABASE DIRECTORY...
 *
 * Each client is a thread with one connection to each server (unix sockets in the directories, one for each shard). A
 * transaction is bench/scripts/transfer.sql: an UPDATE on one shard, then one on another; then PREPARE TRANSACTION on both at a time,
 * then COMMIT PREPARED on both at a time. There is no log of decisions: a crash between the two steps would leave half
 * decided, so no coordinator can do with less.
 *
 * Prints the latency of each transaction in microseconds, one a line.
 */
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAXIMUM_SHARDS = 16, MAXIMUM_CLIENTS = 256, KEYS_PER_SCALE = 24999 };

struct client {
    pthread_t thread;
    unsigned number, seed;
    PGconn *links[MAXIMUM_SHARDS];
    unsigned *latencies;
    size_t count, capacity;
};

static unsigned shard_count, scale;
static double end_time;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(PGconn *link) {
    fprintf(stderr, "%s", PQerrorMessage(link));
    exit(1);
}

static void ask(PGconn *link, const char *text) {
    if (!PQsendQuery(link, text)) fail(link);
}

static void await(PGconn *link) {
    PGresult *result;
    while ((result = PQgetResult(link))) {
        if (PQresultStatus(result) != PGRES_COMMAND_OK) fail(link);
        PQclear(result);
    }
}

/* Sends a statement to each of two links, then waits for both. */
static void ask_both(PGconn *links[2], char texts[2][400]) {
    for (int side = 0; side < 2; side++) ask(links[side], texts[side]);
    for (int side = 0; side < 2; side++) await(links[side]);
}

static void transfer(struct client *client, unsigned serial) {
    unsigned from = 1 + rand_r(&client->seed) % (KEYS_PER_SCALE * scale), to = 1 + rand_r(&client->seed) % (KEYS_PER_SCALE * scale);
    int amount = 1 + rand_r(&client->seed) % 100;
    PGconn *links[2] = { client->links[0], client->links[1] };
    char texts[2][400];
    for (int side = 0; side < 2; side++) {
        snprintf(texts[side], sizeof texts[side], "BEGIN;UPDATE pgbench_accounts SET abalance = abalance %c %d WHERE aid = %u",
            side ? '+' : '-', amount, side ? shard_count * to + 1 : shard_count * from);
        ask(links[side], texts[side]);
        await(links[side]);
    }
    for (int side = 0; side < 2; side++)
        snprintf(texts[side], sizeof texts[side], "PREPARE TRANSACTION 'plain-%d-%u-%u'", getpid(), client->number, serial);
    ask_both(links, texts);
    for (int side = 0; side < 2; side++)
        snprintf(texts[side], sizeof texts[side], "COMMIT PREPARED 'plain-%d-%u-%u'", getpid(), client->number, serial);
    ask_both(links, texts);
}

static void *work(void *argument) {
    struct client *client = argument;
    for (unsigned serial = 0;; serial++) {
        double begun = now();
        if (begun >= end_time) return NULL;
        transfer(client, serial);
        if (client->count == client->capacity) {
            client->capacity = client->capacity ? 2 * client->capacity : 1024;
            client->latencies = realloc(client->latencies, client->capacity * sizeof *client->latencies);
            if (!client->latencies) abort();
        }
        client->latencies[client->count++] = (now() - begun) * 1e6;
    }
}

int main(int count, char **words) {
    if (count < 8 || count - 6 > MAXIMUM_SHARDS || atoi(words[2]) > MAXIMUM_CLIENTS) {
        fprintf(stderr, "usage: two_phase SECONDS CLIENTS SCALE PORT DATABASE DIRECTORY DIRECTORY ...\n");
        return 2;
    }
    static struct client clients[MAXIMUM_CLIENTS];
    unsigned client_count = atoi(words[2]);
    scale = atoi(words[3]);
    shard_count = count - 6;
    for (unsigned number = 0; number < client_count; number++) {
        clients[number].number = number;
        clients[number].seed = number + 1;
        for (unsigned shard = 0; shard < 2; shard++) {
            PGconn *link = PQsetdbLogin(words[6 + shard], words[4], NULL, NULL, words[5], "postgres", NULL);
            if (PQstatus(link) != CONNECTION_OK) fail(link);
            clients[number].links[shard] = link;
        }
    }
    end_time = now() + atof(words[1]);
    for (unsigned number = 0; number < client_count; number++) pthread_create(&clients[number].thread, NULL, work, &clients[number]);
    for (unsigned number = 0; number < client_count; number++) pthread_join(clients[number].thread, NULL);
    for (unsigned number = 0; number < client_count; number++) {
        for (size_t index = 0; index < clients[number].count; index++) printf("%u\n", clients[number].latencies[index]);
        for (unsigned shard = 0; shard < 2; shard++) PQfinish(clients[number].links[shard]);
    }
    return 0;
}
