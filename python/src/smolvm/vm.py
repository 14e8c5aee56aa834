"""`SmolVM`: one machine."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from . import _asynchronous, _machines, _variables
from ._calls import Call, Reply
from ._client import Place, api, ask, begin, finish, reply_of
from ._disks import keep_disks
from .build import disk_size_of
from .exceptions import (
    CommandExecutionUnavailableError,
    ImageError,
    NetworkError,
    OperationTimeoutError,
    SmolVMError,
    VMNotFoundError,
)
from .models import CommandResult, VMConfig, VMInfo, VMState, checked_backend, checked_variables

log = logging.getLogger("smolvm")

Shell = Literal["login", "raw"]

#: How often a free port of this host is looked for again, when another program took it first.
_PORT_TRIES = 8


class SmolVM:
    """A machine: `SmolVM()` makes one of the built-in Alpine system, `SmolVM(config)` one that a `VMConfig` describes,
    `SmolVM.from_id(...)` finds one that is there. A new one does not run until `start()`, or `with`:

        with SmolVM() as vm:
            print(vm.run("uname -a").stdout)

    A machine ends with the process that made it, and is deleted then, however that process ends. `close()` lets go of
    it: the machine stays. Methods can be called from any thread; each `async_…` twin does the same for asyncio.
    """

    def __init__(
        self,
        config: VMConfig | None = None,
        *,
        vm_id: str | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        socket_dir: str | os.PathLike[str] | None = None,
        backend: str | None = None,
        mem_size_mib: int | None = None,
        disk_size_mib: int | None = None,
        ssh_user: str = "root",
        ssh_key_path: str | os.PathLike[str] | None = None,
    ) -> None:
        """Makes a machine, or finds the one called `vm_id`.

        Args:
            config: what the machine is; not together with `vm_id`.
            data_dir: where machines are, instead of what SMOLVM_DATA_DIR or XDG_DATA_HOME says.
            socket_dir: where their sockets are, instead of XDG_RUNTIME_DIR.
            backend: `auto`, `libkrun` or `qemu`; wins over the config's.
            mem_size_mib, disk_size_mib: of the machine that `SmolVM()` makes; 512 each. Disks are whole GiB, and the
                size is rounded up.
            ssh_user: the user of the guest that `run` runs commands as.
            ssh_key_path: taken, and not needed: commands go through smolvm's agent, not through SSH.

        Raises:
            ValueError: options that exclude each other, or a value that no machine can have.
            SmolVMError: VMAlreadyExistsError, VMNotFoundError, ImageError, HostError …
        """
        if config is not None and vm_id is not None:
            raise ValueError("config and vm_id exclude each other")
        if (config is not None or vm_id is not None) and (mem_size_mib, disk_size_mib) != (None, None):
            raise ValueError("mem_size_mib and disk_size_mib are for SmolVM() alone: a config has its own sizes")
        if not ssh_user:
            raise ValueError("ssh_user: must be the name of a user")
        self._user = "0" if ssh_user == "root" else ssh_user
        self._lock = threading.Lock()
        self._closed = self._deleted = False
        engine = checked_backend(backend or (config.backend if config is not None else None))
        self._place = Place(_absolute(data_dir), _absolute(socket_dir), engine)
        self._owned = vm_id is None
        self._config = config
        if vm_id is not None:
            machine = api(self._place, "getMachine", vm_id)
        elif config is not None:
            machine = self._create(config, disk_size_of(config.rootfs_path))
        else:
            self._config = _machines.auto_config(mem_size_mib)
            machine = self._create(self._config, _machines.checked_disk(disk_size_mib))
        labels = machine["labels"]
        self._reason = labels.get(_machines.UNBOOTABLE_LABEL)
        self._retains = _machines.RETAIN_LABEL in labels
        where = ask(self._place, "locate", {"name": machine["name"]}, machine["name"]).result
        self._socket, self._data = str(where["socket"]), Path(where["dataDir"])
        self._info = self._informed(machine)

    @classmethod
    def from_id(
        cls,
        vm_id: str,
        *,
        data_dir: str | os.PathLike[str] | None = None,
        socket_dir: str | os.PathLike[str] | None = None,
        backend: str | None = None,
        ssh_user: str = "root",
        ssh_key_path: str | os.PathLike[str] | None = None,
    ) -> Self:
        """A machine that is there, as it is. The handle does not own it: leaving `with` stops it and keeps it.

        Raises: VMNotFoundError
        """
        return cls(
            vm_id=vm_id,
            data_dir=data_dir,
            socket_dir=socket_dir,
            backend=backend,
            ssh_user=ssh_user,
            ssh_key_path=ssh_key_path,
        )

    # What is known; nothing is asked.

    @property
    def vm_id(self) -> str:
        """The machine's name, of which there is one in a data directory."""
        return self._info.vm_id

    @property
    def status(self) -> VMState:
        """How it was when this handle last looked; `refresh` looks again."""
        return self._info.status

    @property
    def info(self) -> VMInfo:
        """All that was known of it then."""
        return self._info

    @property
    def data_dir(self) -> Path:
        """Where machines, their state and logs are; this one's are in `machines/<vm_id>`."""
        return self._data.parents[2]

    def can_run_commands(self) -> bool:
        """Whether its kernel and root filesystem are such that `run` works, once it runs."""
        return self._reason is None

    def get_ip(self) -> str:
        """The address of its network card. It is the guest's own: no other program of this host reaches it
        (`expose_local` opens ports).

        Raises: NetworkError if it has no network
        """
        if self._info.network is None:
            raise NetworkError(f"{self.vm_id!r} has no network", {"code": "machine.bad_network"})
        return self._info.network.guest_ip

    # From its start to its end.

    def start(self, boot_timeout: float = 30.0) -> Self:
        """Boots it, and returns when commands can be run. One that runs is left alone.

        Args:
            boot_timeout: seconds for the boot, from when its image is there.

        Raises: OperationTimeoutError, and nothing of it runs; ImageError for what cannot be booted; SmolVMError
        """
        self._check_open()
        if self._reason is not None:
            raise ImageError(f"{self.vm_id!r} cannot be started: {self._reason}", {"code": "engine.bad_spec"})
        if not boot_timeout > 0:
            raise ValueError("boot_timeout: must be more than 0 seconds")
        params = {"name": self.vm_id, "timeoutMs": max(1, round(boot_timeout * 1000))}
        try:
            machine = ask(self._place, "start", params, self.vm_id).document()
        except SmolVMError as error:
            if error.details.get("code") == "sdk.timeout":
                raise OperationTimeoutError("start", boot_timeout, error.details) from None
            raise
        self._info = self._informed(machine)
        return self

    def stop(self, timeout: float = 3.0) -> Self:
        """Ends it: its programs are asked to, and killed after `timeout` seconds. One that does not run is left alone.

        Raises: SmolVMError
        """
        self._check_open()
        if not timeout >= 0:
            raise ValueError("timeout: must not be less than 0 seconds")
        body = {"timeoutSecs": timeout} if timeout > 0 else {"force": True}
        self._info = self._informed(api(self._place, "stopMachine", self.vm_id, body))
        return self

    def delete(self) -> None:
        """Deletes it with its disks (but see `VMConfig.retain_disk_on_delete`); one that runs is ended first. Once is
        enough: a second call does nothing.

        Raises: SmolVMError
        """
        self._check_open()
        with self._lock:
            if self._deleted:
                return
            if self._retains:
                self.stop()
                keep_disks(self._data, self.data_dir / "retained-disks" / self.vm_id)
            api(self._place, "deleteMachine", self.vm_id)
            self._deleted = True

    def refresh(self) -> Self:
        """Looks again at how it is.

        Raises: VMNotFoundError, SmolVMError
        """
        self._check_open()
        self._info = self._informed(api(self._place, "getMachine", self.vm_id))
        return self

    def close(self) -> None:
        """Lets go of it, as it is: a machine that this handle made and did not delete is nobody's from now on, and
        outlives this process. The handle can do nothing more. A second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._owned and not self._deleted:
                ask(self._place, "release", {"name": self.vm_id}, self.vm_id)

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

    # Work in it.

    def run(self, command: str, timeout: float | None = 30, shell: Shell = "login") -> CommandResult:
        """Runs a shell command to its end.

        Args:
            command: for the guest's /bin/sh.
            timeout: seconds, at least 1, after which it is killed; None: it may take as long as it takes.
            shell: `login` reads the profile and begins in the user's home; `raw` does neither.

        Raises:
            ValueError: no command, or too short a timeout.
            OperationTimeoutError: it took longer.
            CommandExecutionUnavailableError: see `can_run_commands`.
            SmolVMError: the machine does not run, or ended meanwhile.
        """
        call = self._begin_run(command, timeout, shell)
        return self._ended(finish(call, self.vm_id, f"command {command!r}", timeout))

    def wait_for_ssh(self, timeout: float = 60.0) -> None:
        """Returns when commands can be run, as they can after `start`.

        Raises: OperationTimeoutError, SmolVMError
        """
        self.run(":", timeout, "raw")

    def upload_file(
        self, local_path: str | os.PathLike[str], remote_path: str, *, make_dirs: bool = False
    ) -> None:
        """Copies a file or directory of this host into the machine, at an absolute path; it appears there complete.

        Raises: SmolVMError
        """
        self._copy("copyIn", {"path": remote_path, "hostPath": _absolute(local_path), "parents": make_dirs})

    def download_file(
        self, remote_path: str, local_path: str | os.PathLike[str], *, max_bytes: int | None = None
    ) -> None:
        """Copies a file or directory of the machine to this host.

        Raises: SmolVMError, also for more than `max_bytes`
        """
        self._copy("copyOut", {"path": remote_path, "hostPath": _absolute(local_path), "maxBytes": max_bytes})

    def write_file(self, remote_path: str, content: str | bytes, *, make_dirs: bool = False) -> None:
        """Writes a file in the machine, at an absolute path.

        Raises: SmolVMError
        """
        data = content.encode() if isinstance(content, str) else content
        self._copy("copyIn", {"path": remote_path, "parents": make_dirs}, data)

    def read_file(self, remote_path: str, *, max_bytes: int = 64 * 1024 * 1024) -> bytes:
        """What a file in the machine holds, of at most `max_bytes` (and never more than 64 MiB).

        Raises: SmolVMError, also for a larger file
        """
        limit = min(max_bytes, 64 * 1024 * 1024)
        return bytes(self._copy("copyOut", {"path": remote_path, "maxBytes": limit}).stdout)

    # Variables that login shells of the running machine see.

    def set_env_vars(self, env_vars: Mapping[str, str], *, merge: bool = True) -> list[str]:
        """Sets variables for every command that `run` runs from now on (`shell="login"`), and for login shells.

        Args:
            merge: keep those that were set before.

        Returns the names of all that are set, in order. Raises: ValidationError, SmolVMError
        """
        variables = {**(self.list_env_vars() if merge else {}), **checked_variables(env_vars)}
        self._write_variables(variables)
        return sorted(variables)

    def unset_env_vars(self, keys: Iterable[str]) -> dict[str, str]:
        """Takes variables away that `set_env_vars` has set, and returns those that there were."""
        variables = self.list_env_vars()
        removed = {key: variables.pop(key) for key in dict.fromkeys(keys) if key in variables}
        if removed:
            self._write_variables(variables)
        return removed

    def list_env_vars(self) -> dict[str, str]:
        """The variables that `set_env_vars` has set."""
        done = self.run(f"[ ! -e {_variables.FILE} ] || cat {_variables.FILE}", shell="raw")
        if not done.ok:
            raise SmolVMError(f"{_variables.FILE} cannot be read: {done.stderr.strip()}")
        return _variables.parse(done.stdout)

    # Ports of this host.

    def expose_local(self, guest_port: int, host_port: int | None = None) -> int:
        """Lets 127.0.0.1:`host_port` of this host lead to a port of the machine.

        Args:
            host_port: None: one that is free.

        Returns the port of this host. Raises: NetworkError, ValidationError
        """
        for left in reversed(range(_PORT_TRIES)):
            port = _free_port() if host_port is None else host_port
            try:
                self._change_ports({"ports": [{"guest": guest_port, "host": port}]})
                return port
            except NetworkError:
                if host_port is not None or left == 0:
                    raise
        raise AssertionError("the last try returns or raises")

    def unexpose_local(self, host_port: int, guest_port: int) -> Self:
        """Takes back what `expose_local` opened."""
        self._change_ports({"remove": {"ports": [{"guest": guest_port, "host": host_port}]}})
        return self

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
                made.append(await making)
                raise
            made.append(vm)
            return await vm.async_start()

        try:
            return await _asynchronous.in_turns(concurrency, [functools.partial(one, config) for config in configs])
        except BaseException:
            await asyncio.gather(*(_asynchronous.in_thread(vm._leave) for vm in made))
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

    async def __aenter__(self) -> Self:
        entering = asyncio.ensure_future(_asynchronous.in_thread(self.__enter__))
        try:
            return await asyncio.shield(entering)
        except asyncio.CancelledError:
            # It is started in a thread all the same, and nobody will leave it.
            await asyncio.gather(entering, return_exceptions=True)
            await _asynchronous.in_thread(self._leave)
            raise

    async def __aexit__(self, *_: object) -> None:
        await _asynchronous.in_thread(self._leave)

    def __repr__(self) -> str:
        return f"<SmolVM {self.vm_id} {self.status.value}>"

    # Inside.

    def _create(self, config: VMConfig, disk: int | None) -> Any:
        # With disks that are to stay, the end of this process only stops the machine.
        owner = "stop" if config.retain_disk_on_delete else "delete"
        params = {"machine": _machines.described(config, disk), "owner": owner}
        return ask(self._place, "create", params, config.vm_id).document()["machine"]

    def _informed(self, machine: Mapping[str, Any]) -> VMInfo:
        return _machines.information(machine, self._socket, self._config)

    def _check_open(self) -> None:
        if self._closed:
            raise SmolVMError(f"this handle of {self.vm_id!r} is closed")

    def _begin_run(self, command: str, timeout: float | None, shell: Shell) -> Call:
        self._check_open()
        if not command.strip():
            raise ValueError("command: there is none")
        if timeout is not None and not timeout >= 1:
            raise ValueError("timeout: must be at least 1 second")
        if shell not in ("login", "raw"):
            raise ValueError(f"shell: {shell!r} is neither 'login' nor 'raw'")
        if self._reason is not None:
            raise CommandExecutionUnavailableError(
                self.vm_id, self._reason, "make it of smolvm.build.KERNEL and an image"
            )
        script = ["-lc", _variables.PRELUDE + command] if shell == "login" else ["-c", command]
        params = {"name": self.vm_id, "argv": ["/bin/sh", *script], "user": self._user, "stdin": False}
        return begin(self._place, "exec", params)

    def _ended(self, reply: Reply) -> CommandResult:
        end = reply.result if isinstance(reply.result, dict) else {}
        code = end.get("exitCode", 128 + end["signal"] if "signal" in end else None)
        if not isinstance(code, int):
            raise SmolVMError(f"{self.vm_id!r} ended before its command", {"code": "machine.lost"})
        stdout, stderr = (bytes(said).decode(errors="replace") for said in (reply.stdout, reply.stderr))
        return CommandResult(code, stdout, stderr, reply.truncated)

    def _copy(self, method: str, params: Mapping[str, Any], data: bytes = b"") -> Reply:
        self._check_open()
        return finish(begin(self._place, method, {"name": self.vm_id, **params}, data), self.vm_id)

    def _write_variables(self, variables: Mapping[str, str]) -> None:
        self.write_file(_variables.FILE, _variables.text_of(variables), make_dirs=True)

    def _change_ports(self, body: Mapping[str, Any]) -> None:
        self._check_open()
        self._info = self._informed(api(self._place, "updateMachine", self.vm_id, body))

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


def _absolute(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.path.abspath(os.fspath(path))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
