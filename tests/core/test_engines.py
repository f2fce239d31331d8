"""Every engine gives the same answers, and says what went wrong."""

import os
import signal
import time
from itertools import count

import pytest

from whence.core.engines import open_engine
from whence.core.errors import MissingExtraError, PlanError, WorkerError


def opened(base, step):
    return {"base": base, "step": step, "asked": 0, "pid": os.getpid()}


def refused():
    raise PlanError("here", expected="this", got="that", fix="Mend it.")


def total(state, question):
    state["asked"] += 1
    return state["base"] + state["step"] * question


def asked(state, _):
    return state["asked"]


def who(state, _):
    return state["pid"], os.environ["OMP_NUM_THREADS"]


def slow_first(state, question):
    time.sleep(0.2 if question == 0 else 0)
    return question


def fails(state, question):
    if question == 3:
        return [][question]
    raise PlanError("question", expected="3", got=str(question), fix="Ask 3.")


def dies(state, question):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(params=["serial", "processes"])
def engine(request):
    return open_engine(request.param)


def two(engine):
    """Arguments of two workers, whatever the engine; of one the answers would tell less."""
    return engine.team(opened, [(100, 1), (200, 2)])


def test_each_worker_answers_with_what_it_opened(engine):
    with two(engine) as team:
        assert team.each(total, 5) == [105, 210]
        assert team.each(total, 7) == [107, 214]
        assert team.each(asked, None) == [2, 2]


def test_answers_come_in_the_order_of_the_questions(engine):
    with engine.team(opened, [(100, 1)] * 2) as team:
        assert list(team.map(total, range(20))) == [100 + i for i in range(20)]
        assert list(team.map(slow_first, range(6))) == list(range(6))
        assert list(team.map(total, [])) == []
        assert sum(team.each(asked, None)) == 20


def test_questions_are_taken_as_they_are_answered(engine):
    with engine.team(opened, [(0, 1)] * 2) as team:
        answers = team.map(total, count())
        assert [next(answers) for _ in range(5)] == list(range(5))


def test_what_a_worker_refuses_is_refused_here(engine):
    with pytest.raises(PlanError, match=r"question: expected 3, got 1. Ask 3."):
        with two(engine) as team:
            list(team.map(fails, [1]))
    with pytest.raises(PlanError, match="question"):
        with two(engine) as team:
            team.each(fails, 1)
    with pytest.raises(PlanError, match="Mend it"):
        with engine.team(refused, [()]):
            pass


def test_a_bug_keeps_its_trace(engine):
    expected = IndexError if engine.name == "serial" else RuntimeError
    with pytest.raises(expected, match="list index out of range"):
        with two(engine) as team:
            team.each(fails, 3)


def test_workers_are_processes_of_their_own_with_their_threads():
    with open_engine("processes").team(opened, [(0, 0)] * 2, threads=1) as team:
        found = team.each(who, None)
    assert len({pid for pid, _ in found} | {os.getpid()}) == 3
    assert {threads for _, threads in found} == {"1"}


def test_a_worker_that_dies_is_told():
    with pytest.raises(WorkerError, match=r"worker 0: expected an answer, got .* by signal 9"):
        with open_engine("processes").team(opened, [(0, 0)] * 2) as team:
            team.each(dies, None)


def test_ray_answers_as_the_others_do(ray):
    # One team for all of it: starting actors takes a second of processor time each.
    with two(open_engine("ray")) as team:
        assert team.each(total, 5) == [105, 210]
        found = team.each(who, None)
        assert len({pid for pid, _ in found} | {os.getpid()}) == 3
        assert {threads for _, threads in found} == {"1"}
        assert list(team.map(slow_first, range(6))) == list(range(6))
        with pytest.raises(PlanError, match=r"question: expected 3, got 1. Ask 3."):
            team.each(fails, 1)
        with pytest.raises(RuntimeError, match="list index out of range"):
            team.each(fails, 3)
        with pytest.raises(WorkerError, match="worker 0 on Ray: expected an answer"):
            team.each(dies, None)


def test_workers_end_with_their_team():
    with open_engine("processes").team(opened, [(0, 0)] * 2) as team:
        pids = [pid for pid, _ in team.each(who, None)]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_ray_waits_for_no_cores_that_it_does_not_have(ray):
    with pytest.raises(PlanError, match="at most what Ray has: 2 cores"):
        with open_engine("ray", 3).team(opened, [(0, 0)] * 3):
            pass


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'whence\[ray\]'"):
        with open_engine("ray").team(opened, [(0, 0)]):
            pass


def test_engines_that_there_are_not():
    with pytest.raises(PlanError, match="serial or processes or ray"):
        open_engine("spark")
    with pytest.raises(PlanError, match="1 with the serial engine"):
        open_engine("serial", 2)
    with pytest.raises(PlanError, match="1 or more"):
        open_engine("processes", -1)
