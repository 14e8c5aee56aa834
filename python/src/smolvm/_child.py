"""The child that does the work: one `smolvm __sdk` for each way of asking, docs/sdk-protocol.md.

Three threads serve it: one reads its answers, one writes to it, so that no caller ever blocks on a full pipe, and one
keeps the end of what it says on stderr. When this process ends, however that happens, the kernel closes the child's
standard input; the child then ends the machines that are this process's, and itself.
"""

from __future__ import annotations

import collections
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import IO, Any

from . import _frames as frames
from ._calls import Call
from .exceptions import HostError

#: Seconds for a program to say hello: it takes a tenth of one, on a host that is not in trouble.
HELLO_LIMIT = 30.0
#: Seconds for the child to end all that is ours: machines are stopped in order, at most ten seconds each, side by side.
END_LIMIT = 30.0
#: Streams that the protocol lets be open at a time.
MAX_CALLS = 1024
#: Bytes of the child's stderr that an error message quotes.
KEPT_WORDS = 4096


def find_program(environment: Mapping[str, str] = os.environ) -> str:
    """SMOLVM_BIN, else `smolvm` of PATH. Raises HostError."""
    named = environment.get("SMOLVM_BIN")
    if named:
        return named
    found = shutil.which("smolvm", path=environment.get("PATH"))
    if found is not None:
        return found
    hint = "install it (docs/install.md), or set SMOLVM_BIN to its path"
    raise HostError("the program smolvm is not on PATH", {"code": "sdk.no_program", "hint": hint})


class Child:
    """A running child, and the calls that wait for it. Safe to use from any thread."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Starts it. Raises HostError."""
        self._program = find_program(environment)
        self._words: collections.deque[bytes] = collections.deque(maxlen=KEPT_WORDS)
        self._calls: dict[int, Call] = {}
        self._last_stream = 0
        self._lock = threading.Lock()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._gone: HostError | None = None
        hello: Future[None] = Future()
        try:
            self._process = subprocess.Popen(
                [self._program, "__sdk"],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=-1,
            )
        except OSError as error:
            raise HostError(f"cannot run {self._program}: {error.strerror}", {"code": "sdk.no_program"}) from error
        self._threads = [
            self._thread("read", self._read, hello),
            self._thread("write", self._write),
            self._thread("words", self._listen),
        ]
        said = {"protocol": frames.PROTOCOL, "oldest": frames.PROTOCOL, "version": "python"}
        self._send(frames.encode(frames.HELLO, 0, frames.encode_json(said)))
        try:
            hello.result(HELLO_LIMIT)
        except FutureTimeout:
            self._process.kill()
            message = f"{self._program} did not answer within {HELLO_LIMIT:g} seconds"
            raise HostError(message, {"code": "machine.other_version"}) from None
        except HostError:
            self._process.kill()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._gone is None

    def call(self, method: str, params: Mapping[str, Any], data: bytes = b"") -> Call:
        """Sends a request; `data` is its input. Returns at once. Raises HostError, ValueError."""
        with self._lock:
            if self._gone is not None:
                raise self._gone
            if len(self._calls) >= MAX_CALLS:
                raise HostError(f"{MAX_CALLS} calls are under way already", {"code": "protocol.too_many"})
            self._last_stream += 1
            stream = self._last_stream
            call = Call(stream, self._send, data)
            # Under the lock: streams are opened in the order of their numbers.
            call.begin({"method": method, "params": params})
            self._calls[stream] = call
        return call

    def close(self) -> None:
        """Ends it, with what it owns, and waits for that: at most END_LIMIT seconds."""
        self._outbox.put(None)
        try:
            self._process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            # The machines' own processes see that it has gone, and end what it owned.
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join()

    def abandon_after_fork(self) -> None:
        """In a forked process: gives the pipes up, so that the child sees its real owner's end."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if not _pipe(pipe).closed:  # as those of a child that has ended are
                os.dup2(nothing, _pipe(pipe).fileno())
        os.close(nothing)

    def _thread(self, name: str, work: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, name=f"smolvm-{name}", daemon=True)
        thread.start()
        return thread

    def _send(self, frame: bytes) -> None:
        self._outbox.put(frame)

    def _write(self) -> None:
        pipe = _pipe(self._process.stdin)
        try:
            while (frame := self._outbox.get()) is not None:
                pipe.write(frame)
                if self._outbox.empty():
                    pipe.flush()
        except OSError:
            pass  # It has gone; the reader tells everybody.
        try:
            pipe.close()
        except OSError:
            pass

    def _listen(self) -> None:
        pipe = _pipe(self._process.stderr)
        while words := pipe.read1(KEPT_WORDS):
            self._words.extend(words[i : i + 1] for i in range(len(words)))
        pipe.close()

    def _read(self, hello: Future[None]) -> None:
        reason = "it ended"
        pipe = _pipe(self._process.stdout)
        try:
            while (frame := frames.read(pipe)) is not None:
                if frame.type == frames.HELLO and not hello.done():
                    self._greet(frame, hello)
                elif frame.stream != 0:
                    self._deliver(frame)
        except (frames.ProtocolError, OSError) as error:
            reason = str(error)
            self._process.kill()
        self._lose(reason, hello)
        pipe.close()

    def _greet(self, frame: frames.Frame, hello: Future[None]) -> None:
        said = frames.decode_json(frame.payload)
        speaks = said.get("protocol") if isinstance(said, dict) else None
        if not isinstance(speaks, int) or isinstance(speaks, bool):
            raise frames.ProtocolError("its hello is none")
        oldest = said.get("oldest", speaks)
        if speaks < frames.PROTOCOL or not isinstance(oldest, int) or oldest > frames.PROTOCOL:
            message = f"{self._program} speaks another protocol ({speaks}) than this package ({frames.PROTOCOL})"
            hello.set_exception(HostError(message, {"code": "machine.other_version"}))
            return
        hello.set_result(None)

    def _deliver(self, frame: frames.Frame) -> None:
        with self._lock:
            call = self._calls.get(frame.stream)
        if call is None:
            raise frames.ProtocolError("it answers what was not asked")
        if call.take(frame):
            with self._lock:
                del self._calls[frame.stream]

    def _lose(self, reason: str, hello: Future[None]) -> None:
        self._outbox.put(None)
        words = b"".join(self._words).decode(errors="replace").strip()
        message = f"the program {self._program} has gone: {reason}" + (f": {words}" if words else "")
        error = HostError(message, {"code": "sdk.child_failed"})
        with self._lock:
            self._gone = error
            calls, self._calls = list(self._calls.values()), {}
        if not hello.done():
            hello.set_exception(error)
        for call in calls:
            call.lost(error)


def _pipe(pipe: IO[bytes] | None) -> Any:
    assert pipe is not None  # All three were asked for.
    return pipe
