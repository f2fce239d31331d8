"""The fork server: an interpreter that has loaded the library and forks once a program.

It is trusted and small. What it gets from a program is a path now and then, to be judged
(`judge_path`), and how the program ended. Program texts and outputs pass it by: the child
reads the one and writes the other through descriptors that the server only hands on.

Messages over a socket of whole packets: an order with three descriptors in; how it ended
out; `b"stop"` in, while a program runs, ends it. When the socket closes, the server ends,
and the kernel ends its child.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from whence.reasoning.sandbox import kernel
from whence.reasoning.sandbox.child import Cell, Order, become
from whence.reasoning.sandbox.filter import compile_filter
from whence.reasoning.sandbox.syscalls import Calls, calls_of

_LOOK_EVERY = 0.02  # seconds between looks at the scratch folder
_LONGEST_PATH = 4096
_MOST_REFUSED, _LONGEST_SHOWN = 20, 200  # a report has to fit into one packet
_PATH_FIRST = frozenset({"open", "stat", "lstat", "access", "readlink", "unlink"})
_CHANGING = frozenset({"open", "openat", "unlink", "unlinkat"})
_FLAGS_AT = {"open": 1, "openat": 2}
_TMPFILE = 0o20000000
_PACKET = 1 << 16
STOP = b"stop"


@dataclass(frozen=True)
class Prison:
    """What stays the same for all programs of a server."""

    cell: Cell
    calls: Calls
    roots: tuple[str, ...]
    scratch: int


@dataclass
class Watch:
    """What is known of the program that runs now."""

    pid: int
    started: float
    stopped: str | None = None
    call: str | None = None
    refused: list[str] = field(default_factory=list)


def serve(control: socket.socket, library: dict[str, Any]) -> None:
    """Load the library, lock up, and run programs until the control socket closes."""
    prison = _prepare(library)
    control.send(json.dumps({"ready": True}).encode())
    while True:
        packet, handles, _, _ = socket.recv_fds(control, _PACKET, 3)
        if not packet:
            return
        if packet == STOP:  # the program had ended by itself
            continue
        report = _run(prison, control, Order(**json.loads(packet)), handles)
        if report is None:
            return
        control.send(json.dumps(report).encode())


def _prepare(library: dict[str, Any]) -> Prison:
    machine = kernel.check_kernel()
    kernel.drop_privileges()
    kernel.die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    scratch: str = library["scratch"]
    os.chdir(scratch)
    sys.path[:] = library["path"]
    exec(compile(library["preload"], "<preload>", "exec"), {"__name__": "preload"})
    folders = [*library["folders"], *library["path"]]
    rules = kernel.landlock_rules(library["read"], folders, scratch, kernel.landlock_version())
    gc.collect()
    gc.disable()
    # Objects made so far are left alone by the children's collector, and so are their pages.
    gc.freeze()
    kernel.gather_pages()
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - read once, in bytes
        size = int(file.read().split()[0]) * resource.getpagesize()
    cell = Cell(rules, compile_filter(machine), scratch, size)
    roots = tuple(dict.fromkeys([scratch, *folders]))
    return Prison(cell, calls_of(machine), roots, os.open(scratch, os.O_RDONLY | os.O_DIRECTORY))


def _run(
    prison: Prison, control: socket.socket, order: Order, handles: list[int]
) -> dict[str, Any] | None:
    """Run one program; None when nobody waits for it any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    watch = Watch(os.fork(), time.monotonic())
    if watch.pid == 0:
        text, output, result = handles
        become(prison.cell, order, text, output, result, theirs.fileno())
    theirs.close()
    for handle in handles:
        os.close(handle)
    with ours:
        awaited = _watch(prison, control, order, watch, ours)
    _, status, usage = os.wait4(watch.pid, 0)
    wall = time.monotonic() - watch.started
    _empty(prison.scratch)
    if not awaited:
        return None
    return {
        "code": os.waitstatus_to_exitcode(status),
        "stopped": watch.stopped,
        "call": watch.call,
        "refused": watch.refused,
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": wall,
    }


def _watch(
    prison: Prison, control: socket.socket, order: Order, watch: Watch, ours: socket.socket
) -> bool:
    """Answer what the program asks, and end it when it must end; returns when it has ended.

    Returns:
        Whether somebody still waits for the report.
    """
    ended, listener = os.pidfd_open(watch.pid), -1
    memory = _memory(watch.pid)
    poll = select.poll()
    for source in (control, ours, ended):
        poll.register(source, select.POLLIN)
    awaited, looked = True, watch.started
    try:
        while True:
            ready = dict(poll.poll(_patience(order, watch)))
            if ended in ready:
                return awaited
            if control.fileno() in ready:
                awaited = bool(control.recv(_PACKET))
                _stop(watch, "asked")
                poll.unregister(control)
            if ours.fileno() in ready:
                poll.unregister(ours)
                listener = _listener(ours)
                if listener >= 0:
                    poll.register(listener, select.POLLIN)
            if ready.get(listener, 0) & select.POLLIN:
                _answer(prison, listener, memory, watch)
            elif listener in ready:  # nobody is left under the filter: it is about to end
                poll.unregister(listener)
            looked = _look(prison, order, watch, looked)
    finally:
        for handle in (ended, memory, listener):
            if handle >= 0:
                os.close(handle)


def _memory(pid: int) -> int:
    """The memory of a program; -1 when it has ended already, and will ask nothing."""
    try:
        return os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    except ProcessLookupError:
        return -1


def _patience(order: Order, watch: Watch) -> float:
    """Milliseconds until something has to be looked at."""
    if watch.stopped:
        return 1000.0
    left = order.wall - (time.monotonic() - watch.started)
    return max(0.0, min(_LOOK_EVERY, left)) * 1000


def _listener(ours: socket.socket) -> int:
    """The listener that the child sends; -1 when it ended before it could."""
    _, handles, _, _ = socket.recv_fds(ours, 1, 1)
    return handles[0] if handles else -1


def _look(prison: Prison, order: Order, watch: Watch, looked: float) -> float:
    """Look at the clock, and now and then at the scratch folder; returns when that was."""
    now = time.monotonic()
    if now - watch.started >= order.wall:
        _stop(watch, "wall")
    if now - looked < _LOOK_EVERY:
        return looked
    if _too_much(order, prison.scratch):
        _stop(watch, "scratch")
    return now


def _stop(watch: Watch, reason: str) -> None:
    """End the program. It is not reaped yet, so its number cannot be another's."""
    if watch.stopped is None:
        watch.stopped = reason
        os.kill(watch.pid, signal.SIGKILL)


def _answer(prison: Prison, listener: int, memory: int, watch: Watch) -> None:
    try:
        asked = kernel.next_asked(listener)
        if asked.number in prison.calls.paths:
            name = prison.calls.paths[asked.number]
            path = _path(memory, asked.arguments[0 if name in _PATH_FIRST else 1])
            flags = asked.arguments[_FLAGS_AT[name]] if name in _FLAGS_AT else 0
            if judge_path(path, name, flags, prison.roots):
                kernel.let_through(listener, asked)
            else:
                if len(watch.refused) < _MOST_REFUSED:
                    watch.refused.append(f"{name} {_shown(path)}")
                kernel.deny(listener, asked, errno.EACCES)
        elif asked.number in prison.calls.signals and asked.arguments[0] == watch.pid:
            kernel.let_through(listener, asked)  # `abort` sends itself a signal
        else:
            number = asked.number
            watch.call = prison.calls.names.get(number, f"system call {number} (not allowed)")
            _stop(watch, "forbidden")
    except OSError as error:
        if error.errno != errno.ENOENT:  # the program ended while it was asking
            raise


def _path(memory: int, address: int) -> bytes | None:
    """The text at an address of the program, which is stopped in its call and has no threads."""
    found = b""
    while len(found) < _LONGEST_PATH:
        here = address + len(found)
        # Up to the end of a page: the next one may not be there.
        try:
            piece = os.pread(memory, 4096 - here % 4096, here)
        except (OSError, OverflowError):
            return None
        found += piece
        if not piece or b"\0" in piece:
            break
    text, end, _ = found.partition(b"\0")
    return text if end else None


def _shown(path: bytes | None) -> str:
    return "?" if path is None else path[:_LONGEST_SHOWN].decode(errors="replace")


def judge_path(path: bytes | None, name: str, flags: int, roots: tuple[str, ...]) -> bool:
    """Whether a program may ask the kernel about a path; Landlock judges what it then does.

    An empty path means a descriptor that the program already has. A relative path begins in
    the scratch folder or in a folder that was opened, and without ".." it stays there. The
    folders on the way to a root may be looked at, but not opened.

    Args:
        path: as the program gave it; None when it cannot be read.
        name: the system call.
        flags: of an opening call.
        roots: the scratch folder and the folders of the library.
    """
    if path is None or flags & (os.O_PATH | _TMPFILE):
        return False
    if not path.startswith(b"/"):
        return b".." not in path.split(b"/")
    text = os.path.normpath(os.fsdecode(path))
    if any(text == root or text.startswith(f"{root}/") for root in roots):
        return True
    return name not in _CHANGING and any(root.startswith(f"{text}/") for root in roots)


def _too_much(order: Order, scratch: int) -> bool:
    """Whether the scratch folder is too full. It is flat: no program can make folders."""
    with os.scandir(scratch) as entries:
        sizes = [_size(scratch, entry.name) for entry in entries]
    return len(sizes) > order.files or sum(sizes) > order.scratch


def _size(scratch: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=scratch, follow_symlinks=False).st_blocks * 512
    except FileNotFoundError:  # the program removed it meanwhile
        return 0


def _empty(scratch: int) -> None:
    with os.scandir(scratch) as entries:
        names = [entry.name for entry in entries]
    for name in names:
        os.unlink(name, dir_fd=scratch)
