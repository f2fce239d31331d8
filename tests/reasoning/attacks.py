"""What a hostile program may try, and as what each attempt has to be reported.

An attack is a program, the status it must end with, and words that its report must hold.
`{outside}` is a file that exists outside, `{parent}` the process that started the sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """One attempt; `said` must stand in the error, the call or the refused paths."""

    name: str
    source: str
    status: str
    said: str = ""


ATTACKS = [
    # network
    Attack("tcp", "import socket\nsocket.socket()", "forbidden", "socket (network)"),
    Attack("udp", "import socket\nsocket.socket(type=socket.SOCK_DGRAM)", "forbidden", "network"),
    Attack("local socket", "import socket\nsocket.socketpair()", "forbidden", "network"),
    Attack("raw packets", "import socket\nsocket.socket(17, 3)", "forbidden", "network"),
    Attack(
        "a page from the net",
        "import urllib.request\ntry:\n    urllib.request.urlopen('http://127.0.0.1:1')\n"
        "except BaseException: pass",
        "forbidden",
        "network",
    ),
    Attack(
        "network by the old door",
        "import ctypes\nctypes.CDLL(None).syscall(41, 2, 1, 0)",
        "forbidden",
        "socket (network)",
    ),
    # processes
    Attack("fork bomb", "import os\nwhile True: os.fork()", "forbidden", "process"),
    Attack("vfork", "import ctypes\nctypes.CDLL(None).vfork()", "forbidden", "process"),
    Attack("thread bomb", "import threading as t\nwhile 1: t.Thread(target=print).start()",
           "error", "can't start new thread"),
    Attack("a shell", "import os\nos.system('id')", "forbidden", "process"),
    Attack("a command", "import subprocess\nsubprocess.run(['id'])", "forbidden", "process"),
    Attack("exec", "import os\nos.execv('/bin/sh', ['sh'])", "forbidden", "execve (process)"),
    Attack(
        "a daemon that stays",
        "import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass",
        "forbidden",
        "process",
    ),
    Attack("a new session", "import os\nos.setsid()", "forbidden", "setsid (process)"),
    Attack("a pool", "import multiprocessing\nmultiprocessing.Process(target=print).start()",
           "forbidden", "process"),
    # signals and other processes
    Attack("kill the parent", "import os\nos.kill(os.getppid(), 9)", "forbidden", "kill (signal)"),
    Attack("kill the caller", "import os\nos.kill({parent}, 9)", "forbidden", "kill (signal)"),
    Attack("kill everybody", "import os\nos.kill(-1, 9)", "forbidden", "kill (signal)"),
    Attack("ptrace", "import ctypes, os\nctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0)",
           "forbidden", "ptrace (another process)"),
    Attack("read another's memory",
           "import ctypes, os\nctypes.CDLL(None).process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)",
           "forbidden", "another process"),
    Attack("another's limits",
           "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
           "forbidden", "another process"),
    Attack("slow the parent", "import os\nos.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
           "forbidden", "another process"),
    Attack("signals by a descriptor",
           "import fcntl, os\nfcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
           "error", "Operation not permitted"),
    # reading
    Attack("passwords", "ans = open('/etc/passwd').read()", "error", "openat /etc/passwd"),
    Attack("a file of the caller", "ans = open({outside!r}).read()", "error", "Permission denied"),
    Attack("the parent's environment",
           "import os\nopen(f'/proc/{{os.getppid()}}/environ').read()", "error", "/environ"),
    Attack("own memory", "open('/proc/self/mem', 'rb').read(1)", "error", "/proc/self/mem"),
    Attack("a list of files", "import os\nans = os.listdir('/')", "error", "Permission denied"),
    Attack("does a file exist", "import os\nos.stat({outside!r})", "error", "newfstatat"),
    Attack("up and out", "ans = open('../../../../etc/passwd').read()", "error", "passwd"),
    Attack("a descriptor without reading",
           "import os\nos.open('/etc', os.O_PATH)", "error", "openat /etc"),
    Attack("through the library",
           "import os\nopen(os.path.dirname(os.__file__) + '/../../../../../../../etc/passwd')",
           "error", "passwd"),
    Attack("the old open",
           "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nl.syscall(2, b'/etc/passwd', 0)\n"
           "raise OSError(ctypes.get_errno(), 'x')", "error", "open /etc/passwd"),
    Attack("open by structure",
           "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\n"
           "l.syscall(437, -100, b'/etc/passwd', bytes(24), 24)\n"
           "raise OSError(ctypes.get_errno(), 'closed')", "error", "[Errno 38] closed"),
    # writing
    Attack("writing outside", "open({outside!r}, 'w')", "error", "Permission denied"),
    Attack("appending outside", "open({outside!r}, 'a')", "error", "Permission denied"),
    Attack("cutting a file", "import os\nos.truncate({outside!r}, 0)", "forbidden", "truncate"),
    Attack("removing a file", "import os\nos.unlink({outside!r})", "error", "unlink"),
    Attack("renaming a file", "import os\nos.rename({outside!r}, 'mine')", "forbidden", "file"),
    Attack("permissions", "import os\nos.chmod({outside!r}, 0)", "forbidden", "file"),
    Attack("a symbolic link", "import os\nos.symlink('/etc/passwd', 'link')\nopen('link').read()",
           "forbidden", "symlink"),
    Attack("a hard link", "import os\nos.link({outside!r}, 'link')", "forbidden", "link"),
    Attack("the library itself", "import os\nopen(os.__file__, 'a')", "error", "Permission denied"),
    Attack("leaving the folder", "import os\nos.chdir('/')", "forbidden", "chdir (file)"),
    Attack("a folder", "import os\nos.mkdir('sub')", "forbidden", "mkdir"),
    Attack("a pipe with a name", "import os\nos.mkfifo('p')", "forbidden", "mknod"),
    # using up
    Attack("memory", "x = bytearray(10**10)", "memory"),
    Attack("memory in pieces", "x = []\nwhile True: x.append(bytearray(10**6))", "memory"),
    Attack("memory by a file", "import ctypes\nctypes.CDLL(None).memfd_create(b'x', 0)",
           "forbidden", "memory outside the limit"),
    Attack("memory shared", "import ctypes\nctypes.CDLL(None).shmget(0, 10**9, 0o1600)",
           "forbidden", "memory outside the limit"),
    Attack("output", "while True: print('x' * 10_000)", "output"),
    Attack("output past Python", "import os\nwhile True: os.write(2, b'x' * 10_000)", "output"),
    Attack("a long answer", "ans = ['x' * 9_000] * 9_000", "output"),
    Attack("a large file", "with open('f', 'wb') as f:\n    while True: f.write(bytes(10**6))",
           "scratch"),
    Attack("many files",
           "import itertools, time\nfor n in itertools.count(): open(str(n), 'w').close()",
           "scratch"),
    Attack("processor", "while True: pass", "cpu"),
    Attack("processor in C", "ans = sum(range(10**12))", "cpu"),
    Attack("a huge integer", "ans = 7 ** (7 ** 9)", "cpu"),
    Attack("an expression that explodes", "import re\nre.match('(a+)+$', 'a' * 40 + 'b')", "cpu"),
    Attack("deaf to signals",
           "import signal\nfor s in (15, 24, 14): signal.signal(s, signal.SIG_IGN)\nwhile 1: pass",
           "cpu"),
    Attack("asleep", "import time\ntime.sleep(1000)", "wall"),
    Attack("a reader of nothing", "import os\nr, w = os.pipe()\nos.read(r, 1)", "wall"),
    Attack("stopped", "import os\nos.kill(os.getpid(), 19)", "wall"),
    Attack("deep recursion", "def f(n): return f(n + 1)\nf(0)", "error", "RecursionError"),
    # machine code, privileges, tricks
    Attack("a null pointer", "import ctypes\nctypes.string_at(0)", "crashed", "SIGSEGV"),
    Attack("overflow of the stack",
           "x = ()\nfor _ in range(10**6): x = (x,)\nans = hash(x)", "crashed", "SIGSEGV"),
    Attack("abort", "import os\nos.abort()", "crashed", "SIGABRT"),
    Attack("calls of 32 bits",
           "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\n"
           "m.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\n"
           "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()",
           "forbidden", "another architecture"),
    Attack("calls under other numbers",
           "import ctypes\nctypes.CDLL(None).syscall(0x40000000 + 39)", "forbidden",
           "another architecture"),
    Attack("become root", "import os\nos.setuid(0)", "forbidden", "privilege"),
    Attack("a new namespace", "import ctypes\nctypes.CDLL(None).unshare(0x10000000)",
           "forbidden", "unshare"),
    Attack("a mount", "import ctypes\nctypes.CDLL(None).mount(0, b'/', 0, 4096, 0)",
           "forbidden", "mount (privilege)"),
    Attack("higher limits", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
           "forbidden", "prlimit64"),
    Attack("asynchronous calls", "import ctypes\nctypes.CDLL(None).syscall(425, 8, 0)",
           "forbidden", "io_uring_setup"),
    Attack("a looser filter", "import ctypes\nctypes.CDLL(None).syscall(317, 1, 0, 0)",
           "forbidden", "seccomp"),
    Attack("outlive the parent", "import ctypes\nctypes.CDLL(None).prctl(1, 0)",
           "forbidden", "prctl"),
    Attack("a pickle that runs",
           "import pickle\npickle.loads(b'cos\\nsystem\\n(S\"id\"\\ntR.')", "forbidden", "process"),
    Attack("introspection to a file",
           "c = ().__class__.__base__.__subclasses__()\n"
           "g = next(x for x in c if x.__name__ == '_wrap_close').__init__.__globals__\n"
           "g['open']('/etc/passwd', 0)", "error", "/etc/passwd"),
    Attack("imports by hand",
           "import importlib.util as u\n"
           "s = u.spec_from_file_location('x', {outside!r})\n"
           "u.module_from_spec(s).__loader__.exec_module(u.module_from_spec(s))",
           "error", "Permission denied"),
    # the reports and the answer, as ways into who reads them
    Attack("a long report",
           "import os\nfor n in range(30):\n"
           "    try: os.stat('/' + chr(1) * 4000 + str(n))\n    except OSError: pass\n"
           "os.fork()", "forbidden", "process"),
    Attack("a message that steers a terminal", "raise ValueError('\\x1b[2J')", "error", r"\x1b[2J"),
    Attack("half a character", "raise ValueError('\\ud800.')", "error", "ValueError: ?."),
    Attack("half a character in a value",
           "ans = {{'\\ud800': ['\\ud800']}}\nraise ValueError(str(len(ans)))", "error", "1"),
    Attack("another's answer by its socket",
           "import gc, socket\nfor s in gc.get_objects():\n"
           "    if isinstance(s, socket.socket): s.send(b'x')", "forbidden", "network"),
    Attack("the server's variables",
           "import sys\nf = sys._getframe()\n"
           "while 'control' not in f.f_locals: f = f.f_back\nf.f_locals['control'].send(b'{{}}')",
           "forbidden", "network"),
    Attack("an end that does not end", "import os\nos._exit = lambda code: None", "forbidden", ""),
    Attack("an answer nested deep",
           "import os\nos.write(3, b'[' * 50_000)\nos._exit(0)", "exited", "no answer"),
    Attack("a text that never ends",
           "class Text:\n    def __str__(self):\n        while True: pass\nans = Text()", "cpu"),
    Attack("a text that runs",
           "class Text:\n    def __str__(self): __import__('os').fork()\nans = Text()",
           "forbidden", "process"),
    # other doors
    Attack("every signal to the group", "import os\nos.kill(0, 9)", "forbidden", "kill (signal)"),
    Attack("a signal to a number cut short",
           "import ctypes, os\nparent = ctypes.c_long(os.getppid() + 2**32)\n"
           "ctypes.CDLL(None).syscall(62, parent, 9)",
           "forbidden", "kill (signal)"),
    Attack("a signal with a note",
           "import ctypes, os\nctypes.CDLL(None).syscall(129, os.getppid(), 9, bytes(128))",
           "forbidden", "rt_sigqueueinfo (signal)"),
    Attack("its own descriptors by name",
           "open('/proc/self/fd/3', 'wb')", "error", "/proc/self/fd"),
    Attack("the root by its process",
           "import os\nopen(os.path.join('/proc/self', 'root', 'etc/passwd'))",
           "error", "root/etc"),
    Attack("the executable", "import os\nos.readlink('/proc/self/exe')", "error", "readlink"),
    Attack("shared memory with a name", "open('/dev/shm/x', 'w')", "error", "/dev/shm/x"),
    Attack("the terminal", "open('/dev/tty', 'w')", "error", "/dev/tty"),
    Attack("less likely to be killed",
           "open('/proc/self/oom_score_adj', 'w')", "error", "oom_score_adj"),
    Attack("messages between processes", "import ctypes\nctypes.CDLL(None).msgget(1, 0o1600)",
           "forbidden", "msgget"),
    Attack("secret memory", "import ctypes\nctypes.CDLL(None).syscall(447, 0)",
           "forbidden", "memfd_secret"),
    Attack("faults of pages", "import ctypes\nctypes.CDLL(None).syscall(323, 0)",
           "forbidden", "userfaultfd"),
    Attack("a filter of packets", "import ctypes\nctypes.CDLL(None).syscall(321, 0, 0, 0)",
           "forbidden", "bpf"),
    Attack("a key of the kernel", "import ctypes\nctypes.CDLL(None).syscall(250, 0, 0)",
           "forbidden", "keyctl"),
    Attack("a user of its own",
           "import ctypes\nctypes.CDLL(None).syscall(56, 0x10000011, 0, 0, 0, 0)",
           "forbidden", "clone (process)"),
    Attack("a lock on the library", "import fcntl, os\nfcntl.flock(open(os.__file__), 2)",
           "forbidden", "not allowed"),
    Attack("a lease on the library",
           "import fcntl, os\nfcntl.fcntl(open(os.__file__), fcntl.F_SETLEASE, 0)",
           "error", "Operation not permitted"),
    Attack("a pipe of any size", "import fcntl, os\nfcntl.fcntl(os.pipe()[1], 1031, 1 << 20)",
           "error", "Operation not permitted"),
    Attack("up from a folder of the library",
           "import os\nf = os.open(os.path.dirname(os.__file__), 0)\nos.stat('../' * 9, dir_fd=f)",
           "error", "newfstatat ../"),
    Attack("a path at the edge of memory",
           "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\n"
           "l.syscall(2, ctypes.c_ulong(2**64 - 5), 0)\nraise OSError(ctypes.get_errno(), 'edge')",
           "error", "edge"),
    Attack("machine code of its own",
           "import ctypes, mmap\nm = mmap.mmap(-1, 4096, prot=7)\n"
           "m.write(b'\\xb8\\x39\\0\\0\\0\\x0f\\x05\\xc3')\n"
           "ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()",
           "forbidden", "fork (process)"),
    Attack("a file larger than a disk", "open('f', 'wb').truncate(10**15)", "scratch"),
    Attack("a debugger in its parent", "import sys\nsys.settrace(print)\nimport os\nos.wait()",
           "forbidden", "process"),
]  # fmt: skip
