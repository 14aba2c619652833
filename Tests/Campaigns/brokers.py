"""Brokers of a campaign: a RabbitMQ node of its own, and Kafka brokers as librdkafka's mock cluster, each with consumers that count."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pika

# The largest message that the node takes, in bytes.
MESSAGE_LIMIT = 100_000
RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"


def free_port():
    """One that nobody listens on, below those that the kernel gives to outgoing connections: a broker comes back to its port."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


class RabbitNode:
    """One RabbitMQ node with its own ports and directories, on loopback only."""

    def __init__(self, directory):
        self.directory = os.path.join(directory, "rabbitmq")
        os.makedirs(self.directory, exist_ok=True)
        self.port, self.process = free_port(), None
        epmd_port = free_port()
        plugins, config = (os.path.join(self.directory, name) for name in ("enabled_plugins", "rabbitmq.conf"))
        with open(plugins, "w") as file:
            file.write("[].\n")
        with open(config, "w") as file:
            # A machine that is short of disk or memory must not stop the campaign.
            file.write("disk_free_limit.absolute = 50MB\nloopback_users = none\n")
            file.write(f"max_message_size = {MESSAGE_LIMIT}\n")
        self.environment = {
            **os.environ, "HOME": self.directory, "RABBITMQ_NODENAME": "campaign@localhost", "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port), "RABBITMQ_DIST_PORT": str(free_port()), "RABBITMQ_MNESIA_BASE": os.path.join(self.directory, "data"),
            "RABBITMQ_LOG_BASE": os.path.join(self.directory, "log"), "RABBITMQ_ENABLED_PLUGINS_FILE": plugins, "RABBITMQ_CONFIG_FILE": config,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_PID_FILE": os.path.join(self.directory, "pid"), "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
        }
        self.epmd = subprocess.Popen(["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"], env=self.environment)

    def start(self, limit=120):
        """Returns the seconds until it serves."""
        begun = time.monotonic()
        log = open(os.path.join(self.directory, "output.log"), "a")
        # A group of its own: the node is a child of the script that starts it.
        self.process = subprocess.Popen([RABBITMQ], env=self.environment, stdout=log, stderr=log, start_new_session=True)
        while time.monotonic() - begun < limit:
            if self.process.poll() is not None:
                raise RuntimeError(f"RabbitMQ ended with {self.process.returncode}; see {self.directory}")
            try:
                self.connect().close()
                return time.monotonic() - begun
            except (pika.exceptions.AMQPError, OSError):
                time.sleep(0.2)
        raise RuntimeError(f"RabbitMQ does not serve; see {self.directory}")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.epmd.terminate()
        self.epmd.wait()

    def connect(self):
        return pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.port, heartbeat=60, blocked_connection_timeout=60, connection_attempts=1, socket_timeout=20, stack_timeout=20))

    def declare(self, queue, arguments=None):
        connection = self.connect()
        connection.channel().queue_declare(queue, durable=True, arguments=arguments)
        connection.close()

    def delete(self, queue):
        connection = self.connect()
        connection.channel().queue_delete(queue)
        connection.close()

    def consumer(self, queue, keep):
        return RabbitConsumer(self, queue, keep)

    def section(self, lines=()):
        """Of the relay's configuration."""
        return "\n".join(["[rabbitmq]", f"port = {self.port}", *lines])


class RabbitConsumer:
    """Takes everything from a queue and keeps what `key` makes of it, in the order of arrival; connects again when the broker was away."""

    def __init__(self, node, queue, keep):
        self.node, self.queue, self.keep = node, queue, keep
        self.is_ending = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_ending:
            try:
                connection = self.node.connect()
                channel = connection.channel()
                channel.basic_qos(prefetch_count=2000)
                last, unacknowledged = None, 0
                for method, properties, body in channel.consume(self.queue, inactivity_timeout=0.05):
                    if method is not None:
                        self.keep(properties.message_id, properties.headers["aggregate_id"], body)
                        last, unacknowledged = method.delivery_tag, unacknowledged + 1
                    if unacknowledged and (method is None or unacknowledged >= 500):
                        channel.basic_ack(last, multiple=True)
                        unacknowledged = 0
                    if self.is_ending and method is None:
                        break
                connection.close()
            except (pika.exceptions.AMQPError, OSError, AssertionError):
                time.sleep(0.2)

    def end(self):
        self.is_ending = True
        self.thread.join()


class KafkaMock:
    """Two Kafka brokers in a process of their own (kafka_mock.py), which also consumes. Messages live in it, so `kill` only takes the brokers away."""

    def __init__(self, directory):
        self.process, self.bootstraps, self.keep = None, None, None

    def start(self):
        begun = time.monotonic()
        if self.process:
            self._say("up")
            return 0
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "kafka_mock.py")
        self.process = subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.bootstraps = self.process.stdout.readline().strip()
        return time.monotonic() - begun

    def kill(self):
        self._say("down")

    def _say(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def declare(self, topic):
        self._say(f"topic {topic}")

    def consumer(self, topic, keep):
        self.keep = keep
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return Farewell(self)

    def _read(self):
        for line in self.process.stdout:
            self.keep(*json.loads(line))

    def section(self, lines=()):
        quoted = ", ".join(f'"{address}"' for address in self.bootstraps.split(","))
        return "\n".join(["[kafka]", f"brokers = [{quoted}]", *lines])


class Farewell:
    def __init__(self, mock):
        self.mock = mock

    def end(self):
        """All that has arrived is read."""
        self.mock._say("end")
        self.mock.thread.join(20)
