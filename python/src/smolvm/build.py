"""Images for machines."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import _asynchronous
from ._child import find_program
from ._client import Place, api, ask, begin, finish
from .boot import DEFAULT_BOOT_ARGS, KERNEL, ROOTFS, SSH_BOOT_ARGS
from .exceptions import ImageError, ValidationError
from .models import new_name

__all__ = ["DEFAULT_BOOT_ARGS", "KERNEL", "ROOTFS", "SSH_BOOT_ARGS", "ImageBuilder"]

#: What images are built on, unless SMOLVM_PYTHON_BASE_IMAGE or the builder's `base_image` says otherwise.
BASE_IMAGE = "alpine:3.20"

#: Seconds for everything that is run in the machine that becomes the image; installing packages is most of it.
_BUILD_LIMIT = 600.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
#: What the image's disk is to be, in a file beside the image.
_SIZE_FILE = "disk.json"
_IMAGE_FILE = "rootfs.tar"

_INSTALL = """
set -e
if ! command -v sshd >/dev/null && [ ! -x /usr/sbin/sshd ]; then
  if command -v apk >/dev/null; then apk add --no-cache openssh
  elif command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends openssh-server
  else echo 'the base image has neither sshd, apk nor apt-get' >&2; exit 1
  fi
fi
ssh-keygen -A
mkdir -p /run/sshd /etc/ssh /root/.ssh
chmod 700 /root/.ssh
"""
_CONFIGURE = """
# Its first word about a setting is what sshd takes.
{{ printf '%s\\n' 'PermitRootLogin yes' 'PasswordAuthentication {password}' 'PubkeyAuthentication yes'
  cat /etc/ssh/sshd_config; }} >/etc/ssh/sshd_config.new
mv /etc/ssh/sshd_config.new /etc/ssh/sshd_config
sync
"""
_COMMAND = 'CMD ["/bin/sh", "-c", "mkdir -p /run/sshd && exec \\"$(command -v sshd || echo /usr/sbin/sshd)\\" -D -e"]'


class ImageBuilder:
    """Builds images in machines: a base image is booted, set up and written to a file. Nothing else is needed (no
    Docker); the base image comes from its registry, packages from the base system's mirrors.

    `base_image` is a name in a registry, an archive or a directory; with sshd in it, nothing is fetched.
    """

    def __init__(
        self,
        *,
        base_image: str | os.PathLike[str] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        given = base_image or os.environ.get("SMOLVM_PYTHON_BASE_IMAGE") or BASE_IMAGE
        self._base = os.fspath(given)
        self._place = Place(None if data_dir is None else os.path.abspath(os.fspath(data_dir)))

    def build_alpine_ssh(
        self, name: str = "alpine-ssh", ssh_password: str = "smolvm", rootfs_size_mb: int = 512
    ) -> tuple[Path, Path]:
        """An image whose machines run sshd, which lets root in by password.

        Args:
            name: what was built under it before is returned, whatever the other arguments say.
            ssh_password: root's.
            rootfs_size_mb: of the disk of machines made of it, rounded up to whole GiB.

        Returns the kernel and the image, for `VMConfig`. Raises: ImageError, ValidationError, SmolVMError
        """
        if not ssh_password or "\n" in ssh_password or "\0" in ssh_password:
            raise ValidationError("ssh_password: must be one line")
        password = f"printf '%s\\n' {shlex.quote('root:' + ssh_password)} | chpasswd"
        return self._build(name, password + _CONFIGURE.format(password="yes"), rootfs_size_mb)

    def build_alpine_ssh_key(
        self, ssh_public_key: str | os.PathLike[str], name: str = "alpine-ssh-key", rootfs_size_mb: int = 512
    ) -> tuple[Path, Path]:
        """The same, where root is let in by a key: the text of a public key, or the path of one."""
        key = os.fspath(ssh_public_key)
        if not key.startswith(("ssh-", "ecdsa-", "sk-")):
            try:
                key = Path(key).read_text()
            except OSError as error:
                raise ValidationError(f"ssh_public_key: {key}: {error.strerror}") from None
        lines = f"printf '%s\\n' {shlex.quote(key.strip())} >/root/.ssh/authorized_keys\nchmod 600 /root/.ssh/*\n"
        # sshd lets nobody in whose account is locked, and one without a password is.
        unlock = "sed -i 's/^root:[!*]*:/root:*:/' /etc/shadow\n"
        return self._build(name, lines + unlock + _CONFIGURE.format(password="no"), rootfs_size_mb)

    async def async_build_alpine_ssh(
        self, name: str = "alpine-ssh", ssh_password: str = "smolvm", rootfs_size_mb: int = 512
    ) -> tuple[Path, Path]:
        """See `build_alpine_ssh`."""
        return await _asynchronous.in_thread(self.build_alpine_ssh, name, ssh_password, rootfs_size_mb)

    async def async_build_alpine_ssh_key(
        self, ssh_public_key: str | os.PathLike[str], name: str = "alpine-ssh-key", rootfs_size_mb: int = 512
    ) -> tuple[Path, Path]:
        """See `build_alpine_ssh_key`."""
        return await _asynchronous.in_thread(self.build_alpine_ssh_key, ssh_public_key, name, rootfs_size_mb)

    def _build(self, name: str, script: str, rootfs_size_mb: int) -> tuple[Path, Path]:
        if not _NAME.match(name):
            raise ValidationError(f"name: {name!r} is none: letters, digits, _ . - and at most 100 of them")
        if isinstance(rootfs_size_mb, bool) or not isinstance(rootfs_size_mb, int) or rootfs_size_mb < 64:
            raise ValidationError("rootfs_size_mb: must be at least 64")
        images = data_root(self._place) / "python-images"
        finished = images / name
        if not finished.exists():
            images.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=images))
            try:
                self._make(unfinished / _IMAGE_FILE, script)
                (unfinished / _SIZE_FILE).write_text(json.dumps({"rootfs_size_mb": rootfs_size_mb}))
                # Another process may have built it meanwhile: the first one stays.
                if not _renamed(unfinished, finished):
                    shutil.rmtree(unfinished)
            except BaseException:
                shutil.rmtree(unfinished)
                raise
        return KERNEL, finished / _IMAGE_FILE

    def _make(self, output: Path, script: str) -> None:
        """Runs the script in a machine of the base image, and writes the machine as an image."""
        name = new_name()
        place = self._place
        base = os.path.abspath(self._base) if os.path.exists(self._base) else self._base
        machine = {"name": name, "image": base, "network": True, "cmd": ["/bin/sh", "-c", ":"], "entrypoint": []}
        ask(place, "create", {"machine": machine, "owner": "delete"}, name)
        try:
            ask(place, "start", {"name": name}, name)
            self._set_up(name, _INSTALL + script)
            api(place, "stopMachine", name)
            reference = f"smolvm-python/{name}:built"
            # In this order: an ENTRYPOINT takes the CMD before it away.
            changes = ("--change", "ENTRYPOINT []", "--change", _COMMAND)
            self._command("machine", "commit", "--name", name, *changes, reference)
            try:
                self._command("images", "save", "--output", str(output), reference)
            finally:
                self._command("images", "rm", reference)
        finally:
            api(place, "deleteMachine", name)

    def _set_up(self, name: str, script: str) -> None:
        params = {"name": name, "argv": ["/bin/sh", "-c", script], "user": "0", "stdin": False}
        reply = finish(begin(self._place, "exec", params), name, "building the image", _BUILD_LIMIT)
        if reply.result.get("exitCode") != 0:
            said = bytes(reply.stderr + reply.stdout).decode(errors="replace").strip()
            raise ImageError(f"the image cannot be built on {self._base}: {said[-2000:]}", {"code": "image.not_built"})

    def _command(self, *words: str) -> None:
        """What only the command line does. Raises ImageError."""
        environment = self._place.environment()
        command = [find_program(environment), "--error-format", "json", *words]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode == 0:
            return
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        try:
            failure = json.loads(last)["error"]
        except (ValueError, KeyError, TypeError):
            failure = {"code": "image.not_built", "message": last}
        raise ImageError(str(failure.get("message")), {"code": failure.get("code")})


def data_root(place: Place) -> Path:
    """Where the program keeps machines, by its own rules (docs/configuration.md)."""
    environment = place.environment()
    if root := environment.get("SMOLVM_DATA_DIR"):
        return Path(root)
    data = environment.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local/share") / "smolvm"


def _renamed(source: Path, target: Path) -> bool:
    try:
        source.rename(target)
    except OSError:
        if not target.exists():
            raise
        return False
    return True


def disk_size_of(rootfs: Path) -> int | None:
    """MiB of disk that `ImageBuilder` was asked for; None for what it did not make."""
    try:
        size = json.loads(rootfs.with_name(_SIZE_FILE).read_text())["rootfs_size_mb"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return size if isinstance(size, int) else None
