"""How many small untrusted programs a second, each in a clean process of its own.

python benchmarks/programs_per_second.py [PROGRAMS] [WORKERS]
"""

import json
import os
import resource
import sys
import time

from whence.reasoning.sandbox import Program, Sandbox

SOURCE = """import math
from sympy import Symbol, solve
import numpy as np
apples = {number}
left = apples - 3 * 2
ans = left / 2 + math.floor(np.mean([1, 2, 3]))
"""


def processor_seconds():
    own, ended = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in (own, ended))


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else len(os.sched_getaffinity(0))
    programs = [Program(SOURCE.format(number=n)) for n in range(count)]
    busy = processor_seconds()
    with Sandbox(workers=workers) as sandbox:
        list(sandbox.run_many(programs[: 2 * workers]))  # the servers are loaded
        begun = time.perf_counter()
        outcomes = list(sandbox.run_many(programs))
        wall = time.perf_counter() - begun
    assert all(o.status == "ok" for o in outcomes), {o.status for o in outcomes}
    assert [o.value for o in outcomes] == [(n - 6) / 2 + 2 for n in range(count)]
    found = {
        "programs": count,
        "workers": workers,
        "a second": round(count / wall, 1),
        "processor ms a program, loading included": round(
            (processor_seconds() - busy) / count * 1e3, 2
        ),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
