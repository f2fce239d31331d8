"""The filter of system calls, compiled to the kernel's packet-filter instructions.

It reads like its result: refuse another architecture, answer the quiet calls, judge three
calls by their arguments, let the free ones through, ask about the rest.

References:
    `seccomp(2)`, section "SECCOMP_SET_MODE_FILTER"; McCanne and Jacobson 1993, "The BSD
    Packet Filter", for the instructions.
"""

from __future__ import annotations

import errno
import fcntl
import struct

from whence.reasoning.sandbox.syscalls import Machine, calls_of

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE = 0, 4

ALLOW, ASK, KILL, ERROR = 0x7FFF0000, 0x7FC00000, 0x80000000, 0x00050000
_X32 = 0x40000000
_CLONE_THREAD = 0x10000
_FCNTL = (fcntl.F_DUPFD, fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC)


def _argument(place: int, high: bool = False) -> int:
    """Offset of half an argument in `struct seccomp_data`; both machines are little-endian."""
    return 16 + 8 * place + 4 * high


def _line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def _when(number: int, block: list[bytes]) -> list[bytes]:
    """Run a block, which must return, for one call; the number is loaded before and after."""
    return [_line(_EQUAL, number, 0, len(block)), *block]


def compile_filter(machine: Machine) -> bytes:
    """The filter of an architecture as packed instructions."""
    calls = calls_of(machine)
    lines = [
        _line(_LOAD, _ARCHITECTURE),
        _line(_EQUAL, machine.audit, 1, 0),
        _line(_RETURN, KILL),
        _line(_LOAD, _NUMBER),
        # The 32-bit-pointer calls of x86_64 pass for its architecture under other numbers.
        _line(_AT_LEAST, _X32, 0, 1),
        _line(_RETURN, KILL),
    ]
    for number in calls.free:
        lines += _when(number, [_line(_RETURN, ALLOW)])
    for number, error in calls.quiet.items():
        lines += _when(number, [_line(_RETURN, ERROR | error)])
    for name, block in _JUDGED.items():
        lines += _when(calls.by_arguments[name], block)
    return b"".join([*lines, _line(_RETURN, ASK)])


_JUDGED = {
    # A thread fails as it does when there are too many; a process is an attempt to report.
    "clone": [
        _line(_LOAD, _argument(0)),
        _line(_AND, _CLONE_THREAD),
        _line(_EQUAL, 0, 0, 1),
        _line(_RETURN, ASK),
        _line(_RETURN, ERROR | errno.EAGAIN),
    ],
    # Commands such as F_SETOWN make the kernel send signals to other processes.
    "fcntl": [
        _line(_LOAD, _argument(1)),
        *(line for f in _FCNTL for line in _when(f, [_line(_RETURN, ALLOW)])),
        _line(_RETURN, ERROR | errno.EPERM),
    ],
    # Reading one's own limits, but neither setting them nor touching another process.
    "prlimit64": [
        _line(_LOAD, _argument(0)),
        _line(_EQUAL, 0, 0, 5),
        _line(_LOAD, _argument(2)),
        _line(_EQUAL, 0, 0, 3),
        _line(_LOAD, _argument(2, high=True)),
        _line(_EQUAL, 0, 0, 1),
        _line(_RETURN, ALLOW),
        _line(_RETURN, ASK),
    ],
}
