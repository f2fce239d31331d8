"""The kernel's means, through libc: Landlock, seccomp, capabilities, descriptors.

Nothing here decides what is allowed; `syscalls`, `filter` and `server` do.

References:
    Landlock: the kernel's `Documentation/userspace-api/landlock.rst`.
    seccomp: `seccomp(2)`, `seccomp_unotify(2)`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable
from fcntl import ioctl
from typing import NamedTuple

from whence.core.errors import SandboxError
from whence.reasoning.sandbox.syscalls import MACHINES, Machine

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CLOSE_RANGE = 436
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SET_FILTER, _NEW_LISTENER, _ACTION_AVAILABLE = 1, 8, 2
_USER_NOTIF = 0x7FC00000
_LARGE, _MADV_COLLAPSE = 1 << 21, 25
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1

_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""Landlock version -> how many rights on files it knows; they are bits from 0 up."""
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
WRITE_FILE, REMOVE_FILE, MAKE_FILE, TRUNCATE = 1 << 1, 1 << 5, 1 << 8, 1 << 14
_NETWORK = 0b11  # bind and connect, from version 4
_SCOPED = 0b11  # abstract sockets and signals, from version 6

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("yes", ctypes.c_ubyte),
        ("no", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def check_kernel() -> Machine:
    """The architecture, if this machine can hold untrusted programs.

    Raises:
        SandboxError: it cannot; the message says what is missing.
    """
    name = platform.machine()
    if sys.platform != "linux" or name not in MACHINES:
        raise _refusal(f"{sys.platform} on {name}")
    try:
        landlock_version()
    except OSError as error:
        raise _refusal(f"a kernel without Landlock ({error.strerror})") from error
    try:
        action = struct.pack("I", _USER_NOTIF)
        _call(_SECCOMP[name], ctypes.c_uint(_ACTION_AVAILABLE), ctypes.c_uint(0), action)
    except OSError as error:
        raise _refusal(f"a kernel without seccomp notifications ({error.strerror})") from error
    return MACHINES[name]


def _refusal(got: str) -> SandboxError:
    return SandboxError(
        "sandbox",
        expected="Linux 5.13 or later on x86_64 or aarch64, with Landlock and seccomp",
        got=got,
        fix="Programs of models are not run without it. Run this on such a machine or in a "
        "container on one; stored results can be scored anywhere.",
    )


def landlock_version() -> int:
    """Version of the kernel's Landlock.

    Raises:
        OSError: the kernel has none, or it is switched off.
    """
    return _call(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))


def landlock_rules(read: Iterable[str], folders: Iterable[str], scratch: str, version: int) -> int:
    """Rules as a descriptor: read what lies below some paths, use one folder, nothing else.

    Args:
        read: files and folders whose content may be read.
        folders: folders whose names may be listed, at any depth.
        scratch: folder in which plain files may be made, written and removed.
        version: the kernel's Landlock, from `landlock_version`.
    """
    known = (1 << _RIGHTS_BY_VERSION.get(version, 16)) - 1
    handled = struct.pack(
        "QQQ", known, _NETWORK if version >= 4 else 0, _SCOPED if version >= 6 else 0
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = _call(_LANDLOCK_CREATE, handled, ctypes.c_size_t(size), ctypes.c_uint(0))
    inside = READ_FILE | READ_FOLDER | WRITE_FILE | REMOVE_FILE | MAKE_FILE | TRUNCATE
    for path in read:
        _allow(rules, path, READ_FILE | READ_FOLDER if os.path.isdir(path) else READ_FILE)  # noqa: PTH112
    for path in folders:
        _allow(rules, path, READ_FOLDER)
    _allow(rules, scratch, inside & known)
    return rules


def _allow(rules: int, path: str, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", rights, handle)
        _call(_LANDLOCK_ADD, ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint(0))
    finally:
        os.close(handle)


def landlock(rules: int) -> None:
    """Put this process under rules, for good."""
    _call(_LANDLOCK_RESTRICT, ctypes.c_int(rules), ctypes.c_uint(0))


def filter_calls(instructions: bytes) -> int:
    """Put this process under a filter of system calls, for good.

    Args:
        instructions: a compiled filter, from `filter.compile_filter`.

    Returns:
        The descriptor from which the calls that the filter asks about are read.
    """
    count = len(instructions) // ctypes.sizeof(_Instruction)
    array = (_Instruction * count).from_buffer_copy(instructions)
    program = _FilterProgram(count, array)
    number = _SECCOMP[platform.machine()]
    return _call(
        number, ctypes.c_uint(_SET_FILTER), ctypes.c_uint(_NEW_LISTENER), ctypes.byref(program)
    )


class Asked(NamedTuple):
    """A system call that waits for an answer."""

    id: int
    number: int
    arguments: tuple[int, ...]


def next_asked(listener: int) -> Asked:
    """The next call that waits.

    Raises:
        OSError: whoever made it is gone (ENOENT).
    """
    record = bytearray(80)
    ioctl(listener, _RECEIVE, record)
    identity, _pid, _flags, number, _arch, _ip, *arguments = struct.unpack("QIIiIQ6Q", record)
    return Asked(identity, number, tuple(arguments))


def let_through(listener: int, asked: Asked) -> None:
    """Let the kernel carry the call out."""
    ioctl(listener, _SEND, bytearray(struct.pack("QqiI", asked.id, 0, 0, _CONTINUE)))


def deny(listener: int, asked: Asked, error: int) -> None:
    """Make the call fail with an error number."""
    ioctl(listener, _SEND, bytearray(struct.pack("QqiI", asked.id, 0, -error, 0)))


def drop_privileges() -> None:
    """Give up every capability, and with it the powers of root; no program gives them back."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    header = struct.pack("Ii", 0x20080522, 0)
    _call(_CAPSET[platform.machine()], header, bytes(24))


def die_with_parent() -> None:
    """Be killed when the parent ends."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def close_from(first: int) -> None:
    """Close every descriptor from a number up."""
    _call(_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), ctypes.c_uint(0))


def gather_pages() -> None:
    """Move this process's memory into large pages, where the kernel can (6.1 and later).

    Forking copies the table of pages and ending takes it apart again; both cost a third with
    large pages. Where the kernel declines, a fork is only slower, so its answer is not looked at.
    """
    with open("/proc/self/maps") as file:  # noqa: PTH123 - one read, no path to speak of
        lines = file.read().splitlines()
    for line in lines:
        place, rights, *_, last = line.split()
        if rights != "rw-p" or last not in ("0", "[heap]"):
            continue
        start, end = (int(word, 16) for word in place.split("-"))
        start, end = -(-start // _LARGE) * _LARGE, end // _LARGE * _LARGE
        if start < end:
            arguments = ctypes.c_void_p(start), ctypes.c_size_t(end - start)
            _libc.madvise(*arguments, ctypes.c_int(_MADV_COLLAPSE))
