"""One request to the program, from its sending to its answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from . import _frames as frames

STDIN, STDOUT, STDERR = 0, 1, 2
#: Bytes kept of each channel of an answer, so that no guest fills this process's memory. The rest is read and dropped.
MAX_OUTPUT = 64 * 1024 * 1024


class CallFailed(Exception):
    """The program refused, or the work failed: `failure` is `{code, message, hint?}`."""

    def __init__(self, failure: dict[str, Any]) -> None:
        super().__init__(failure.get("message"))
        self.failure = failure


@dataclass(slots=True)
class Reply:
    """What came back: the result, and what was said on channels 1 and 2."""

    result: Any = None
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    #: Some output was dropped.
    truncated: bool = False

    def document(self) -> Any:
        """An answer that is JSON on channel 1."""
        return frames.decode_json(bytes(self.stdout))


class Call:
    """A request under way. `future` has its Reply, or CallFailed, or what ended the connection."""

    def __init__(self, stream: int, send: Callable[[bytes], None], data: bytes) -> None:
        self.future: Future[Reply] = Future()
        # Work that has begun is ended by `cancel`, not by whoever waits.
        self.future.set_running_or_notify_cancel()
        self._stream = stream
        self._send = send
        self._reply = Reply()
        self._lock = threading.Lock()
        self._data = memoryview(data)
        self._window = frames.WINDOW
        self._input_ended = False
        self._over = False

    def begin(self, request: dict[str, Any]) -> None:
        """Raises ValueError when the request is larger than the protocol allows."""
        payload = frames.encode_json(request)
        if len(payload) > frames.MAX_OPEN:
            raise ValueError(f"a request of {len(payload)} bytes; at most {frames.MAX_OPEN} can be sent")
        self._send(frames.encode(frames.OPEN, self._stream, payload))
        self._pump()

    def cancel(self) -> None:
        """Ends the work; the answer is then its failure."""
        with self._lock:
            if not self._over:
                self._send(frames.encode(frames.CANCEL, self._stream))

    def lost(self, error: Exception) -> None:
        """The connection has ended."""
        with self._lock:
            self._over = True
        if not self.future.done():
            self.future.set_exception(error)

    def take(self, frame: frames.Frame) -> bool:
        """What the program says about it. Returns whether the call is over. Called by one thread only."""
        if frame.type == frames.DATA:
            self._keep(frame)
        elif frame.type == frames.CREDIT:
            with self._lock:
                self._window += int.from_bytes(frame.payload, "big")
            self._pump()
        elif frame.type in (frames.RESULT, frames.FAIL):
            self._end(frame)
            return True
        return False

    def _keep(self, frame: frames.Frame) -> None:
        kept = self._reply.stderr if frame.channel == STDERR else self._reply.stdout
        room = MAX_OUTPUT - len(kept)
        kept += frame.payload[:room]
        self._reply.truncated |= len(frame.payload) > room
        self._send(frames.encode_credit(self._stream, frame.channel, len(frame.payload)))

    def _end(self, frame: frames.Frame) -> None:
        with self._lock:
            self._over = True
        value = frames.decode_json(frame.payload)
        if frame.type == frames.RESULT:
            self._reply.result = value
            self.future.set_result(self._reply)
        else:
            self.future.set_exception(CallFailed(value if isinstance(value, dict) else {}))

    def _pump(self) -> None:
        """Sends as much of channel 0 as its window takes, and its end."""
        with self._lock:
            while not self._over and len(self._data) > 0 and self._window > 0:
                size = min(len(self._data), self._window, frames.MAX_DATA)
                self._send(frames.encode(frames.DATA, self._stream, bytes(self._data[:size]), STDIN))
                self._data = self._data[size:]
                self._window -= size
            if len(self._data) == 0 and not self._input_ended and not self._over:
                self._input_ended = True
                self._send(frames.encode(frames.END, self._stream, channel=STDIN))
