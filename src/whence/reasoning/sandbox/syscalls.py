"""Which system calls a program may make, by name and by number.

Three kinds are let through in some form:

* `FREE`: calls that touch only the process itself and descriptors that it already has;
* `QUIET`: calls answered with a fixed error, since the interpreter tries them and goes on;
* `PATHS`: calls that name a file, which the server decides one at a time.

Everything else ends the program. Numbers are those of the kernel's own headers; a test
compares them.
"""

from __future__ import annotations

import errno
from typing import NamedTuple


class Machine(NamedTuple):
    """One processor architecture as the filter sees it."""

    audit: int
    """Number by which the kernel names the architecture (AUDIT_ARCH)."""
    column: int
    """Place of its numbers in the table below."""


MACHINES = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}

# name: (x86_64, aarch64); -1 where an architecture has no such call.
_FREE = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "lseek": (8, 62),
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216),
    "madvise": (28, 233), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66), "pwrite64": (18, 68),
    "sched_yield": (24, 124), "dup": (32, 23), "dup2": (33, -1), "dup3": (292, 24),
    "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "clock_gettime": (228, 113),
    "clock_getres": (229, 114), "gettimeofday": (96, 169), "time": (201, -1),
    "getitimer": (36, 102), "setitimer": (38, 103), "alarm": (37, -1), "pause": (34, -1),
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getuid": (102, 174),
    "geteuid": (107, 175), "getgid": (104, 176), "getegid": (108, 177),
    "exit": (60, 93), "exit_group": (231, 94), "futex": (202, 98),
    "set_robust_list": (273, 99), "set_tid_address": (218, 96), "rseq": (334, 293),
    "getrandom": (318, 278), "getcwd": (79, 17), "getdents64": (217, 61),
    "getrlimit": (97, 163), "getrusage": (98, 165), "times": (100, 153), "uname": (63, 160),
    "sysinfo": (99, 179), "sched_getaffinity": (204, 123), "getcpu": (309, 168),
    "restart_syscall": (219, 128), "fsync": (74, 82), "fdatasync": (75, 83),
    "ftruncate": (77, 46), "fadvise64": (221, 223), "select": (23, -1), "pselect6": (270, 72),
    "poll": (7, -1), "ppoll": (271, 73), "membarrier": (324, 283), "mincore": (27, 232),
    "rt_sigpending": (127, 136), "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133),
    "arch_prctl": (158, -1), "umask": (95, 166), "pipe": (22, -1), "pipe2": (293, 59),
    # Hands the listener to the server before the program starts. Later there is no socket.
    "sendmsg": (46, 211),
}  # fmt: skip

_QUIET = {
    "clone3": (435, 435),  # its arguments lie in memory; libc goes on to clone
    "openat2": (437, 437),
    "ioctl": (16, 29),  # is it a terminal? no
    "mbind": (237, 235),  # linear algebra places its memory, or does not
    "set_mempolicy": (238, 237),
    "get_mempolicy": (239, 236),
}
_ANSWERS = {"clone3": errno.ENOSYS, "openat2": errno.ENOSYS, "ioctl": errno.ENOTTY} | dict.fromkeys(
    ("mbind", "set_mempolicy", "get_mempolicy"), errno.EPERM
)

_PATHS = {
    "open": (2, -1), "openat": (257, 56), "stat": (4, -1), "lstat": (6, -1),
    "newfstatat": (262, 79), "statx": (332, 291), "access": (21, -1), "faccessat": (269, 48),
    "faccessat2": (439, 439), "readlink": (89, -1), "readlinkat": (267, 78),
    "unlink": (87, -1), "unlinkat": (263, 35),
}  # fmt: skip

_BY_ARGUMENTS = {"clone": (56, 220), "fcntl": (72, 25), "prlimit64": (302, 261)}

_SIGNALS = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131)}

# Not needed to forbid (what is not allowed is forbidden), only to say what was tried.
_FAMILIES = {
    "network": {
        "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
        "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206),
        "recvfrom": (45, 207), "recvmsg": (47, 212), "setsockopt": (54, 208),
    },
    "process": {
        "clone": (56, 220), "fork": (57, -1), "vfork": (58, -1), "execve": (59, 221),
        "execveat": (322, 281), "setsid": (112, 157), "setpgid": (109, 154), "wait4": (61, 260),
        "waitid": (247, 95), "unshare": (272, 97), "setns": (308, 268),
    },
    "signal": {
        **_SIGNALS, "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
        "pidfd_send_signal": (424, 424), "timer_create": (222, 107),
    },
    "another process": {
        "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
        "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
        "prlimit64": (302, 261), "setpriority": (141, 140), "sched_setaffinity": (203, 122),
        "sched_setscheduler": (144, 119), "process_madvise": (440, 440),
    },
    "file": {
        "link": (86, -1), "linkat": (265, 37), "symlink": (88, -1), "symlinkat": (266, 36),
        "rename": (82, -1), "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, -1),
        "mkdirat": (258, 34), "rmdir": (84, -1), "mknod": (133, -1), "mknodat": (259, 33),
        "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
        "chown": (92, -1), "lchown": (94, -1), "fchown": (93, 55), "fchownat": (260, 54),
        "truncate": (76, 45), "utimensat": (280, 88), "utimes": (235, -1), "setxattr": (188, 5),
        "chdir": (80, 49), "fchdir": (81, 50), "creat": (85, -1), "getxattr": (191, 8),
        "listxattr": (194, 11), "inotify_init1": (294, 26), "open_by_handle_at": (304, 265),
        "name_to_handle_at": (303, 264), "statfs": (137, 43), "fallocate": (285, 47),
        "sendfile": (40, 71), "splice": (275, 76), "copy_file_range": (326, 285),
    },
    "memory outside the limit": {
        "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
        "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
        "mlock": (149, 228), "mlockall": (151, 230),
        "eventfd2": (290, 19), "epoll_create1": (291, 20), "timerfd_create": (283, 85),
        "add_key": (248, 217), "keyctl": (250, 219), "remap_file_pages": (216, 234),
    },
    "privilege": {
        "setuid": (105, 146), "setgid": (106, 144), "setresuid": (117, 147), "capset": (126, 91),
        "setresgid": (119, 149), "setgroups": (116, 159), "mount": (165, 40), "umount2": (166, 39),
        "pivot_root": (155, 41), "chroot": (161, 51), "prctl": (157, 167), "seccomp": (317, 277),
        "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
        "io_uring_setup": (425, 425), "init_module": (175, 105),
        "kexec_load": (246, 104), "reboot": (169, 142), "sethostname": (170, 161),
        "settimeofday": (164, 170), "clock_settime": (227, 112), "swapon": (167, 224),
        "fsopen": (430, 430), "move_mount": (429, 429), "open_tree": (428, 428),
        "setrlimit": (160, 164), "personality": (135, 92), "landlock_restrict_self": (446, 446),
    },
}  # fmt: skip


class Calls(NamedTuple):
    """The numbers of one architecture.

    Attributes:
        free: let through.
        quiet: number -> error that it gets.
        paths: number -> name.
        by_arguments: name -> number, of calls that the filter judges by their arguments.
        signals: numbers of calls that send a signal.
        names: number -> "name (family)", for reports.
    """

    free: tuple[int, ...]
    quiet: dict[int, int]
    paths: dict[int, str]
    by_arguments: dict[str, int]
    signals: frozenset[int]
    names: dict[int, str]


def calls_of(machine: Machine) -> Calls:
    """The calls of an architecture."""

    def present(table: dict[str, tuple[int, int]]) -> dict[str, int]:
        return {name: n[machine.column] for name, n in table.items() if n[machine.column] >= 0}

    names = {
        number: f"{name} ({family})"
        for family, table in _FAMILIES.items()
        for name, number in present(table).items()
    }
    return Calls(
        tuple(present(_FREE).values()),
        {number: _ANSWERS[name] for name, number in present(_QUIET).items()},
        {number: name for name, number in present(_PATHS).items()},
        present(_BY_ARGUMENTS),
        frozenset(present(_SIGNALS).values()),
        names,
    )


def every_number(machine: Machine) -> dict[str, int]:
    """Name -> number of every call that this file knows."""
    tables = (_FREE, _QUIET, _PATHS, _BY_ARGUMENTS, *_FAMILIES.values())
    return {
        name: numbers[machine.column]
        for table in tables
        for name, numbers in table.items()
        if numbers[machine.column] >= 0
    }
