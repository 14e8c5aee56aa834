"""Disks that outlive their machine."""

from __future__ import annotations

import os
from pathlib import Path

from .exceptions import SmolVMError


def keep_disks(data: Path, target: Path) -> None:
    """Gives the disks in a machine's directory a second name in `target`, which is made: nothing is copied.

    Raises SmolVMError, and `target` is not there then, or as it was.
    """
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.mkdir(mode=0o700)
    except FileExistsError:
        raise SmolVMError(f"disks of a machine of that name are kept in {target} already: move them away") from None
    except OSError as error:
        raise SmolVMError(f"{target}: {error.strerror}") from error
    try:
        # A machine that was never started has none.
        for disk in data.glob("*.ext4"):
            os.link(disk, target / disk.name)
    except OSError as error:
        for name in target.iterdir():
            name.unlink()
        target.rmdir()
        raise SmolVMError(f"the disks cannot be kept in {target}: {error.strerror}") from error
