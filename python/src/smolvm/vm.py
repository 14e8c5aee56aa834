"""`SmolVM`: one machine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from . import _asynchronous
from ._client import reply_of
from ._work import Shell, Workplace
from .exceptions import OperationTimeoutError, SmolVMError, VMNotFoundError
from .models import CommandResult, VMConfig, VMState

log = logging.getLogger("smolvm")


class SmolVM(Workplace):
    """A machine: `SmolVM()` makes one of the built-in Alpine system, `SmolVM(config)` one that a `VMConfig` describes,
    `SmolVM.from_id(...)` finds one that is there. A new one does not run until `start()`, or `with`:

        with SmolVM() as vm:
            print(vm.run("uname -a").stdout)

    A machine ends with the process that made it, and is deleted then, however that process ends. `close()` lets go of
    it: the machine stays. Methods can be called from any thread; each `async_…` twin does the same for asyncio.
    """

    def __enter__(self) -> Self:
        """Starts a machine that this handle made; leaves any other as it is."""
        if self._owned:
            try:
                self.start()
            except BaseException:
                self._leave()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops the machine, deletes one that this handle made, and closes. What fails on the way is logged."""
        self._leave()

    # The same for asyncio.

    @classmethod
    async def async_create(cls, config: VMConfig | None = None, **options: Any) -> Self:
        """`SmolVM(config, **options)`, without holding up the event loop."""
        return await _asynchronous.in_thread(cls, config, **options)

    @classmethod
    async def async_create_many(cls, configs: Sequence[VMConfig | None], concurrency: int = 8) -> list[Self]:
        """Makes and starts machines, at most `concurrency` at a time. If one fails, or this is cancelled, those that
        were made are deleted, and the error is raised."""
        made: list[Self] = []

        async def one(config: VMConfig | None) -> Self:
            making = asyncio.ensure_future(cls.async_create(config))
            try:
                vm = await asyncio.shield(making)
            except asyncio.CancelledError:
                # It is made in a thread all the same.
                made.append(await _asynchronous.outlasted(making))
                raise
            made.append(vm)
            return await vm.async_start()

        try:
            return await _asynchronous.in_turns(concurrency, [functools.partial(one, config) for config in configs])
        except BaseException:
            leaving = asyncio.gather(*(_asynchronous.in_thread(vm._leave) for vm in made))
            await _asynchronous.outlasted(leaving)
            raise

    @classmethod
    async def async_from_id(cls, vm_id: str, **options: Any) -> Self:
        """See `from_id`."""
        return await _asynchronous.in_thread(cls.from_id, vm_id, **options)

    async def async_start(self, boot_timeout: float = 30.0) -> Self:
        """See `start`."""
        return await _asynchronous.in_thread(self.start, boot_timeout)

    async def async_stop(self, timeout: float = 3.0) -> Self:
        """See `stop`."""
        return await _asynchronous.in_thread(self.stop, timeout)

    async def async_delete(self) -> None:
        """See `delete`."""
        await _asynchronous.in_thread(self.delete)

    async def async_refresh(self) -> Self:
        """See `refresh`."""
        return await _asynchronous.in_thread(self.refresh)

    async def async_close(self) -> None:
        """See `close`."""
        await _asynchronous.in_thread(self.close)

    async def async_run(self, command: str, timeout: float | None = 30, shell: Shell = "login") -> CommandResult:
        """See `run`. No thread waits for it; when its task is cancelled, the command is killed."""
        call = self._begin_run(command, timeout, shell)
        try:
            # Shielded: the call's end is the program's to say.
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(call.future)), timeout)
        except TimeoutError:
            call.cancel()
            assert timeout is not None
            raise OperationTimeoutError(f"command {command!r}", timeout) from None
        except asyncio.CancelledError:
            call.cancel()
            raise
        except Exception:
            pass  # `reply_of` says what it was.
        return self._ended(reply_of(call.future, self.vm_id))

    async def async_wait_for_ssh(self, timeout: float = 60.0) -> None:
        """See `wait_for_ssh`."""
        await self.async_run(":", timeout, "raw")

    async def async_upload_file(
        self, local_path: str | os.PathLike[str], remote_path: str, *, make_dirs: bool = False
    ) -> None:
        """See `upload_file`."""
        await _asynchronous.in_thread(self.upload_file, local_path, remote_path, make_dirs=make_dirs)

    async def async_download_file(
        self, remote_path: str, local_path: str | os.PathLike[str], *, max_bytes: int | None = None
    ) -> None:
        """See `download_file`."""
        await _asynchronous.in_thread(self.download_file, remote_path, local_path, max_bytes=max_bytes)

    async def async_write_file(self, remote_path: str, content: str | bytes, *, make_dirs: bool = False) -> None:
        """See `write_file`."""
        await _asynchronous.in_thread(self.write_file, remote_path, content, make_dirs=make_dirs)

    async def async_read_file(self, remote_path: str, *, max_bytes: int = 64 * 1024 * 1024) -> bytes:
        """See `read_file`."""
        return await _asynchronous.in_thread(self.read_file, remote_path, max_bytes=max_bytes)

    async def async_set_env_vars(self, env_vars: Mapping[str, str], *, merge: bool = True) -> list[str]:
        """See `set_env_vars`."""
        return await _asynchronous.in_thread(self.set_env_vars, env_vars, merge=merge)

    async def async_unset_env_vars(self, keys: Iterable[str]) -> dict[str, str]:
        """See `unset_env_vars`."""
        return await _asynchronous.in_thread(self.unset_env_vars, keys)

    async def async_list_env_vars(self) -> dict[str, str]:
        """See `list_env_vars`."""
        return await _asynchronous.in_thread(self.list_env_vars)

    async def async_expose_local(self, guest_port: int, host_port: int | None = None) -> int:
        """See `expose_local`."""
        return await _asynchronous.in_thread(self.expose_local, guest_port, host_port)

    async def async_unexpose_local(self, host_port: int, guest_port: int) -> Self:
        """See `unexpose_local`."""
        return await _asynchronous.in_thread(self.unexpose_local, host_port, guest_port)

    async def __aenter__(self) -> Self:
        entering = asyncio.ensure_future(_asynchronous.in_thread(self.__enter__))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            # It is started in a thread all the same, and nobody will leave it.
            with contextlib.suppress(Exception):
                await _asynchronous.outlasted(entering)
            await _asynchronous.outlasted(asyncio.ensure_future(_asynchronous.in_thread(self._leave)))
            raise

    async def __aexit__(self, *_: object) -> None:
        await _asynchronous.in_thread(self._leave)

    def __repr__(self) -> str:
        return f"<SmolVM {self.vm_id} {self.status.value}>"

    # Inside.

    def _leave(self) -> None:
        """The end of `with`: what fails must not hide why it was left."""
        steps = [self.delete] if self._owned else []
        for step in (self._stop_if_running, *steps, self.close):
            try:
                step()
            except SmolVMError as error:
                log.warning("leaving %s: %s", self.vm_id, error)

    def _stop_if_running(self) -> None:
        if self._deleted or self._closed:
            return
        try:
            self.refresh()
        except VMNotFoundError:
            # Somebody deleted it: that is what leaving is for.
            self._deleted = True
            return
        if self.status is VMState.RUNNING:
            self.stop()
