"""Small virtual machines: make one, run commands in it, throw it away.

    from smolvm import SmolVM

    with SmolVM() as vm:
        print(vm.run("uname -a").stdout)

Importing starts nothing. The first machine starts one child process, the program `smolvm`, which is found by SMOLVM_BIN
or on PATH.
"""

from .build import SSH_BOOT_ARGS, ImageBuilder
from .exceptions import (
    CommandExecutionUnavailableError,
    FirecrackerAPIError,
    HostError,
    ImageError,
    NetworkError,
    OperationTimeoutError,
    SmolVMError,
    SnapshotAlreadyExistsError,
    SnapshotNotFoundError,
    ValidationError,
    VMAlreadyExistsError,
    VMNotFoundError,
)
from .models import CommandResult, NetworkInfo, PortForward, VMConfig, VMInfo, VMState
from .vm import SmolVM

__version__ = "0.1.0"

__all__ = [
    "SSH_BOOT_ARGS",
    "CommandExecutionUnavailableError",
    "CommandResult",
    "FirecrackerAPIError",
    "HostError",
    "ImageBuilder",
    "ImageError",
    "NetworkError",
    "NetworkInfo",
    "OperationTimeoutError",
    "PortForward",
    "SmolVM",
    "SmolVMError",
    "SnapshotAlreadyExistsError",
    "SnapshotNotFoundError",
    "VMAlreadyExistsError",
    "VMConfig",
    "VMInfo",
    "VMNotFoundError",
    "VMState",
    "ValidationError",
]
