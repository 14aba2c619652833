"""A relay between the proxy and its shards that strikes at a named point of two-phase commit.

It reads the messages of both directions as it passes them on, so it knows when a PREPARE was answered or a decision is
on its way. It then kills the proxy, or cuts the one link. The message at which it strikes is not passed on. It runs in a
process of its own, so that nothing else delays the blow.
"""

import asyncio
import multiprocessing
import os
import re
import signal
import time

GID = re.compile(rb"PREPARED 'pgbraid:[^:']*:[^:']*:[^:']*:([0-9a-f]{32}):")

#: Where it can strike, and what has happened by then.
POINTS = {
    "prepare sent": "no answer to this PREPARE; others may be prepared",
    "prepare answered": "one participant is prepared, the proxy has not heard of it",
    "decision sent": "all participants are prepared, the decider has not been told",
    "decision answered": "the decider has committed, the proxy has not heard of it",
    "commit prepared sent": "the decider has committed, this participant has not been told",
    "between commit prepareds": "one participant has committed, another has not been told",
    "commit prepared answered": "one participant has committed, the proxy has not heard of it",
}


class FaultProxy:
    """The parent's handle on the relay."""

    def __init__(self, listen_directory, shard_directory, ports):
        self._pipe, child = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(child, listen_directory, shard_directory, ports), daemon=True)
        self._process.start()
        assert self._pipe.recv() == "serving"

    def kill_at(self, point, occurrence, process, seconds):
        """Kills `process` when `point` is reached for the given time; False when that was not within the seconds."""
        self._pipe.send((process, point, occurrence))
        if self._pipe.poll(seconds):
            return self._pipe.recv() > 0
        return self._disarm() > 0

    def cut_at(self, point, every, seconds):
        """For some time cuts the link on which `point` is reached, every so many times; returns how often."""
        self._pipe.send((None, point, every))
        time.sleep(seconds)
        return self._disarm()

    def _disarm(self):
        self._pipe.send(None)
        return self._pipe.recv()

    def stop(self):
        self._process.terminate()
        self._process.join()


def _serve(pipe, listen_directory, shard_directory, ports):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(_Relay(pipe, listen_directory, shard_directory).serve(ports))


class _Relay:
    def __init__(self, pipe, listen_directory, shard_directory):
        self.pipe, self.listen_directory, self.shard_directory = pipe, listen_directory, shard_directory
        # The process to kill, or None for cutting links; where, how often it must still be reached, and how often anew.
        self.target, self.point, self.remaining, self.every = None, None, 0, 0
        self.strikes = 0
        # hash of a transaction -> COMMIT PREPAREDs seen and answered
        self.sent, self.answered = {}, {}

    async def serve(self, ports):
        asyncio.get_running_loop().add_reader(self.pipe.fileno(), self._command)
        for port in ports:
            name = f".s.PGSQL.{port}"
            await asyncio.start_unix_server(
                lambda reader, writer, name=name: self._relay(reader, writer, os.path.join(self.shard_directory, name)),
                os.path.join(self.listen_directory, name), limit=1 << 20)
        self.pipe.send("serving")
        await asyncio.Event().wait()

    def _command(self):
        command = self.pipe.recv()
        if command is None:
            self.pipe.send(self.strikes)
        self.target, self.point, self.every = command or (None, None, 0)
        self.remaining, self.strikes = self.every, 0
        self.sent, self.answered = {}, {}

    def _reached(self, point):
        """True when the message that is being handled must not be passed on, and its link is to be closed."""
        if self.point != point:
            return False
        self.remaining -= 1
        if self.remaining > 0:
            return False
        self.strikes += 1
        self.remaining = self.every
        if self.target is not None:
            os.kill(self.target, signal.SIGKILL)
            self.point = None
            self.pipe.send(self.strikes)
        return True

    async def _relay(self, client_reader, client_writer, path):
        try:
            shard_reader, shard_writer = await asyncio.open_unix_connection(path, limit=1 << 20)
        except OSError:
            client_writer.close()
            return
        # What the shard was asked last, of the statements that matter: its answers tell little by themselves.
        asked = {"kind": None, "hash": None}
        await asyncio.gather(
            self._pump(client_reader, shard_writer, lambda frame: self._request(frame, asked), has_startup=True),
            self._pump(shard_reader, client_writer, lambda frame: self._answer(frame, asked), has_startup=False))

    async def _pump(self, reader, writer, inspect, has_startup):
        try:
            if has_startup:
                header = await reader.readexactly(4)
                writer.write(header + await reader.readexactly(int.from_bytes(header, "big") - 4))
            buffer = bytearray()
            while True:
                data = await reader.read(1 << 16)
                if not data:
                    break
                buffer += data
                await self._forward(buffer, writer, inspect)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _forward(self, buffer, writer, inspect):
        position = 0
        while len(buffer) - position >= 5:
            length = 1 + int.from_bytes(buffer[position + 1:position + 5], "big")
            if len(buffer) - position < length:
                break
            frame = bytes(buffer[position:position + length])
            position += length
            if await inspect(frame):
                raise ConnectionResetError
            writer.write(frame)
        del buffer[:position]
        await writer.drain()

    async def _request(self, frame, asked):
        if frame[:1] != b"Q":
            return False
        asked["kind"] = None
        if b"PREPARE TRANSACTION 'pgbraid:" in frame:
            asked["kind"] = "prepare"
            return self._reached("prepare sent")
        if b"pgbraid.decide(" in frame:
            asked["kind"] = "decision"
            return self._reached("decision sent")
        if b"COMMIT PREPARED 'pgbraid:" in frame:
            asked["kind"], asked["hash"] = "finish", GID.search(frame).group(1)
            return self._reached("commit prepared sent") or await self._second_commit(asked["hash"])
        return False

    async def _second_commit(self, transaction):
        """Holds the second COMMIT PREPARED of a transaction back until the first is answered, then strikes."""
        if self.point != "between commit prepareds":
            return False
        self.sent[transaction] = self.sent.get(transaction, 0) + 1
        if self.sent[transaction] < 2:
            return False
        for _ in range(1000):
            if self.answered.get(transaction):
                return self._reached("between commit prepareds")
            await asyncio.sleep(0.001)
        return False

    async def _answer(self, frame, asked):
        if frame[:1] != b"C":
            return False
        tag = frame[5:-1]
        if asked["kind"] == "prepare" and tag == b"PREPARE TRANSACTION":
            return self._reached("prepare answered")
        if asked["kind"] == "decision" and tag == b"COMMIT":
            return self._reached("decision answered")
        if asked["kind"] == "finish" and tag == b"COMMIT PREPARED":
            self.answered[asked["hash"]] = True
            return self._reached("commit prepared answered")
        return False
