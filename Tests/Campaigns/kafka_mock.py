"""Kafka brokers for campaigns: librdkafka's mock cluster, with a consumer that prints each message as a JSON line: id, key and data.

Standard input takes words: `topic NAME` makes and consumes a topic, `down` and `up` take the brokers away and bring them back, `end` ends it all when
everything is consumed. The first line on standard output is the brokers' addresses.
"""

import ctypes
import json
import sys
import threading

library = ctypes.CDLL("librdkafka.so.1")
POINTER, TEXT, INT, SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t
PRODUCER, CONSUMER, BROKERS, PARTITIONS, FROM_THE_FIRST = 0, 1, 2, 4, -2

for name, result, arguments in [
    ("rd_kafka_conf_new", POINTER, []), ("rd_kafka_conf_set", INT, [POINTER, TEXT, TEXT, TEXT, SIZE]), ("rd_kafka_new", POINTER, [INT, POINTER, TEXT, SIZE]),
    ("rd_kafka_mock_cluster_new", POINTER, [POINTER, INT]), ("rd_kafka_mock_cluster_bootstraps", TEXT, [POINTER]),
    ("rd_kafka_mock_topic_create", INT, [POINTER, TEXT, INT, INT]), ("rd_kafka_mock_broker_set_down", INT, [POINTER, ctypes.c_int32]),
    ("rd_kafka_mock_broker_set_up", INT, [POINTER, ctypes.c_int32]), ("rd_kafka_topic_partition_list_new", POINTER, [INT]),
    ("rd_kafka_topic_partition_list_add", POINTER, [POINTER, TEXT, ctypes.c_int32]), ("rd_kafka_assign", INT, [POINTER, POINTER]),
    ("rd_kafka_topic_partition_list_set_offset", INT, [POINTER, TEXT, ctypes.c_int32, ctypes.c_int64]), ("rd_kafka_poll_set_consumer", INT, [POINTER]),
    ("rd_kafka_message_destroy", None, [POINTER]), ("rd_kafka_message_headers", INT, [POINTER, ctypes.POINTER(POINTER)]),
    ("rd_kafka_header_get_last", INT, [POINTER, TEXT, ctypes.POINTER(POINTER), ctypes.POINTER(SIZE)]),
]:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments


class Message(ctypes.Structure):
    _fields_ = [("error", INT), ("topic", POINTER), ("partition", ctypes.c_int32), ("payload", POINTER), ("length", SIZE), ("key", POINTER),
                ("key_length", SIZE), ("offset", ctypes.c_int64), ("own", POINTER)]


library.rd_kafka_consumer_poll.restype = ctypes.POINTER(Message)
library.rd_kafka_consumer_poll.argtypes = [POINTER, INT]


def client(kind, settings):
    text = ctypes.create_string_buffer(512)
    configuration = library.rd_kafka_conf_new()
    for name, value in settings.items():
        if library.rd_kafka_conf_set(configuration, name.encode(), value.encode(), text, 512) != 0:
            raise RuntimeError(text.value.decode())
    made = library.rd_kafka_new(kind, configuration, text, 512)
    if not made:
        raise RuntimeError(text.value.decode())
    return made


def header(message, name):
    headers, value, length = POINTER(), POINTER(), SIZE()
    if library.rd_kafka_message_headers(message, ctypes.byref(headers)) != 0:
        return None
    if library.rd_kafka_header_get_last(headers, name, ctypes.byref(value), ctypes.byref(length)) != 0:
        return None
    return ctypes.string_at(value, length.value).decode()


def consume(bootstraps, topic, ending):
    consumer = client(CONSUMER, {
        "bootstrap.servers": bootstraps, "group.id": "campaign", "enable.auto.commit": "false", "auto.offset.reset": "earliest", "log_level": "0"})
    library.rd_kafka_poll_set_consumer(consumer)
    partitions = library.rd_kafka_topic_partition_list_new(PARTITIONS)
    for partition in range(PARTITIONS):
        library.rd_kafka_topic_partition_list_add(partitions, topic, partition)
        library.rd_kafka_topic_partition_list_set_offset(partitions, topic, partition, FROM_THE_FIRST)
    library.rd_kafka_assign(consumer, partitions)
    quiet = 0
    while not ending.is_set() or quiet < 10:
        message = library.rd_kafka_consumer_poll(consumer, 100)
        quiet = 0 if message else quiet + 1
        if not message:
            sys.stdout.flush()
            continue
        content = message.contents
        if content.error == 0:
            line = [header(message, b"message_id"), ctypes.string_at(content.key, content.key_length).decode(),
                    ctypes.string_at(content.payload, content.length).decode()]
            print(json.dumps(line))
        library.rd_kafka_message_destroy(message)
    sys.stdout.flush()


def main():
    owner = client(PRODUCER, {"bootstrap.servers": "127.0.0.1:1", "log_level": "0"})
    cluster = library.rd_kafka_mock_cluster_new(owner, BROKERS)
    bootstraps = library.rd_kafka_mock_cluster_bootstraps(cluster).decode()
    print(bootstraps, flush=True)
    ending, thread = threading.Event(), None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "topic":
            library.rd_kafka_mock_topic_create(cluster, words[1].encode(), PARTITIONS, BROKERS)
            thread = threading.Thread(target=consume, args=(bootstraps, words[1].encode(), ending))
            thread.start()
        elif words[0] in ("down", "up"):
            for broker in range(1, BROKERS + 1):
                getattr(library, f"rd_kafka_mock_broker_set_{words[0]}")(cluster, broker)
        elif words[0] == "end":
            ending.set()
            thread.join()
            break


if __name__ == "__main__":
    main()
