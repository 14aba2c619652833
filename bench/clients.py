"""A client of the wire protocol as small as can be: many of them, or one that does nothing but ask."""

import random
import socket
import ssl
import struct


class Client:
    """One logged-in connection (trust authentication)."""

    def __init__(self, target, tls=False):
        if target.host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(f"{target.host}/.s.PGSQL.{target.port}")
        else:
            self.socket = socket.create_connection((target.host, target.port))
        if tls:
            self._begin_tls()
        words = b"user\0postgres\0database\0" + target.database.encode() + b"\0\0"
        self.socket.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        self.read_until_ready()

    def _begin_tls(self):
        self.socket.sendall(struct.pack("!ii", 8, 80877103))
        if self.socket.recv(1) != b"S":
            raise RuntimeError("the server offers no TLS")
        self.socket = tls_context().wrap_socket(self.socket)

    def query(self, text):
        self.send(text)
        return self.read_until_ready()

    def send(self, text):
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)

    def read_until_ready(self):
        """All bytes up to ReadyForQuery; an ErrorResponse is raised."""
        data = b""
        while True:
            piece = self.socket.recv(65536)
            if not piece:
                raise RuntimeError(f"the connection was closed: {data!r}")
            data += piece
            if data[-6:-1] == b"Z\0\0\0\5":
                if data[:1] == b"E":
                    raise RuntimeError(data.decode(errors="replace"))
                return data

    def close(self):
        self.socket.close()


_context = None


def tls_context():
    """One context for all, without verification: the certificate is self-signed."""
    global _context
    if _context is None:
        _context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _context.check_hostname = False
        _context.verify_mode = ssl.CERT_NONE
    return _context


def point_query(scale):
    return f"SELECT abalance FROM pgbench_accounts WHERE aid = {random.randint(1, 100_000 * scale)};"
