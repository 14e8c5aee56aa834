"""Work in a machine that runs: the second half of `SmolVM`."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

from . import _variables
from ._calls import Call, Reply
from ._client import api, begin, finish
from ._machine import Machine, absolute
from .exceptions import CommandExecutionUnavailableError, NetworkError, SmolVMError
from .models import CommandResult, checked_variables

Shell = Literal["login", "raw"]

#: How often a free port of this host is looked for again, when another program took it first.
_PORT_TRIES = 8


class Workplace(Machine):
    """A machine with commands, files, variables and ports."""

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
        self._copy("copyIn", {"path": remote_path, "hostPath": absolute(local_path), "parents": make_dirs})

    def download_file(
        self, remote_path: str, local_path: str | os.PathLike[str], *, max_bytes: int | None = None
    ) -> None:
        """Copies a file or directory of the machine to this host.

        Raises: SmolVMError, also for more than `max_bytes`
        """
        self._copy("copyOut", {"path": remote_path, "hostPath": absolute(local_path), "maxBytes": max_bytes})

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

    # Inside.

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


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
