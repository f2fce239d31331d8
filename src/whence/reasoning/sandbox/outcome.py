"""What goes into the sandbox and what comes out, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from whence.core.errors import SandboxError

MEGABYTE = 1 << 20

Status = Literal[
    "ok",
    "error",
    "cpu",
    "wall",
    "memory",
    "output",
    "scratch",
    "forbidden",
    "crashed",
    "exited",
]
STATUSES: tuple[Status, ...] = get_args(Status)
"""How a program ended.

ok         it ran to its end
error      it raised; `Outcome.error` has the exception
cpu, wall  it used up its processor time or its time on the clock
memory     it asked for more memory than it may have
output     it printed, or answered, more than it may
scratch    it filled its scratch folder
forbidden  it asked the kernel for something that a program may not; `Outcome.call` names it
crashed    it was ended by a signal: a fault in machine code, an overflow of the stack
exited     it left the interpreter without an answer
"""


@dataclass(frozen=True)
class Limits:
    """What one program may use.

    Attributes:
        cpu: seconds of processor time, rounded up to whole ones.
        wall: seconds on the clock.
        memory: bytes, beyond what the loaded library takes.
        output: bytes printed, and as many in the answer.
        scratch: bytes in all files of the scratch folder together.
        files: files in the scratch folder, and descriptors open at a time.
    """

    cpu: float = 5.0
    wall: float = 10.0
    memory: int = 512 * MEGABYTE
    output: int = MEGABYTE
    scratch: int = 16 * MEGABYTE
    files: int = 64

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise SandboxError(
                    f"Limits.{name}",
                    expected="a number above 0",
                    got=repr(value),
                    fix="Every limit is needed; choose a large one instead.",
                )


@dataclass(frozen=True)
class Program:
    """One program: source, names to read when it has ended, code to run before it.

    Attributes:
        source: Python, run as a module of its own.
        names: global names whose values are the answer; those that are missing stay away.
        prelude: trusted code run first in the same namespace (imports, helping functions);
            its time counts, its lines do not.
    """

    source: str
    names: tuple[str, ...] = ("ans",)
    prelude: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a program.

    Attributes:
        status: how it ended, see `STATUSES`.
        values: the names asked for that it had set, as far as it came.
        output: what it printed, both streams together, cut at the limit.
        error: type and message of the exception, or what ended it.
        line: line of the source at which it raised.
        call: the forbidden system call, for instance "socket (network)".
        refused: files outside that it asked for and did not get ("openat /etc/passwd").
        cpu: seconds of processor time.
        wall: seconds on the clock, from fork to end.
    """

    status: Status
    values: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""
    error: str | None = None
    line: int | None = None
    call: str | None = None
    refused: tuple[str, ...] = ()
    cpu: float = 0.0
    wall: float = 0.0

    @property
    def value(self) -> Any:
        """The value of `ans`; None where there is none."""
        return self.values.get("ans")
