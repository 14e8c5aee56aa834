"""Calls that wait, for event loops: each in a thread of this package's own, so that the loop's few stay free."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

#: Machines that one process starts or stops at a time; more wait for their turn. A thread that waits costs little.
MAX_THREADS = 64

P = ParamSpec("P")
T = TypeVar("T")

_threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="smolvm-async")


async def in_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What the function returns or raises. Being cancelled does not end the work, only the waiting."""
    work = functools.partial(function, *arguments, **options)
    return await asyncio.get_running_loop().run_in_executor(_threads, work)


async def outlasted(work: asyncio.Future[T]) -> T:
    """What it comes to, however often the waiting for it is cancelled: what a thread does goes on all the same."""
    while not work.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work})
    return work.result()


async def in_turns(concurrency: int, work: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """What each of these comes to, in order, at most so many at a time. The first failure, and being cancelled, ends
    the others, and is raised when they have ended."""
    turns = asyncio.Semaphore(concurrency)

    async def one(begin: Callable[[], Awaitable[T]]) -> T:
        async with turns:
            return await begin()

    tasks = [asyncio.ensure_future(one(begin)) for begin in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await outlasted(asyncio.gather(*tasks, return_exceptions=True))
        raise


def _after_fork() -> None:
    global _threads
    _threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="smolvm-async")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
