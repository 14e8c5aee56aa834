"""What machines boot. The kernel and an Alpine system are part of the program, so the files that stand for them here
say so, and no more."""

from __future__ import annotations

from pathlib import Path

#: Stands for the kernel that the program carries: a `VMConfig.kernel_path`.
KERNEL = Path(__file__).with_name("kernel")
#: Stands for the Alpine system that the program carries: a `VMConfig.rootfs_path`.
ROOTFS = Path(__file__).with_name("rootfs")

#: What kernels of microVMs are usually told. The program tells its own kernel what it needs; these two mean "that".
DEFAULT_BOOT_ARGS = "console=ttyS0 reboot=k panic=1 pci=off"
SSH_BOOT_ARGS = f"{DEFAULT_BOOT_ARGS} root=/dev/vda rw init=/init"


def why_unbootable(kernel: Path, rootfs: Path, boot_args: str) -> str | None:
    """Why a machine of these cannot be started; None: it can."""
    if not kernel.samefile(KERNEL):
        return f"{kernel} is not the kernel that smolvm boots (smolvm.build.KERNEL)"
    if boot_args not in (DEFAULT_BOOT_ARGS, SSH_BOOT_ARGS):
        return f"smolvm's kernel takes no parameters of others: {boot_args}"
    if rootfs.is_file() and _is_disk(rootfs):
        return f"{rootfs} is a disk without smolvm's agent; an image archive or a directory is needed"
    return None


def _is_disk(path: Path) -> bool:
    """Whether it has the magic number of ext2 to ext4 (at byte 1080)."""
    with path.open("rb") as file:
        file.seek(1080)
        return file.read(2) == b"\x53\xef"
