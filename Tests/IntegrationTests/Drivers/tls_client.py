"""A client that speaks TLS byte by byte, to do what no driver does; its output is a transcript, see transcript.py.

Usage: tls_client.py PORT AUTHORITY SCENE ...
"""

import socket
import ssl
import struct
import sys

PORT, AUTHORITY = int(sys.argv[1]), sys.argv[2]
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
DEADLINE_SECONDS = 20


def show(*values):
    print(*values, flush=True)


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=DEADLINE_SECONDS)


def context(protocols=()):
    made = ssl.create_default_context(cafile=AUTHORITY)
    if protocols:
        made.set_alpn_protocols(list(protocols))
    return made


def encrypt(plain):
    """SSLRequest, its answer, and the handshake."""
    plain.sendall(SSL_REQUEST)
    assert plain.recv(1) == b"S"
    return context().wrap_socket(plain, server_hostname="localhost")


def startup(user="postgres"):
    body = struct.pack("!i", 196608) + b"".join(word.encode() + b"\0" for word in ("user", user, "database", "one")) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def frame(letter, body=b""):
    return letter.encode() + struct.pack("!i", len(body) + 4) + body


def query(text):
    return frame("Q", text.encode() + b"\0")


def read(stream, count):
    data = b""
    while len(data) < count:
        more = stream.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def frames(stream, last="Z"):
    """Frames up to the first of this type."""
    while True:
        letter, length = struct.unpack("!ci", read(stream, 5))
        body = read(stream, length - 4)
        yield letter.decode(), body
        if letter.decode() == last:
            return


def log_in(stream):
    stream.sendall(startup())
    return dict((letter, body) for letter, body in frames(stream))


def letters(stream):
    return "".join(letter for letter, _ in frames(stream))


def fields(body):
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def count(text):
    with encrypt(connect()) as stream:
        log_in(stream)
        stream.sendall(query(text))
        return next(body for letter, body in frames(stream) if letter == "D")[6:].decode()


def until(text, wanted):
    """Asks until the answer is this one."""
    for _ in range(2000):
        if count(text) == wanted:
            return wanted
    return "never " + wanted


def bytes_behind_the_request_are_not_taken_for_encrypted_ones():
    with connect() as plain:
        plain.sendall(SSL_REQUEST + startup() + query("INSERT INTO seen VALUES (1, 'unencrypted')"))
        plain.recv(1)
        try:
            # PostgreSQL says why inside TLS, the proxy closes at once.
            stream = context().wrap_socket(plain, server_hostname="localhost")
            show("logged in" if "Z" in letters(stream) else "refused")
        except (ssl.SSLError, OSError, EOFError):
            show("refused")
    show(count("SELECT count(*) FROM seen"))


def a_handshake_and_frames_in_single_bytes():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with connect() as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.sendall(SSL_REQUEST)
        plain.recv(1)

        def work(step):
            while True:
                try:
                    result = step()
                    wanted = None
                except ssl.SSLWantReadError as error:
                    result, wanted = None, error
                for byte in outgoing.read():
                    plain.sendall(bytes([byte]))
                if wanted is None:
                    return result
                incoming.write(plain.recv(7))

        work(session.do_handshake)
        work(lambda: session.write(startup() + query("SELECT 1")))
        seen = b""
        while seen.count(b"Z\0\0\0\x05I") < 2:
            seen += work(lambda: session.read(1000))
        show(b"SELECT 1" in seen)


def terminate_and_close_right_behind_a_statement():
    for number in range(5):
        stream = encrypt(connect())
        log_in(stream)
        stream.sendall(query(f"INSERT INTO seen VALUES ({number + 10}, 'then closed')") + frame("X"))
        try:
            if number % 2:
                stream.unwrap()
        except ssl.SSLError:
            pass  # The answer came instead of the server's goodbye.
        stream.close()
    show(until("SELECT count(*) FROM seen WHERE what = 'then closed'", "5"))


def closed_without_goodbye_in_a_transaction():
    stream = encrypt(connect())
    log_in(stream)
    stream.sendall(query("BEGIN; INSERT INTO seen VALUES (20, 'lost'), (21, 'lost'), (22, 'lost'), (23, 'lost')"))
    show(letters(stream))
    socket.socket(fileno=stream.detach()).close()
    # The primary keys would wait for the lost transaction if it were still open.
    with encrypt(connect()) as stream:
        log_in(stream)
        stream.sendall(query("INSERT INTO seen VALUES (20, 'new'), (21, 'new'), (22, 'new'), (23, 'new')"))
        show(letters(stream))
    show(count("SELECT count(*) FROM seen WHERE what = 'lost'"))


def cancelled_over_tls():
    with encrypt(connect()) as stream:
        key = log_in(stream)["K"]
        stream.sendall(query("SELECT pg_sleep(60) FROM seen WHERE user_id = 20"))
        stream.settimeout(0.2)
        while True:
            # Until the statement runs a cancel finds nothing to stop.
            with encrypt(connect()) as other:
                other.sendall(struct.pack("!ii", 16, 80877102) + key)
                try:
                    other.recv(1)
                except (ssl.SSLError, OSError):
                    pass
            try:
                letter, body = next(frames(stream, "E"))
                while letter != "E":
                    letter, body = next(frames(stream, "E"))
                show(fields(body)["C"], fields(body)["M"])
                return
            except (TimeoutError, socket.timeout):
                continue


def a_second_request_inside_tls():
    with encrypt(connect()) as stream:
        stream.sendall(SSL_REQUEST)
        try:
            show(stream.recv(1))
        except (ssl.SSLError, OSError):
            show("closed")


def direct_tls():
    """PostgreSQL 17 has it: TLS from the first byte, for clients that name the protocol."""
    for protocols in (["postgresql"], [], ["http/1.1"], ["h2", "postgresql"]):
        try:
            with context(protocols).wrap_socket(connect(), server_hostname="localhost") as stream:
                key = log_in(stream)
                show(protocols, stream.selected_alpn_protocol(), "K" in key)
        except (ssl.SSLError, OSError, EOFError):
            show(protocols, "refused")


for name in sys.argv[3:]:
    show("==", name)
    globals()[name]()
