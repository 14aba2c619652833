"""TLS records nobody should send: garbage before, within and behind the handshake."""

import os
import socket
import ssl
import struct
import subprocess

import wire
from wire import Client


def make_certificate(directory):
    """A self-signed certificate; returns the names of its file and its key's."""
    certificate, key = os.path.join(directory, "server.crt"), os.path.join(directory, "server.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-keyout", key,
         "-out", certificate], check=True, capture_output=True)
    return certificate, key


def context(protocol=None):
    result = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    result.check_hostname, result.verify_mode = False, ssl.CERT_NONE
    if protocol:
        result.minimum_version = result.maximum_version = protocol
    return result


def client_hello(protocol):
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context(protocol).wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def record(kind, payload, version=0x0303):
    return struct.pack("!BHH", kind, version, len(payload)) + payload


def opening_garbage(dice, hello):
    """Bytes in the place of a ClientHello."""
    data = bytearray(hello)
    how = dice.randrange(8)
    if how == 0:
        return dice.randbytes(dice.randrange(1, 600))
    if how == 1:
        for _ in range(dice.randrange(1, 10)):
            data[dice.randrange(len(data))] = dice.randrange(256)
    elif how == 2:
        del data[dice.randrange(len(data)):]
    elif how == 3:
        struct.pack_into("!H", data, 3, dice.choice([0, 1, 0x4000, 0x4001, 0xFFFF]))
    elif how == 4:
        return record(dice.choice([20, 21, 22, 23, 24, 255]), dice.randbytes(dice.randrange(0, 500)))
    elif how == 5:
        data *= 2
    elif how == 6:
        # One byte a record.
        return b"".join(record(22, hello[place:place + 1]) for place in range(5, len(hello)))
    else:
        return wire.startup("fuzz", "postgres")
    return bytes(data)


def encrypted(port, dice):
    """A connection after its handshake."""
    plain = socket.create_connection(("127.0.0.1", port), 20)
    plain.sendall(wire.SSL_REQUEST)
    if plain.recv(1) != b"S":
        raise ConnectionError("TLS is not offered")
    return plain, context(dice.choice([ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])).wrap_socket(plain)


def read_to_end(connection):
    connection.settimeout(0.3)
    try:
        while connection.recv(1 << 14):
            pass
    except (OSError, ValueError):
        pass


def fuzz_handshake(port, dice, hello):
    plain = socket.create_connection(("127.0.0.1", port), 20)
    try:
        how = dice.randrange(3)
        if how == 0:
            plain.sendall(wire.SSL_REQUEST)
            plain.recv(1)
        elif how == 1:
            # Not waiting for the answer: nothing of this may be taken for encrypted, or for plain text.
            plain.sendall(wire.SSL_REQUEST + opening_garbage(dice, hello))
        garbage = opening_garbage(dice, hello)
        cut = dice.randrange(len(garbage) + 1)
        plain.sendall(garbage[:cut])
        plain.sendall(garbage[cut:])
        read_to_end(plain)
    finally:
        plain.close()


def fuzz_records(port, dice):
    """A good handshake, then records that are none."""
    _, secure = encrypted(port, dice)
    descriptor = os.dup(secure.fileno())
    try:
        if dice.random() < 0.5:
            secure.sendall(wire.startup("fuzz", "postgres"))
        raw = socket.socket(fileno=descriptor)
        raw.sendall(dice.choice([
            record(23, dice.randbytes(dice.randrange(0, 400))), dice.randbytes(dice.randrange(1, 200)), record(22, dice.randbytes(50)),
            record(21, b"\2\50"), record(21, b"\1\0"), record(20, b"\1"), struct.pack("!BHH", 23, 0x0303, 0x4100) + b"x" * 100]))
        read_to_end(raw)
        raw.close()
    finally:
        secure.close()


def fuzz_tls(port, dice, count):
    hellos = [client_hello(version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
    while not count.is_enough:
        try:
            if dice.random() < 0.7:
                fuzz_handshake(port, dice, dice.choice(hellos))
            else:
                fuzz_records(port, dice)
        except (OSError, ValueError):
            pass
        count.add(1)


def query_encrypted(port, dice, user, password):
    """A good client through TLS; returns the rows of a query."""
    client = Client.__new__(Client)
    _, client.socket = encrypted(port, dice)
    client.waiting, client.key = b"", None
    try:
        client.send(wire.startup(user, "postgres"))
        client.log_in(password)
        return client.run("SELECT 'encrypted'")
    finally:
        client.close()
