"""What machines are made of, and what is known about them: plain, frozen records."""

from __future__ import annotations

import enum
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from .boot import DEFAULT_BOOT_ARGS
from .exceptions import ValidationError


class FrozenDict(dict[str, str]):
    """A dict that nobody changes: what MappingProxyType is, but pickle and dataclasses.asdict copy it too."""

    def _refuse(self, *_given: object, **_named: object) -> NoReturn:
        raise TypeError("a VMConfig's variables cannot be changed: make another VMConfig")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, str]]]:
        return FrozenDict, (dict(self),)


_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_]|-(?!-))*(?<![_-])\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
MAX_NAME = 64
BACKENDS = ("auto", "libkrun", "qemu")


class VMState(str, enum.Enum):
    """How a machine is."""

    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    ERROR = "error"

    @classmethod
    def of(cls, state: str) -> VMState:
        """From the program's word for it."""
        return _STATES.get(state, cls.ERROR)


_STATES = {
    "created": VMState.CREATED,
    "starting": VMState.CREATED,
    "running": VMState.RUNNING,
    "stopping": VMState.RUNNING,
    "stopped": VMState.STOPPED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PortForward:
    """A port of this host that leads into the machine."""

    guest_port: int
    #: 0: any that is free, at each start.
    host_port: int = 0
    host_address: str = "127.0.0.1"

    def __post_init__(self) -> None:
        _whole("guest_port", self.guest_port, 1, 65_535)
        _whole("host_port", self.host_port, 0, 65_535)


def new_name() -> str:
    """`vm-` and eight hexadecimal digits."""
    return f"vm-{secrets.token_hex(4)}"


@dataclass(frozen=True, kw_only=True)
class VMConfig:
    """What a machine is to be. Every value is checked here; a wrong one is a ValidationError (a ValueError).

    `rootfs_path` is an image: an archive (`docker save`, an OCI layout), or a directory with a root filesystem.
    `kernel_path` is `smolvm.build.KERNEL`, which `ImageBuilder` returns too: machines boot the kernel that smolvm
    carries. Any other kernel, disk image or `boot_args` makes a machine that cannot be started
    (`SmolVM.can_run_commands`).
    """

    kernel_path: Path
    rootfs_path: Path
    vm_id: str = field(default_factory=new_name)
    vcpu_count: int = 2
    mem_size_mib: int = 512
    boot_args: str = DEFAULT_BOOT_ARGS
    env_vars: Mapping[str, str] = field(default_factory=dict)
    #: Its disks stay after `delete`, in `retained-disks/<vm_id>` below `SmolVM.data_dir`.
    retain_disk_on_delete: bool = False
    port_forwards: Sequence[PortForward | Mapping[str, Any]] = ()
    #: `auto`, `libkrun` or `qemu`.
    backend: str | None = None
    # Those that no machine here has anything else for: a value other than these is refused.
    initrd_path: None = None
    extra_drives: Sequence[Any] = ()
    disk_mode: str = "isolated"
    network_rate_limit_mbps: None = None
    #: Every machine takes commands, through its agent.
    ssh_capable: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.vm_id, str) or len(self.vm_id) > MAX_NAME or not _NAME.match(self.vm_id):
            raise ValidationError(
                f"vm_id: {self.vm_id!r} is none: a-z, 0-9, _ and single - inside, at most {MAX_NAME} characters"
            )
        _whole("vcpu_count", self.vcpu_count, 1, 32)
        _whole("mem_size_mib", self.mem_size_mib, 128, 16_384)
        object.__setattr__(self, "kernel_path", _existing("kernel_path", self.kernel_path))
        object.__setattr__(self, "rootfs_path", _existing("rootfs_path", self.rootfs_path))
        if not isinstance(self.boot_args, str):
            raise ValidationError("boot_args: must be text")
        object.__setattr__(self, "env_vars", FrozenDict(checked_variables(self.env_vars)))
        object.__setattr__(self, "port_forwards", tuple(_forward(given) for given in self.port_forwards))
        if not isinstance(self.retain_disk_on_delete, bool):
            raise ValidationError("retain_disk_on_delete: must be True or False")
        checked_backend(self.backend)
        for name, only in (("initrd_path", None), ("disk_mode", "isolated"), ("network_rate_limit_mbps", None)):
            if getattr(self, name) != only:
                raise ValidationError(f"{name}: machines have no other than {only!r} here")
        if len(self.extra_drives) > 0:
            raise ValidationError("extra_drives: machines have no other disks than their own here")
        if not isinstance(self.ssh_capable, bool):
            raise ValidationError("ssh_capable: must be True or False")


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkInfo:
    """A machine's network, as the machine itself sees it. No other program of this host reaches these addresses:
    `SmolVM.expose_local` opens ports."""

    guest_ip: str
    gateway_ip: str
    port_forwards: tuple[PortForward, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class VMInfo:
    """A machine, as it was when somebody last looked: `SmolVM.refresh` looks again."""

    vm_id: str
    status: VMState
    vcpu_count: int
    mem_size_mib: int
    env_vars: Mapping[str, str]
    #: What it was made of by this package; None: something else made it.
    config: VMConfig | None
    #: None: it has no network.
    network: NetworkInfo | None
    #: Of the process that runs it; None: it does not run.
    pid: int | None
    control_socket_path: Path


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, and what it said. A failed command is a result, not an exception."""

    #: 128 and the signal's number, if one ended it.
    exit_code: int
    stdout: str
    stderr: str
    #: It said more than 64 MiB on one of the two; the rest is not here.
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """Whether its exit code is 0."""
        return self.exit_code == 0

    @property
    def output(self) -> str:
        """stdout without the white space around it."""
        return self.stdout.strip()


def checked_variables(given: Mapping[str, str]) -> dict[str, str]:
    """Raises ValidationError."""
    for name, value in given.items():
        if not isinstance(name, str) or not _VARIABLE.match(name):
            raise ValidationError(f"{name!r} is no name of a variable")
        if not isinstance(value, str) or "\0" in value:
            raise ValidationError(f"the value of {name} is no text that a variable can have")
    return dict(given)


def checked_backend(given: str | None) -> str | None:
    """The program's word for an engine; None: whichever works. Raises ValidationError."""
    if given is not None and given not in BACKENDS:
        raise ValidationError(f"backend: {given!r} is none of {', '.join(BACKENDS)}")
    return {"libkrun": "krun", "qemu": "qemu"}.get(given or "")


def _whole(name: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValidationError(f"{name}: must be a whole number from {least} to {most}, not {value!r}")


def _existing(name: str, given: object) -> Path:
    if not isinstance(given, (str, os.PathLike)):
        raise ValidationError(f"{name}: must be a path, not {given!r}")
    path = Path(os.path.abspath(os.fspath(given)))
    if not path.exists():
        raise ValidationError(f"{name}: there is nothing at {path}")
    return path


def _forward(given: PortForward | Mapping[str, Any]) -> PortForward:
    if isinstance(given, PortForward):
        return given
    try:
        return PortForward(**given)
    except TypeError as error:
        raise ValidationError(f"port_forwards: {error}") from None
