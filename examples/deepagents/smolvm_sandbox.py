"""A back-end of LangChain's Deep Agents: an agent's files and commands are those of a machine.

    from deepagents import create_deep_agent
    from smolvm import SmolVM
    from smolvm_sandbox import SmolvmSandbox

    with SmolVM(config) as vm:
        agent = create_deep_agent(model=..., backend=SmolvmSandbox(vm))
        agent.invoke(...)

The machine's image needs `python3`, with which Deep Agents reads, edits and looks for files. Needs the packages
`deepagents` and `smolvm-machines`, and no other. `README.md` beside this file says how it is tested.
"""

from __future__ import annotations

import shlex

from deepagents.backends.protocol import (
    FILE_NOT_FOUND,
    INVALID_PATH,
    IS_DIRECTORY,
    ExecuteResponse,
    FileDownloadResponse,
    FileUploadResponse,
)
from deepagents.backends.sandbox import BaseSandbox
from smolvm import CommandResult, OperationTimeoutError, SmolVM, SmolVMError

#: Seconds for a command, where its caller has no opinion: a long build, and no more than a person would wait for.
DEFAULT_TIMEOUT = 30 * 60

#: What `timeout` of coreutils exits with.
TIMED_OUT = 124

#: In Deep Agents' words, which models know.
_REASONS = {"copy.not_found": FILE_NOT_FOUND, "copy.in_the_way": INVALID_PATH}


class SmolvmSandbox(BaseSandbox):
    """The tools of an agent, in a machine that runs. The machine is the caller's: this neither starts nor ends it.

    Commands run as the user of the `SmolVM` handle; files are written and read as root. What the machine itself
    refuses, because it has ended for one, raises SmolVMError: that is no answer of a command's.
    """

    def __init__(self, vm: SmolVM, *, timeout: int = DEFAULT_TIMEOUT) -> None:
        """Args:
        timeout: seconds for each command that comes without its own; 0: no limit.
        """
        self._vm = vm
        self._timeout = timeout

    @property
    def id(self) -> str:
        """The machine's name, as `smolvm machine ls` shows it."""
        return self._vm.vm_id

    def execute(self, command: str, *, timeout: int | None = None) -> ExecuteResponse:
        """Runs a shell command, and answers with what it said on both streams, in its order.

        Args:
            timeout: seconds after which it is killed, with all that it started; 0: never.
        """
        limit = self._limit(timeout)
        try:
            return _answer(self._vm.run(_merged(command), limit))
        except OperationTimeoutError:
            return _late(limit)

    async def aexecute(self, command: str, *, timeout: int | None = None) -> ExecuteResponse:
        """The same for asyncio: no thread waits, and a command whose task is cancelled is killed."""
        limit = self._limit(timeout)
        try:
            return _answer(await self._vm.async_run(_merged(command), limit))
        except OperationTimeoutError:
            return _late(limit)

    def upload_files(self, files: list[tuple[str, bytes]]) -> list[FileUploadResponse]:
        """Writes files, and the directories that they need. Each appears complete, or not at all."""
        return [FileUploadResponse(path=path, error=self._write(path, content)) for path, content in files]

    def download_files(self, paths: list[str]) -> list[FileDownloadResponse]:
        """Reads whole files, of at most 64 MiB each."""
        return [self._read(path) for path in paths]

    def _limit(self, timeout: int | None) -> int | None:
        return (self._timeout if timeout is None else timeout) or None

    def _write(self, path: str, content: bytes) -> str | None:
        if not _is_path(path):
            return INVALID_PATH
        try:
            self._vm.write_file(path, content, make_dirs=True)
        except SmolVMError as error:
            return _reason(error)
        return None

    def _read(self, path: str) -> FileDownloadResponse:
        if not _is_path(path):
            return FileDownloadResponse(path=path, error=INVALID_PATH)
        try:
            return FileDownloadResponse(path=path, content=self._vm.read_file(path))
        except SmolVMError as error:
            reason = _reason(error)
        if self._vm.run(f"[ -d {shlex.quote(path)} ]", shell="raw").ok:
            reason = IS_DIRECTORY
        return FileDownloadResponse(path=path, error=reason)


def _is_path(path: str) -> bool:
    return path.startswith("/") and "\0" not in path


def _merged(command: str) -> str:
    # A line of its own: what is wrong with the syntax of the command is said where its output goes.
    return f"exec 2>&1\n{command}"


def _answer(done: CommandResult) -> ExecuteResponse:
    return ExecuteResponse(
        output=done.stdout + done.stderr, exit_code=done.exit_code, truncated=done.truncated
    )


def _late(limit: int | None) -> ExecuteResponse:
    return ExecuteResponse(output=f"killed: it took longer than {limit} seconds", exit_code=TIMED_OUT)


def _reason(error: SmolVMError) -> str:
    """What an agent is told of a file. Raises what is no matter of the file's: the machine does not run any more."""
    code = str(error.details.get("code"))
    if not code.startswith(("copy.", "exec.bad_cwd")):
        raise error
    return _REASONS.get(code, error.message)
