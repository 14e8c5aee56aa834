"""Variables of a machine that runs: a file in it, which login shells read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from .exceptions import SmolVMError

#: Where `SmolVM.set_env_vars` keeps them. Shells that read /etc/profile read it too; `SmolVM.run` in any case.
FILE = "/etc/profile.d/smolvm_env.sh"

#: What stands before each command that a login shell runs.
PRELUDE = f"[ ! -r {FILE} ] || . {FILE}; cd 2>/dev/null\n"

_HEAD = "# Written by smolvm: variables of every login shell.\n"


def text_of(variables: Mapping[str, str]) -> str:
    """The file that says these, in the order of their names."""
    return _HEAD + "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(variables.items()))


def parse(text: str) -> dict[str, str]:
    """What a file says that `text_of` made; raises SmolVMError for one that somebody else wrote."""
    try:
        words = shlex.split(text, comments=True)
        pairs = [word.split("=", 1) for word in words if word != "export"]
        return {name: value for name, value in pairs}
    except ValueError:
        raise SmolVMError(f"{FILE} in the machine is not as this package writes it") from None
