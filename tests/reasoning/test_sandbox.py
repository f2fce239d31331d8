"""Hostile programs are contained and named; honest ones give their values, each a clean start."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reasoning.attacks import ATTACKS
from whence.core.errors import SandboxError
from whence.reasoning.sandbox import Expression, Limits, Other, Program, Sandbox, check_kernel
from whence.reasoning.sandbox.kernel import landlock_version
from whence.reasoning.sandbox.syscalls import MACHINES, every_number
from whence.reasoning.sandbox.values import describe, restore

try:
    check_kernel()
except SandboxError as error:
    pytest.skip(str(error), allow_module_level=True)

# A busy machine may take long over a second of processor time, so the clock is generous
# except where it is what is tested.
QUICK = Limits(cpu=1, wall=120, memory=256 << 20, output=100_000, scratch=2 << 20, files=32)
SHORT = replace(QUICK, wall=0.5)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(workers=2, limits=QUICK) as opened:
        yield opened


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    path = tmp_path_factory.mktemp("outside") / "secret.py"
    path.write_text("secret = 1\n")
    path.chmod(0o666)
    return path


@pytest.fixture(scope="module")
def outcomes(sandbox, outside):
    """All attacks, two at a time, each followed by an honest program."""
    filled = {"outside": str(outside), "parent": os.getpid()}
    attacks, honest = {}, []
    for limits in (QUICK, SHORT):
        chosen = [a for a in ATTACKS if (a.status == "wall") == (limits is SHORT)]
        programs = [p for a in chosen for p in (a.source.format(**filled), "ans = 1 + 1")]
        found = list(sandbox.run_many(programs, limits))
        attacks |= {a.name: o for a, o in zip(chosen, found[::2], strict=True)}
        honest += found[1::2] if limits is QUICK else []
    return attacks, honest


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_contained_and_named(attack, outcomes):
    outcome = outcomes[0][attack.name]
    assert outcome.status == attack.status, outcome.error
    assert attack.said in f"{outcome.error} {outcome.call} {' '.join(outcome.refused)}"


def test_there_are_enough_attacks_with_names_of_their_own():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 30


def test_an_honest_program_after_each_attack_is_served(outcomes):
    assert all(outcome.value == 2 for outcome in outcomes[1])


def test_nothing_outside_has_changed(outcomes, outside):
    assert outside.read_text() == "secret = 1\n"
    assert outside.stat().st_mode & 0o777 == 0o666
    assert list(outside.parent.iterdir()) == [outside]


def test_an_attempt_that_is_caught_is_reported_all_the_same(sandbox):
    outcome = sandbox.run("try: open('/etc/shadow')\nexcept OSError: ans = 1")
    assert (outcome.status, outcome.value) == ("ok", 1)
    assert outcome.refused == ("openat /etc/shadow",)


def test_landlock_holds_where_the_filter_lets_through(tmp_path):
    """The second line alone: a child under the rules, without any filter of calls."""
    code = (
        "import os, sys\nfrom whence.reasoning.sandbox import kernel\n"
        "scratch, outside = sys.argv[1:]\nkernel.drop_privileges()\n"
        "kernel.landlock(kernel.landlock_rules([], [], scratch, kernel.landlock_version()))\n"
        "open(scratch + '/f', 'w').close(); os.unlink(scratch + '/f')\n"
        "def fails(act, *args):\n"
        "    try: act(*args)\n"
        "    except PermissionError: return True\n"
        "print(fails(open, outside), fails(open, outside, 'w'), fails(os.unlink, outside),\n"
        "      fails(os.mkdir, scratch + '/d'), fails(os.symlink, outside, scratch + '/s'),\n"
        "      fails(os.listdir, '/'), fails(os.mkfifo, scratch + '/p'))\n"
    )
    outside = tmp_path / "outside"
    outside.write_text("x")
    (tmp_path / "scratch").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "scratch"), str(outside)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["True"] * 7
    assert outside.read_text() == "x"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be an ordinary user for a while")
def test_it_holds_for_an_ordinary_user_too(tmp_path_factory):
    """The attacks again with the rights of nobody, if she can read the interpreter."""
    code = (
        "import json, os, sys\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "os.environ['TMPDIR'] = '/tmp'\n"
        "from whence.reasoning.sandbox import Sandbox, Limits\n"
        "with Sandbox(limits=Limits(cpu=1, wall=3)) as s:\n"
        "    found = [s.run(p) for p in json.loads(sys.argv[1])]\n"
        "print(json.dumps([[o.status, o.value] for o in found]))\n"
    )
    programs = ["ans = 1 + 1", "import os\nos.fork()", "ans = open('/etc/passwd').read()"]
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    command = [sys.executable, "-c", "import whence.core, sympy"]
    try:
        subprocess.run(command, **nobody, capture_output=True, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("the interpreter or the project lies where an ordinary user may not read")

    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(programs)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["ok", 2], ["forbidden", None], ["error", None]]


def test_a_program_finds_nothing_of_the_one_before(outside):
    mark = "mark-" + "of-the-first"
    look = (
        "import ctypes, gc, os, builtins, math\n"
        "found = [o for o in gc.get_objects() if isinstance(o, dict) and 'planted' in o]\n"
        "ans = [len(found), hasattr(builtins, 'planted'), math.pi, os.listdir('.'),\n"
        "       [k for k in os.environ if k == 'planted']]"
    )
    plant = (
        f"planted = {mark!r}\nimport builtins, math, os\nbuiltins.planted = 1\nmath.pi = 3\n"
        "os.environ['planted'] = '1'\nopen('left', 'w').write(planted)\n"
    )
    # The heap of the server's copy, searched byte by byte for the first program's text.
    scan = (
        "import ctypes\nbrk = ctypes.CDLL(None).sbrk; brk.restype = ctypes.c_void_p\n"
        "top = brk(0)\nheap = ctypes.string_at(top - 2_000_000, 2_000_000)\n"
        "ans = ('mark-' + 'of-the-' + 'first').encode() in heap"
    )
    with Sandbox(limits=QUICK) as alone:
        assert alone.run(plant).status == "ok"
        assert alone.run(look).value == [0, False, 3.141592653589793, [], []]
        assert alone.run(scan).value is False


def test_a_program_inherits_nothing(sandbox, monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "x")
    source = (
        "import os\nopen_ = []\nfor fd in range(64):\n"
        "    try: os.fstat(fd); open_.append(fd)\n"
        "    except OSError: pass\n"
        "ans = [sorted(os.environ), open_]"
    )
    with Sandbox(limits=QUICK) as fresh:
        names, descriptors = fresh.run(source).value
    assert "SECRET_KEY" not in names
    assert "PATH" not in names
    assert descriptors == [0, 1, 2, 3]


def test_values_and_output_come_back(sandbox):
    source = "print('said')\nans = sqrt(2)\nunits = 'm'"
    names = ("ans", "units", "missing")
    outcome = sandbox.run(Program(source, names, "from sympy import sqrt"))
    assert outcome.status == "ok"
    assert outcome.output == "said\n"
    assert outcome.values["units"] == "m"
    assert outcome.value == Expression("sqrt(2)", "Pow", 2**0.5)
    assert "missing" not in outcome.values


def test_an_error_has_its_line_and_what_was_set_before(sandbox):
    outcome = sandbox.run("ans = 1\n\n1 / 0")
    assert outcome.status == "error"
    assert outcome.error == "ZeroDivisionError: division by zero"
    assert (outcome.line, outcome.value) == (3, 1)
    broken = sandbox.run("ans = (")
    assert broken.error.startswith("SyntaxError")
    assert broken.line == 1


def test_leaving_is_no_answer(sandbox):
    assert sandbox.run("import sys\nsys.exit(0)").status == "exited"
    assert sandbox.run("import os\nos._exit(0)").status == "exited"
    assert sandbox.run("ans = 3\nexit()").value == 3


def test_random_numbers_repeat(sandbox):
    source = "import random, numpy\nans = [random.random(), numpy.random.rand(), hash('x')]"
    first, second = sandbox.run_many([source, source])
    assert first.value == second.value


def test_garbage_in_place_of_an_answer(sandbox):
    for garbage in ("[1]", "{", '{"values": 7}', '{"values": {"ans": {"is": "dict"}}}', "9" * 5000):
        outcome = sandbox.run(f"import os\nos.write(3, {garbage!r}.encode())\nos._exit(0)")
        assert outcome.status in ("error", "exited"), outcome
        assert outcome.value is None


def test_programs_run_beside_one_another(sandbox):
    start = time.monotonic()
    found = list(sandbox.run_many(["import time\ntime.sleep(1)\nans = 1"] * 2))
    assert [o.value for o in found] == [1, 1]
    assert time.monotonic() - start < sum(o.wall for o in found)


def test_a_server_that_dies_says_so():
    with pytest.raises(SandboxError, match="ZeroDivisionError"):
        Sandbox(preload="1 / 0")


def test_limits_are_needed():
    with pytest.raises(SandboxError, match=r"Limits\.memory"):
        Limits(memory=0)
    with pytest.raises(SandboxError, match="workers"):
        Sandbox(workers=0)


def test_another_platform_is_refused(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(SandboxError, match="riscv64"):
        Sandbox()


def test_a_kernel_without_landlock_is_refused(monkeypatch):
    def absent():
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("whence.reasoning.sandbox.kernel.landlock_version", absent)
    with pytest.raises(SandboxError, match="without Landlock"):
        Sandbox()
    assert landlock_version() >= 1


HEADERS = {"x86_64": "asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}


@pytest.mark.parametrize("name", MACHINES)
def test_numbers_are_the_kernels(name):
    places = [Path("/usr/include"), *Path("/usr/include").glob("*-linux-gnu")]
    header = next((p / HEADERS[name] for p in places if (p / HEADERS[name]).exists()), None)
    if header is None:
        pytest.skip("no kernel headers here")
    text = header.read_text()
    known = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+) (\d+)", text)}
    known["newfstatat"] = known.get("newfstatat", known.get("fstatat"))
    ours = every_number(MACHINES[name])
    assert {n: v for n, v in ours.items() if n in known and known[n] != v} == {}
    assert len(ours.keys() & known.keys()) > 0.95 * len(ours)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=60)
@given(PLAIN)
def test_plain_values_survive_the_way(value):
    assert restore(json.loads(json.dumps(describe(value)))) == value


def test_odd_values_become_words():
    assert restore(describe(object)) == Other("type", "<class 'object'>")
    assert restore(describe(10**9999)).kind == "int"
    assert str(restore(describe(float("inf")))) == "inf"
    with pytest.raises(ValueError, match="not a described value"):
        restore({"is": "pickle"})
