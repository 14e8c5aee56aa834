"""Builds the wheel and the source archive: what PEP 517 asks of a backend, for a package of pure Python, with nothing
but the standard library, so that nothing has to be downloaded. The same files give the same bytes.

    python3 backend.py DIRECTORY    makes both there, and prints their names
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
#: As file names have it (PEP 491, "Escaping and Unicode").
STEM = f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}"
#: The day that everything carries: 2025-01-01.
ZIP_TIME, UNIX_TIME = (2025, 1, 1, 0, 0, 0), 1_735_689_600
SOURCES = ("README.md", "backend.py", "pyproject.toml")


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    return []


def get_requires_for_build_sdist(config_settings: object = None) -> list[str]:
    return []


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    """Makes the wheel (PEP 427), and returns its file's name."""
    info = f"{STEM}.dist-info"
    files = {path.relative_to(HERE / "src").as_posix(): path.read_bytes() for path in _module()}
    files[f"{info}/METADATA"] = _metadata()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: smolvm\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    name = f"{STEM}-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in files.items():
            member = zipfile.ZipInfo(path, ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            wheel.writestr(member, content)
    return name


def build_sdist(sdist_directory: str, config_settings: object = None) -> str:
    """Makes the source archive, and returns its file's name."""
    files = {name: (HERE / name).read_bytes() for name in SOURCES}
    files |= {path.relative_to(HERE).as_posix(): path.read_bytes() for path in _module()}
    files["PKG-INFO"] = _metadata()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{STEM}/{path}")
            member.size, member.mode, member.mtime = len(content), 0o644, UNIX_TIME
            archive.addfile(member, io.BytesIO(content))
    name = f"{STEM}.tar.gz"
    (Path(sdist_directory) / name).write_bytes(gzip.compress(packed.getvalue(), mtime=UNIX_TIME))
    return name


def _module() -> list[Path]:
    found = (HERE / "src").rglob("*")
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _metadata() -> bytes:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {PROJECT['name']}",
        f"Version: {PROJECT['version']}",
        f"Summary: {PROJECT['description']}",
        f"License: {PROJECT['license']}",
        f"Requires-Python: {PROJECT['requires-python']}",
        "Description-Content-Type: text/markdown",
        "",
        (HERE / PROJECT["readme"]).read_text(),
    ]
    return "\n".join(lines).encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    print(build_wheel(sys.argv[1]))
    print(build_sdist(sys.argv[1]))
