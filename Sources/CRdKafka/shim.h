// librdkafka: a client of Kafka. Its variadic call for messages with headers gets a function here.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

/// Queues one message, copied, with its headers: names and values by turns. `number` comes back with the delivery report.
static inline rd_kafka_resp_err_t crdkafka_produce(
    rd_kafka_t *producer, const char *topic, const void *key, size_t key_length, const void *value, size_t value_length, int64_t timestamp,
    const char *const *headers, int header_count, uintptr_t number) {
    rd_kafka_headers_t *all = rd_kafka_headers_new(header_count);
    for (int index = 0; index < header_count; index++)
        rd_kafka_header_add(all, headers[2 * index], -1, headers[2 * index + 1], strlen(headers[2 * index + 1]));
    rd_kafka_resp_err_t error = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY((void *)key, key_length), RD_KAFKA_V_VALUE((void *)value, value_length),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_HEADERS(all), RD_KAFKA_V_OPAQUE((void *)number), RD_KAFKA_V_END);
    if (error) rd_kafka_headers_destroy(all);
    return error;
}
