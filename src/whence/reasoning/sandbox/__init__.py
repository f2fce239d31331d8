"""Untrusted programs, run so that they can do nothing but compute.

    with Sandbox() as sandbox:
        outcome = sandbox.run("ans = 6 * 7")
    outcome.status, outcome.value          # "ok", 42

What a program may not do is forbidden by the Linux kernel, not by reading the program:

* *seccomp* lets through an allow-list of system calls. Every call that takes a path, and
  every call that is not on the list, stops the program and asks the server that started
  it (`SECCOMP_RET_USER_NOTIF`). Paths outside the library and the scratch folder are
  answered "permission denied"; anything else ends the program, and the outcome names the
  call. There are no processes, no threads, no sockets, no signals to others.
* *Landlock* stands behind it for files: the library is read-only, the scratch folder holds
  plain files, and nothing else can be opened, whoever the user is.
* *Resource limits* bound memory, processor time and sizes of files; the server watches wall
  time and the scratch folder; whoever reads the output watches its length. Capabilities are
  dropped, the environment is empty, descriptors are closed.

None of it needs privileges: it works as root, as anybody, and in containers. Where the
kernel has no Landlock or no seccomp, `Sandbox` refuses to run (`SandboxError`).

A *server* is an interpreter that has loaded numpy and sympy and does nothing but fork, once
a program (`server`). It never holds a program's text or output, so nothing is left of one
program for the next to find. A sandbox is one server a worker.

What is not hidden: the machine's name and clock, the memory of the interpreter itself, and
how long things take.
"""

from whence.reasoning.sandbox.kernel import check_kernel
from whence.reasoning.sandbox.outcome import STATUSES, Limits, Outcome, Program, Status
from whence.reasoning.sandbox.sandbox import Sandbox
from whence.reasoning.sandbox.values import Expression, Other

__all__ = [
    "STATUSES",
    "Expression",
    "Limits",
    "Other",
    "Outcome",
    "Program",
    "Sandbox",
    "Status",
    "check_kernel",
]
