"""The frontend/backend protocol as the campaigns need it: a client that says exactly what it is told, well or badly.

Only the standard library, so that the campaigns run wherever Python and PostgreSQL do.
"""

import base64
import hashlib
import hmac
import os
import socket
import struct


class ServerError(Exception):
    """An ErrorResponse; `fields` by their one-letter names."""

    def __init__(self, payload):
        self.fields = {part[:1].decode(): part[1:].decode(errors="replace") for part in payload.split(b"\0") if part}
        super().__init__(f"{self.fields.get('C')} {self.fields.get('M')}")

    @property
    def state(self):
        return self.fields.get("C")


def frame(kind, payload=b""):
    return kind + struct.pack("!I", len(payload) + 4) + payload


def text(value):
    return value.encode() + b"\0"


def startup(user, database, **more):
    parameters = {"user": user, "database": database, **more}
    payload = struct.pack("!I", 196608) + b"".join(text(k) + text(v) for k, v in parameters.items()) + b"\0"
    return struct.pack("!I", len(payload) + 4) + payload


SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSS_REQUEST = struct.pack("!II", 8, 80877104)


def cancel_request(process, secret):
    return struct.pack("!IIII", 16, 80877102, process, secret)


def query(sql):
    return frame(b"Q", text(sql))


def parse(name, sql, types=()):
    return frame(b"P", text(name) + text(sql) + struct.pack("!H", len(types)) + b"".join(struct.pack("!I", t) for t in types))


def bind(portal, statement, values=()):
    payload = text(portal) + text(statement) + struct.pack("!HH", 0, len(values))
    for value in values:
        payload += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return frame(b"B", payload + struct.pack("!H", 0))


def describe(kind, name):
    return frame(b"D", kind + text(name))


def execute(portal="", rows=0):
    return frame(b"E", text(portal) + struct.pack("!I", rows))


def close(kind, name):
    return frame(b"C", kind + text(name))


SYNC, FLUSH, TERMINATE, COPY_DONE = frame(b"S"), frame(b"H"), frame(b"X"), frame(b"c")


def copy_data(data):
    return frame(b"d", data)


def copy_fail(reason):
    return frame(b"f", text(reason))


class Scram:
    """The client's half of SCRAM-SHA-256 (RFC 5802) without channel binding."""

    def __init__(self, password):
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.bare = f"n=,r={self.nonce}"

    def first(self):
        message = ("n,," + self.bare).encode()
        return frame(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(message)) + message)

    def final(self, server_first):
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={fields['r']}"
        signed = ",".join([self.bare, server_first.decode(), without_proof]).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return frame(b"p", f"{without_proof},p={base64.b64encode(proof).decode()}".encode())


class Client:
    """One connection. `connect` logs in; `run` asks a simple query and returns its rows."""

    def __init__(self, port, host="127.0.0.1", timeout=60):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.waiting = b""
        self.key = None

    @classmethod
    def connect(cls, port, user="postgres", password=None, database="postgres", timeout=60, **parameters):
        client = cls(port, timeout=timeout)
        try:
            client.send(startup(user, database, **parameters))
            client.log_in(password)
        except BaseException:
            client.close()
            raise
        return client

    def log_in(self, password):
        scram = None
        while True:
            kind, payload = self.receive()
            if kind == b"R":
                method = struct.unpack("!I", payload[:4])[0]
                if method == 10:
                    scram = Scram(password)
                    self.send(scram.first())
                elif method == 11:
                    self.send(scram.final(payload[4:]))
            elif kind == b"K":
                self.key = struct.unpack("!II", payload)
            elif kind == b"E":
                raise ServerError(payload)
            elif kind == b"Z":
                return

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next whole message: its type and what it carries."""
        while len(self.waiting) < 5 or len(self.waiting) < struct.unpack_from("!I", self.waiting, 1)[0] + 1:
            chunk = self.socket.recv(1 << 16)
            if not chunk:
                raise ConnectionError("the proxy closed the connection")
            self.waiting += chunk
        length = struct.unpack_from("!I", self.waiting, 1)[0] + 1
        message, self.waiting = self.waiting[:length], self.waiting[length:]
        return message[:1], message[5:]

    def until_ready(self):
        """Everything up to ReadyForQuery; raises the first error among it."""
        rows, error = [], None
        while True:
            kind, payload = self.receive()
            if kind == b"D":
                rows.append(fields_of(payload))
            elif kind == b"E":
                error = error or ServerError(payload)
            elif kind == b"Z":
                if error:
                    raise error
                return rows

    def run(self, sql):
        self.send(query(sql))
        return self.until_ready()

    def close(self):
        self.socket.close()


def fields_of(payload):
    count, place, fields = struct.unpack_from("!H", payload)[0], 2, []
    for _ in range(count):
        length = struct.unpack_from("!i", payload, place)[0]
        place += 4
        fields.append(None if length < 0 else payload[place:place + length].decode(errors="replace"))
        place += max(length, 0)
    return fields
