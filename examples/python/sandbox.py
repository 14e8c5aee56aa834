"""A sandbox for a coding agent: the agent's files and commands stay in a machine of its own.

    SMOLVM_BIN=./smolvm python3 sandbox.py PROJECT RESULT COMMAND

Copies the folder PROJECT into a new machine, which has no other file of this host, runs the shell command
COMMAND there as an agent would, prints what it said, and brings the folder back as RESULT. Whatever the command did,
nothing but RESULT has changed.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

from smolvm import OperationTimeoutError, SmolVM

WORK = "/work"
#: What a model is shown of a command's output: its beginning and its end say most.
SHOWN = 4000


@dataclass
class Observation:
    """What an agent is told about a command that it ran."""

    exit_code: int | None
    text: str


class Sandbox:
    """The tools of an agent."""

    def __init__(self, vm: SmolVM) -> None:
        self.vm = vm

    def shell(self, command: str, timeout: int = 60) -> Observation:
        try:
            done = self.vm.run(f"cd {WORK} || exit; {command}", timeout)
        except OperationTimeoutError as error:
            return Observation(None, error.message)
        return Observation(done.exit_code, shortened(done.stdout + done.stderr))

    def read(self, path: str) -> str:
        return self.vm.read_file(f"{WORK}/{path}", max_bytes=1_000_000).decode(errors="replace")

    def write(self, path: str, text: str) -> None:
        self.vm.write_file(f"{WORK}/{path}", text, make_dirs=True)

    def edit(self, path: str, old: str, new: str) -> None:
        text = self.read(path)
        if text.count(old) != 1:
            raise ValueError(f"{shlex.quote(old)} is not exactly once in {path}")
        self.write(path, text.replace(old, new))


def shortened(text: str) -> str:
    if len(text) <= SHOWN:
        return text
    half = SHOWN // 2
    return f"{text[:half]}\n[{len(text) - SHOWN} characters]\n{text[-half:]}"


def main() -> int:
    project, result, command = sys.argv[1:]
    with SmolVM() as vm:
        vm.upload_file(project, WORK)
        sandbox = Sandbox(vm)
        seen = sandbox.shell(command)
        print(seen.text, end="")
        vm.download_file(WORK, result)
    return 124 if seen.exit_code is None else seen.exit_code


if __name__ == "__main__":
    sys.exit(main())
