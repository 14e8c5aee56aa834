"""What goes wrong, as exceptions. Every one that this package raises by itself is a `SmolVMError`,
but for wrong arguments, which are a `ValueError` (and often both)."""

from __future__ import annotations

from typing import Any

__all__ = [
    "CommandExecutionUnavailableError",
    "HostError",
    "ImageError",
    "NetworkError",
    "OperationTimeoutError",
    "SmolVMError",
    "ValidationError",
    "VMAlreadyExistsError",
    "VMNotFoundError",
]


class SmolVMError(Exception):
    """The base of all.

    `message` is for people; `details` for programs: `code` is one of docs/errors.md, `hint` says
    what to do, where somebody knows.
    """

    def __init__(self, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        hint = self.details.get("hint")
        return f"{self.message} ({hint})" if hint else self.message


class ValidationError(SmolVMError, ValueError):
    """A setting that no machine can have."""


class OperationTimeoutError(SmolVMError):
    """Something took longer than its caller allowed, and was given up."""

    def __init__(self, operation: str, timeout_seconds: float, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{operation} took longer than {timeout_seconds:g} seconds", details)
        self.operation = operation
        self.timeout_seconds = timeout_seconds


class VMNotFoundError(SmolVMError):
    """There is no machine of that id."""

    def __init__(self, vm_id: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"there is no machine called {vm_id!r}", details)
        self.vm_id = vm_id


class VMAlreadyExistsError(SmolVMError):
    """There is a machine of that id already."""

    def __init__(self, vm_id: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"there is a machine called {vm_id!r} already", details)
        self.vm_id = vm_id


class NetworkError(SmolVMError):
    """The machine has no network, or a port cannot be published."""


class HostError(SmolVMError):
    """This host cannot do it: no program, no engine, or the program has ended."""


class ImageError(SmolVMError):
    """A root filesystem that cannot be read, fetched, built or booted."""


class CommandExecutionUnavailableError(SmolVMError):
    """The machine is one in which no command can be run."""

    def __init__(self, vm_id: str, reason: str, remediation: str) -> None:
        super().__init__(f"no command can be run in {vm_id!r}: {reason}", {"hint": remediation})
        self.vm_id = vm_id
        self.reason = reason
        self.remediation = remediation


class SnapshotNotFoundError(SmolVMError):
    """For programs that catch it: machines have no snapshots here, so nothing raises it."""


class SnapshotAlreadyExistsError(SmolVMError):
    """As `SnapshotNotFoundError`."""


class FirecrackerAPIError(SmolVMError):
    """For programs that catch it: Firecracker runs no machine here, so nothing raises it."""

    def __init__(self, message: str, status_code: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code


_BY_AREA: dict[str, type[SmolVMError]] = {
    "confine": HostError,
    "engine": HostError,
    "assets": HostError,
    "config": HostError,
    "image": ImageError,
    "registry": ImageError,
    "credentials": ImageError,
    "network": NetworkError,
    "port": NetworkError,
}
_VALIDATION = frozenset({"sdk.bad_request", "machine.bad_name", "machine.bad_setting", "machine.bad_network"})


def from_failure(failure: dict[str, Any], vm_id: str | None) -> SmolVMError:
    """The exception for what the program answered: `{code, message, hint?}`."""
    code = str(failure.get("code", "internal"))
    message = str(failure.get("message", "the program gave no reason"))
    details: dict[str, Any] = {"code": code}
    if failure.get("hint"):
        details["hint"] = str(failure["hint"])
    if code == "machine.not_found" and vm_id is not None:
        return VMNotFoundError(vm_id, details)
    if code == "machine.exists" and vm_id is not None:
        return VMAlreadyExistsError(vm_id, details)
    if code in _VALIDATION:
        return ValidationError(message, details)
    return _BY_AREA.get(code.split(".")[0], SmolVMError)(message, details)
