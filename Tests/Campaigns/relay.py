"""Stands between the proxy and a shard and changes what the shard says."""

import socket
import struct
import threading


class Relay:
    """Listens on `port` for connections to the server's unix socket at `path`.

    Each gets a hook of its own from `connection()`, an object with
      opening()         bytes to say before the server says anything,
      asked(data)       told what the proxy sends, in whatever pieces it comes,
      answer(message)   a whole message of the server's; returns what the proxy gets instead. OSError hangs up.
    """

    def __init__(self, path):
        self.path = path
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def connection(self):
        raise NotImplementedError

    def _accept(self):
        while True:
            front, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(front, self.connection()), daemon=True).start()

    def _serve(self, front, hook):
        back = socket.socket(socket.AF_UNIX)
        try:
            back.connect(self.path)
            threading.Thread(target=self._pump, args=(front, back, hook), daemon=True).start()
            front.sendall(hook.opening())
            self._answers(back, front, hook)
        except OSError:
            pass
        for end in (front, back):
            # The other thread may still wait on it.
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    @staticmethod
    def _pump(front, back, hook):
        try:
            while data := front.recv(1 << 16):
                hook.asked(data)
                back.sendall(data)
            back.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    @staticmethod
    def _answers(back, front, hook):
        waiting = b""
        while data := back.recv(1 << 16):
            waiting += data
            out = b""
            while len(waiting) >= 5 and len(waiting) >= (length := struct.unpack_from("!I", waiting, 1)[0] + 1):
                message, waiting = waiting[:length], waiting[length:]
                out += hook.answer(message)
            if out:
                front.sendall(out)
