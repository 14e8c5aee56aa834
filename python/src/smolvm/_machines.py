"""Between records of this package and what the program says about machines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .boot import KERNEL, ROOTFS, why_unbootable
from .exceptions import ValidationError
from .models import NetworkInfo, PortForward, VMConfig, VMInfo, VMState

#: Of every machine that has a network: docs/design/network.md.
GUEST_ADDRESS, GATEWAY_ADDRESS = "100.96.0.2", "100.96.0.1"

#: What a machine is labelled with, so that other handles know how it was made.
UNBOOTABLE_LABEL = "smolvm.python.cannot-start"
RETAIN_LABEL = "smolvm.python.retain-disk"

_MIB_IN_GIB = 1024
#: Of the disk of `SmolVM()`.
_DISK_MIB, _LEAST_DISK_MIB = 512, 64


def described(config: VMConfig, disk_size_mib: int | None) -> dict[str, Any]:
    """What `create` is asked for."""
    reason = why_unbootable(config.kernel_path, config.rootfs_path, config.boot_args)
    labels = {RETAIN_LABEL: "yes"} if config.retain_disk_on_delete else {}
    machine: dict[str, Any] = {
        "name": config.vm_id,
        "cpus": config.vcpu_count,
        "memoryMb": config.mem_size_mib,
        "network": True,
        "env": [{"name": name, "value": value} for name, value in config.env_vars.items()],
        "ports": [_port_asked(forward) for forward in forwards_of(config)],
        "labels": labels,
    }
    if disk_size_mib is not None:
        # Disks are whole GiB, and take only what is written to them.
        machine["overlayGb"] = math.ceil(disk_size_mib / _MIB_IN_GIB)
    if reason is not None:
        labels[UNBOOTABLE_LABEL] = reason
        # Whoever else starts it is told as well.
        machine["init"] = ["echo 'made by the Python package for another kernel or disk' >&2; false"]
    elif not config.rootfs_path.samefile(ROOTFS):
        machine["image"] = str(config.rootfs_path)
    return machine


def forwards_of(config: VMConfig) -> tuple[PortForward, ...]:
    return tuple(forward for forward in config.port_forwards if isinstance(forward, PortForward))


def information(machine: Mapping[str, Any], socket: str, config: VMConfig | None) -> VMInfo:
    """What is known, from the answer to `getMachine`."""
    return VMInfo(
        vm_id=str(machine["name"]),
        status=VMState.of(str(machine["state"])),
        vcpu_count=int(machine.get("cpus", 0)),
        mem_size_mib=int(machine.get("memoryMb", 0)),
        env_vars={entry["name"]: entry["value"] for entry in machine["env"]},
        config=config,
        network=_network(machine),
        pid=machine.get("pid"),
        control_socket_path=Path(socket),
    )


def auto_config(mem_size_mib: int | None) -> VMConfig:
    """The machine of `SmolVM()`."""
    memory = 512 if mem_size_mib is None else mem_size_mib
    return VMConfig(kernel_path=KERNEL, rootfs_path=ROOTFS, vcpu_count=1, mem_size_mib=memory)


def checked_disk(disk_size_mib: int | None) -> int:
    """MiB of the disk of `SmolVM()`. Raises ValidationError."""
    if disk_size_mib is None:
        return _DISK_MIB
    if isinstance(disk_size_mib, bool) or not isinstance(disk_size_mib, int) or disk_size_mib < _LEAST_DISK_MIB:
        raise ValidationError(f"disk_size_mib: must be a whole number of at least {_LEAST_DISK_MIB}")
    return disk_size_mib


def _port_asked(forward: PortForward) -> dict[str, Any]:
    return {"host": forward.host_port, "guest": forward.guest_port, "address": forward.host_address}


def _network(machine: Mapping[str, Any]) -> NetworkInfo | None:
    if not machine["network"]:
        return None
    forwards = tuple(
        PortForward(guest_port=port["guest"], host_port=port["host"], host_address=port["address"])
        for port in machine["ports"]
        if port["protocol"] == "tcp"
    )
    return NetworkInfo(guest_ip=GUEST_ADDRESS, gateway_ip=GATEWAY_ADDRESS, port_forwards=forwards)
