"""Stands between a client and the proxy and strikes after a given number of bytes in one direction."""

import socket
import threading


class CuttingRelay:
    """Listens on `port` for connections to the unix socket at `path`.

    `arm(direction, count, strike)` counts the bytes that pass from then on: "up" to the proxy, "down" to the client. When `count` have passed,
    `strike` is called, if there is one, and the connection is cut on both sides; not a byte more passes.
    """

    def __init__(self, path):
        self.path = path
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.direction, self.remaining, self.strike = None, 0, None
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, direction, count, strike=None):
        with self.lock:
            self.direction, self.remaining, self.strike = direction, count, strike

    def disarm(self):
        """Whether it has struck since it was armed."""
        with self.lock:
            struck = self.direction is None
            self.direction = None
            return struck

    def _accept(self):
        while True:
            front, _ = self.listener.accept()
            back = socket.socket(socket.AF_UNIX)
            try:
                back.connect(self.path)
            except OSError:
                front.close()
                continue
            front.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ends, direction in (((front, back), "up"), ((back, front), "down")):
                threading.Thread(target=self._pump, args=(*ends, direction), daemon=True).start()

    def _pump(self, source, target, direction):
        try:
            while True:
                if self._is_due(direction, 0):
                    break
                data = source.recv(1 << 16)
                if not data:
                    break
                with self.lock:
                    part = data if self.direction != direction else data[:self.remaining]
                target.sendall(part)
                if self._is_due(direction, len(part)):
                    break
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _is_due(self, direction, passed):
        with self.lock:
            if self.direction != direction:
                return False
            self.remaining -= passed
            if self.remaining > 0:
                return False
            self.direction, strike = None, self.strike
        if strike:
            strike()
        return True
