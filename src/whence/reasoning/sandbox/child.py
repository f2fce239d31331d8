"""What a forked child does: lock itself up, run one program, describe the answer, end.

It runs in a copy of the server's memory, which holds no program. Descriptors: 0 reads
nothing, 1 and 2 are the output, 3 is where the answer goes.
"""

from __future__ import annotations

import builtins
import fcntl
import gc
import json
import os
import resource
import socket
import sys
import types
from typing import Any, NamedTuple, NoReturn

from whence.reasoning.sandbox import kernel
from whence.reasoning.sandbox.values import describe

FILE = "<program>"
_RESULT, _HANDSHAKE, _TEXT, _FIRST_UNUSED = 3, 4, 5, 6
_LONGEST_MESSAGE = 2_000
_FAILED_TO_LOCK = 120


class Cell(NamedTuple):
    """What a server prepares once and every child enters.

    Attributes:
        rules: descriptor of the Landlock rules.
        filter: the compiled filter of system calls.
        scratch: the scratch folder.
        size: bytes of address space that the loaded library takes.
    """

    rules: int
    filter: bytes
    scratch: str
    size: int


class Order(NamedTuple):
    """Limits of one program, as the server is told them."""

    cpu: int
    wall: float
    memory: int
    scratch: int
    files: int


def become(cell: Cell, order: Order, text: int, output: int, result: int, shake: int) -> NoReturn:
    """Turn this process, just forked, into the program; never returns.

    Args:
        cell: where to lock it up.
        order: its limits.
        text: descriptor from which the program is read.
        output: descriptor of what it prints.
        result: descriptor of its answer.
        shake: socket over which the server gets the listener of the filter.
    """
    code = _FAILED_TO_LOCK
    try:
        kernel.die_with_parent()
        _place_descriptors(cell, text, output, result, shake)
        program = _read_program()
        os.chdir(cell.scratch)
        _limit(cell, order)
        _lock(cell)
        code = 0
        _run(program)
    except BaseException as error:
        os.write(1, f"{type(error).__name__}: {error}".encode())
        code = code or 1
    finally:
        os._exit(code)


def _place_descriptors(cell: Cell, text: int, output: int, result: int, shake: int) -> None:
    """Move what is needed to 0-5 and 6 (the rules), and close the rest."""
    wanted = (output, output, result, shake, text, cell.rules)
    # Duplicates first, so that no target is overwritten before it has been moved.
    safe = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in wanted]
    for target, fd in enumerate(safe, start=1):
        os.dup2(fd, target, inheritable=False)
    kernel.close_from(_FIRST_UNUSED + 1)


def _read_program() -> dict[str, Any]:
    with os.fdopen(_TEXT, "rb") as file:
        file.seek(0)
        program: dict[str, Any] = json.loads(file.read())
    return program


def _limit(cell: Cell, order: Order) -> None:
    limits = {
        resource.RLIMIT_AS: cell.size + order.memory,
        resource.RLIMIT_FSIZE: order.scratch,
        resource.RLIMIT_NOFILE: order.files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for limit, value in limits.items():
        hard = resource.getrlimit(limit)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (least, least))
    # A signal that says why, and one a second later for who does not listen.
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu, order.cpu + 1))


def _lock(cell: Cell) -> None:
    kernel.landlock(_FIRST_UNUSED)
    os.close(_FIRST_UNUSED)
    with socket.socket(fileno=_HANDSHAKE) as shake:
        listener = kernel.filter_calls(cell.filter)
        socket.send_fds(shake, [b"l"], [listener])
        os.close(listener)


def _run(program: dict[str, Any]) -> None:
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    space = module.__dict__
    space["__builtins__"] = builtins
    gc.enable()
    _seed()
    answer = _attempt(program, space)
    answer["values"] = _values(space, program["names"], answer)
    _send(answer)


def _seed() -> None:
    """Make random numbers the same for every program, every time."""
    if "random" in sys.modules:  # it seeds itself anew after every fork
        sys.modules["random"].seed(0)
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed(0)


def _attempt(program: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    """Run prelude and source; what it raised, if it did."""
    try:
        exec(compile(program["prelude"], "<prelude>", "exec"), space)
        exec(compile(program["source"], FILE, "exec"), space)
    except SystemExit:
        return {"exited": True}
    except BaseException as error:
        return _described(error)
    return {}


def _described(error: BaseException) -> dict[str, Any]:
    line = error.lineno if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    try:
        message = str(error)[:_LONGEST_MESSAGE]
    except BaseException:
        message = "(its text cannot be made)"
    return {
        "error": f"{type(error).__name__}: {message}",
        "line": line,
        "memory": isinstance(error, MemoryError),
    }


def _values(space: dict[str, Any], names: list[str], answer: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name in names:
        if name in space:
            try:
                values[name] = describe(space[name])
            except BaseException as error:
                answer.update({"values": {}} | _described(error))
    return values


def _send(answer: dict[str, Any]) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # the program closed it
            continue
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(_RESULT, data) :]
