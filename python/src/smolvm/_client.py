"""Which child does the work: one for each place and engine, started when it is first needed."""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any

from ._calls import Call, CallFailed, Reply
from ._child import Child
from .exceptions import OperationTimeoutError, from_failure


@dataclass(frozen=True, slots=True)
class Place:
    """Where machines are, and what runs them; None: as the program's own settings and environment say."""

    data_dir: str | None = None
    socket_dir: str | None = None
    engine: str | None = None

    def environment(self) -> dict[str, str]:
        said = {"SMOLVM_DATA_DIR": self.data_dir, "XDG_RUNTIME_DIR": self.socket_dir, "SMOLVM_ENGINE": self.engine}
        return {**os.environ, **{name: value for name, value in said.items() if value is not None}}


_children: dict[Place, Child] = {}
_lock = threading.Lock()


def child_of(place: Place) -> Child:
    """The child that serves a place; one that has gone is replaced. Raises HostError."""
    with _lock:
        child = _children.get(place)
        if child is None or not child.is_alive:
            child = _children[place] = Child(place.environment())
        return child


def begin(place: Place, method: str, params: Mapping[str, Any], data: bytes = b"") -> Call:
    """Sends a request."""
    return child_of(place).call(method, {k: v for k, v in params.items() if v is not None}, data)


#: Seconds. CPython looks for signals between its instructions: one that comes just before a wait begins (Ctrl-C) is
#: noticed when that wait ends.
_LONGEST_WAIT = 0.5


def _wait(future: Future[Reply], timeout: float | None) -> None:
    """Returns when it is over. Raises FutureTimeout."""
    end = math.inf if timeout is None else time.monotonic() + timeout
    while not wait([future], max(0, min(_LONGEST_WAIT, end - time.monotonic()))).done:
        if time.monotonic() >= end:
            raise FutureTimeout


def finish(call: Call, vm_id: str | None = None, operation: str = "", timeout: float | None = None) -> Reply:
    """Waits for the answer; work that takes longer is ended. Raises what `reply_of` does, OperationTimeoutError."""
    try:
        _wait(call.future, timeout)
    except FutureTimeout:
        call.cancel()
        assert timeout is not None
        raise OperationTimeoutError(operation, timeout) from None
    except BaseException:
        # Whoever waited was interrupted (Ctrl-C), and nobody will look at the answer.
        call.cancel()
        raise
    return reply_of(call.future, vm_id)


def reply_of(future: Future[Reply], vm_id: str | None) -> Reply:
    """The answer of a call that is over. Raises SmolVMError."""
    try:
        return future.result()
    except CallFailed as failed:
        raise from_failure(failed.failure, vm_id) from None


def ask(place: Place, method: str, params: Mapping[str, Any], vm_id: str | None = None) -> Reply:
    """`begin` and `finish`."""
    return finish(begin(place, method, params), vm_id)


def api(place: Place, operation: str, vm_id: str, body: Mapping[str, Any] | None = None) -> Any:
    """An operation of the HTTP API about one machine, and what it answers."""
    return ask(place, "api", {"operation": operation, "name": vm_id, "body": body}, vm_id).document()


def close_all() -> None:
    """Ends every child, and with them the machines that are this process's."""
    with _lock:
        children = list(_children.values())
        _children.clear()
    for child in children:
        child.close()


def _after_fork() -> None:
    """A forked process has no threads of its parent's, and starts children of its own."""
    global _lock
    _lock = threading.Lock()
    for child in _children.values():
        child.abandon_after_fork()
    _children.clear()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
