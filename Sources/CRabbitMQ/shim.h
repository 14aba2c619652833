// librabbitmq: a client of RabbitMQ. Variadic calls, macros and unions, which Swift cannot use, get a function here.
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum crabbitmq_kind {
    CRABBITMQ_NOTHING, CRABBITMQ_CONFIRMED, CRABBITMQ_REFUSED, CRABBITMQ_RETURNED, CRABBITMQ_CHANNEL_CLOSED, CRABBITMQ_CONNECTION_CLOSED, CRABBITMQ_BROKEN
};

enum { CRABBITMQ_TEXT_BYTES = 512 };

/// What the broker has said. Texts are cut; `text` is the reason, `sequence` the number of a returned message.
struct crabbitmq_news {
    enum crabbitmq_kind kind;
    uint64_t delivery_tag;
    int is_multiple;
    int code;
    int status;
    char text[CRABBITMQ_TEXT_BYTES];
    int64_t sequence;
};

static inline void crabbitmq_copy(char *target, amqp_bytes_t bytes) {
    size_t count = bytes.len < CRABBITMQ_TEXT_BYTES - 1 ? bytes.len : CRABBITMQ_TEXT_BYTES - 1;
    memcpy(target, bytes.bytes, count);
    target[count] = 0;
}

/// A broker that is gone without a word is noticed after this time, also while something is sent to it.
static inline void crabbitmq_limit_silence(amqp_connection_state_t connection, unsigned int milliseconds) {
    setsockopt(amqp_get_sockfd(connection), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

static inline amqp_rpc_reply_t crabbitmq_login(amqp_connection_state_t connection, const char *vhost, int heartbeat, const char *user, const char *password) {
    return amqp_login(connection, vhost, 1, AMQP_DEFAULT_FRAME_SIZE, heartbeat, AMQP_SASL_METHOD_PLAIN, user, password);
}

/// Why a call failed, or an empty text.
static inline void crabbitmq_failure(amqp_rpc_reply_t reply, char *text) {
    text[0] = 0;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        amqp_bytes_t bytes = amqp_cstring_bytes(amqp_error_string2(reply.library_error));
        crabbitmq_copy(text, bytes);
    } else if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
        if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) crabbitmq_copy(text, ((amqp_connection_close_t *)reply.reply.decoded)->reply_text);
        else if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) crabbitmq_copy(text, ((amqp_channel_close_t *)reply.reply.decoded)->reply_text);
        else crabbitmq_copy(text, amqp_cstring_bytes("the broker sent an unexpected answer"));
    } else if (reply.reply_type == AMQP_RESPONSE_NONE) {
        crabbitmq_copy(text, amqp_cstring_bytes("the broker did not answer"));
    }
}

/// The number that a message has been sent with, as its header `sequence`; 0: it has none.
static inline int64_t crabbitmq_sequence(const amqp_basic_properties_t *properties) {
    static const char name[] = "sequence";
    if (!(properties->_flags & AMQP_BASIC_HEADERS_FLAG)) return 0;
    for (int index = 0; index < properties->headers.num_entries; index++) {
        const amqp_table_entry_t *entry = &properties->headers.entries[index];
        int is_text = entry->value.kind == AMQP_FIELD_KIND_UTF8 || entry->value.kind == AMQP_FIELD_KIND_BYTES;
        if (!is_text || entry->key.len != sizeof name - 1 || memcmp(entry->key.bytes, name, sizeof name - 1) != 0) continue;
        char text[CRABBITMQ_TEXT_BYTES];
        crabbitmq_copy(text, entry->value.value.bytes);
        return strtoll(text, NULL, 10);
    }
    return 0;
}

/// Waits for one word of the broker: CRABBITMQ_NOTHING when none comes in time.
static inline void crabbitmq_next(amqp_connection_state_t connection, int milliseconds, struct crabbitmq_news *news) {
    struct timeval limit = {milliseconds / 1000, milliseconds % 1000 * 1000};
    amqp_frame_t frame;
    memset(news, 0, sizeof *news);
    amqp_maybe_release_buffers(connection);
    news->status = amqp_simple_wait_frame_noblock(connection, &frame, &limit);
    if (news->status == AMQP_STATUS_TIMEOUT) return;
    if (news->status != AMQP_STATUS_OK) {
        news->kind = CRABBITMQ_BROKEN;
        crabbitmq_copy(news->text, amqp_cstring_bytes(amqp_error_string2(news->status)));
        return;
    }
    if (frame.frame_type != AMQP_FRAME_METHOD) return;
    void *decoded = frame.payload.method.decoded;
    switch (frame.payload.method.id) {
    case AMQP_BASIC_ACK_METHOD:
        news->kind = CRABBITMQ_CONFIRMED;
        news->delivery_tag = ((amqp_basic_ack_t *)decoded)->delivery_tag;
        news->is_multiple = ((amqp_basic_ack_t *)decoded)->multiple;
        break;
    case AMQP_BASIC_NACK_METHOD:
        news->kind = CRABBITMQ_REFUSED;
        news->delivery_tag = ((amqp_basic_nack_t *)decoded)->delivery_tag;
        news->is_multiple = ((amqp_basic_nack_t *)decoded)->multiple;
        break;
    case AMQP_BASIC_RETURN_METHOD: {
        news->code = ((amqp_basic_return_t *)decoded)->reply_code;
        crabbitmq_copy(news->text, ((amqp_basic_return_t *)decoded)->reply_text);
        amqp_message_t message;
        amqp_rpc_reply_t reply = amqp_read_message(connection, frame.channel, &message, 0);
        if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
            news->kind = CRABBITMQ_BROKEN;
            crabbitmq_failure(reply, news->text);
            return;
        }
        news->kind = CRABBITMQ_RETURNED;
        news->sequence = crabbitmq_sequence(&message.properties);
        amqp_destroy_message(&message);
        break;
    }
    case AMQP_CHANNEL_CLOSE_METHOD:
        news->kind = CRABBITMQ_CHANNEL_CLOSED;
        news->code = ((amqp_channel_close_t *)decoded)->reply_code;
        crabbitmq_copy(news->text, ((amqp_channel_close_t *)decoded)->reply_text);
        break;
    case AMQP_CONNECTION_CLOSE_METHOD:
        news->kind = CRABBITMQ_CONNECTION_CLOSED;
        news->code = ((amqp_connection_close_t *)decoded)->reply_code;
        crabbitmq_copy(news->text, ((amqp_connection_close_t *)decoded)->reply_text);
        break;
    }
}

/// One message, persistent and mandatory, with its headers: names and values by turns.
static inline int crabbitmq_publish(
    amqp_connection_state_t connection, const char *exchange, const char *routing_key, const char *message_id, const char *type, const char *content_type,
    uint64_t timestamp, const char *const *headers, int header_count, const void *body, size_t body_length) {
    amqp_table_entry_t entries[8];
    if (header_count > 8) return AMQP_STATUS_INVALID_PARAMETER;
    for (int index = 0; index < header_count; index++) {
        entries[index].key = amqp_cstring_bytes(headers[2 * index]);
        entries[index].value.kind = AMQP_FIELD_KIND_UTF8;
        entries[index].value.value.bytes = amqp_cstring_bytes(headers[2 * index + 1]);
    }
    amqp_basic_properties_t properties;
    memset(&properties, 0, sizeof properties);
    properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG
        | AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG;
    properties.content_type = amqp_cstring_bytes(content_type);
    properties.headers.num_entries = header_count;
    properties.headers.entries = entries;
    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    properties.message_id = amqp_cstring_bytes(message_id);
    properties.timestamp = timestamp;
    properties.type = amqp_cstring_bytes(type);
    amqp_bytes_t content = {body_length, (void *)body};
    return amqp_basic_publish(connection, 1, amqp_cstring_bytes(exchange), amqp_cstring_bytes(routing_key), 1, 0, &properties, content);
}

/// Lets the broker have closed the channel; another can be opened then.
static inline int crabbitmq_accept_close(amqp_connection_state_t connection) {
    amqp_channel_close_ok_t answer = {0};
    return amqp_send_method(connection, 1, AMQP_CHANNEL_CLOSE_OK_METHOD, &answer);
}
