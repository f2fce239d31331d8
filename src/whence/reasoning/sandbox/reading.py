"""From what a program wrote and how it ended to an outcome.

The answer comes from the program's side of the fence and is read as data that may be
anything; how it ended comes from the server and is believed.
"""

from __future__ import annotations

import errno
import json
import signal
from typing import Any, NamedTuple

from whence.reasoning.sandbox.outcome import Limits, Outcome, Status
from whence.reasoning.sandbox.values import restore, writable

_TOO_LARGE = f"OSError: [Errno {errno.EFBIG}]"


class Raw(NamedTuple):
    """What came back: bytes printed, bytes of the answer, the server's report, a flood."""

    output: bytes
    result: bytes
    report: dict[str, Any]
    flooded: bool


def read_outcome(raw: Raw, limits: Limits) -> Outcome:
    """The outcome of a program."""
    answer = _answer(raw.result)
    status, error = _ending(raw, answer or {}, limits)
    values, fault = _values(answer or {})
    if fault is not None and status == "ok":
        status, error = "error", fault
    line = (answer or {}).get("line")
    return Outcome(
        status,
        values,
        raw.output.decode(errors="replace"),
        error,
        line if isinstance(line, int) else None,
        raw.report["call"],
        tuple(raw.report["refused"]),
        raw.report["cpu"],
        raw.report["wall"],
    )


def _answer(result: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(result)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _values(answer: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    values = answer.get("values", {})
    if not isinstance(values, dict):
        return {}, "an answer that is not a record"
    try:
        return {writable(name): restore(value) for name, value in values.items()}, None
    except (ValueError, OverflowError, RecursionError) as error:
        return {}, f"an answer that cannot be read: {error!s:.200}"


def _ending(raw: Raw, answer: dict[str, Any], limits: Limits) -> tuple[Status, str | None]:
    report = raw.report
    code, stopped = report["code"], report["stopped"]
    if raw.flooded:
        return "output", f"more than {limits.output:,} bytes"
    stops: dict[str | None, tuple[Status, str]] = {
        "forbidden": ("forbidden", f"a program may not call {report['call']}"),
        "wall": ("wall", f"more than {limits.wall:g} s on the clock"),
        "scratch": ("scratch", f"more than {limits.scratch:,} bytes or {limits.files} files"),
    }
    if stopped in stops:
        return stops[stopped]
    deaf = code == -signal.SIGKILL and report["cpu"] >= limits.cpu / 2
    # The kernel counts the limit in ticks, and the report exactly: they need not agree.
    if code == -signal.SIGXCPU or deaf:
        return "cpu", f"more than {limits.cpu:g} s of processor time"
    if code == -signal.SIGSYS:
        return "forbidden", "a system call of another architecture"
    if code < 0:
        return "crashed", f"ended by {signal.Signals(-code).name}"
    return _said(raw, answer, limits)


def _said(raw: Raw, answer: dict[str, Any], limits: Limits) -> tuple[Status, str | None]:
    """How a program that ended by itself says that it ended."""
    error = answer.get("error")
    if isinstance(error, str):
        if answer.get("memory"):
            return "memory", f"more than {limits.memory:,} bytes"
        if error.startswith(_TOO_LARGE):
            return "scratch", f"a file of more than {limits.scratch:,} bytes"
        return "error", _showable(error)
    if not answer or (answer.get("exited") and not answer.get("values")):
        return "exited", f"left with code {raw.report['code']} and no answer"
    return "ok", None


def _showable(text: str) -> str:
    """A message of a program as a terminal may be given it: nothing that steers one."""
    shown = (c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in writable(text))
    return "".join(shown)
