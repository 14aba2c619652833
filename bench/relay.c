/* relay: what it costs to stand between a client and a server at all.
 *
 *     relay LISTEN_DIRECTORY PORT SHARD_PORT SHARD_DIRECTORY...
 *
 * Each client gets a connection of its own to the next server in turn (unix sockets), and every byte is copied to the other
 * side as it comes: one epoll_wait a turn, one recv and one send a piece. It reads no message, keeps no pool and checks nothing,
 * so a proxy that takes little more has little left to save.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAXIMUM_FILES = 4096, MAXIMUM_EVENTS = 64, BUFFER_BYTES = 16384 };

/* The file of the other side. */
static int peers[MAXIMUM_FILES];
static char buffer[BUFFER_BYTES];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_un address_of(const char *directory, const char *port) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%s", directory, port);
    return address;
}

static void watch(int poll, int file) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
    if (file >= MAXIMUM_FILES || epoll_ctl(poll, EPOLL_CTL_ADD, file, &event) != 0) fail("epoll_ctl");
}

static void accept_client(int poll, int listener, const char *directory, const char *port) {
    int client = accept(listener, NULL, NULL), server = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un address = address_of(directory, port);
    if (client < 0 || server < 0 || connect(server, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    watch(poll, client);
    watch(poll, server);
    peers[client] = server;
    peers[server] = client;
}

static void copy(int file) {
    int peer = peers[file];
    /* Closed by its other side, earlier in the same turn. */
    if (peer < 0) return;
    ssize_t count = recv(file, buffer, sizeof buffer, MSG_DONTWAIT);
    /* The event was for a connection that was closed earlier in the same turn, whose number this one has got. */
    if (count < 0 && errno == EAGAIN) return;
    if (count > 0 && send(peer, buffer, count, MSG_NOSIGNAL) == count) return;
    close(peer);
    close(file);
    peers[file] = peers[peer] = -1;
}

int main(int count, char **words) {
    if (count < 5) return 2;
    struct sockaddr_un address = address_of(words[1], words[2]);
    unlink(address.sun_path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), poll = epoll_create1(0), next = 0;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 512) != 0) fail("listen");
    chmod(address.sun_path, 0777);
    watch(poll, listener);
    for (;;) {
        struct epoll_event events[MAXIMUM_EVENTS];
        int ready = epoll_wait(poll, events, MAXIMUM_EVENTS, -1);
        for (int place = 0; place < ready; place++) {
            int file = events[place].data.fd;
            if (file == listener) {
                accept_client(poll, listener, words[4 + next], words[3]);
                next = (next + 1) % (count - 4);
            } else {
                copy(file);
            }
        }
    }
}
