"""Calls that wait, for event loops: each in a thread of this package's own, so that the loop's few stay free."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable, Iterable
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


async def gather(work: Iterable[Awaitable[T]], concurrency: int) -> tuple[list[T], list[BaseException]]:
    """All of it, at most so much at a time: results in order, and what failed."""
    turns = asyncio.Semaphore(concurrency)
    results: dict[int, T] = {}
    failures: list[BaseException] = []

    async def in_turn(index: int, one: Awaitable[T]) -> None:
        async with turns:
            try:
                results[index] = await one
            except Exception as error:
                failures.append(error)

    await asyncio.gather(*(in_turn(index, one) for index, one in enumerate(work)))
    return [results[index] for index in sorted(results)], failures


def _after_fork() -> None:
    global _threads
    _threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="smolvm-async")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
