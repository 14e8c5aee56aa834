"""A machine from its making to its end: the first half of `SmolVM`."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from . import _machines
from ._client import Place, api, ask
from ._disks import keep_disks
from .build import disk_size_of
from .exceptions import ImageError, NetworkError, OperationTimeoutError, SmolVMError
from .models import VMConfig, VMInfo, VMState, checked_backend


class Machine:
    """What `SmolVM` is made of, without work in it."""

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
        os: str | None = None,
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
            os: of the machine that `SmolVM()` makes: `alpine`, the only one.

        Raises:
            ValueError: options that exclude each other, or a value that no machine can have.
            SmolVMError: VMAlreadyExistsError, VMNotFoundError, ImageError, HostError …
        """
        if config is not None and vm_id is not None:
            raise ValueError("config and vm_id exclude each other")
        if (config is not None or vm_id is not None) and (mem_size_mib, disk_size_mib) != (None, None):
            raise ValueError("mem_size_mib and disk_size_mib are for SmolVM() alone: a config has its own sizes")
        if os is not None and (os != "alpine" or config is not None or vm_id is not None):
            raise ValueError("os: SmolVM() makes machines of 'alpine' alone; another system is an image of a config")
        if not ssh_user:
            raise ValueError("ssh_user: must be the name of a user")
        self._user = "0" if ssh_user == "root" else ssh_user
        self._lock = threading.Lock()
        self._closed = self._deleted = False
        engine = checked_backend(backend or (config.backend if config is not None else None))
        self._place = Place(absolute(data_dir), absolute(socket_dir), engine)
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


def absolute(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.path.abspath(os.fspath(path))
