from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from whence.core.errors import DamagedError, PlanError, RunError
from whence.core.records import manifest
from whence.training import Run, loop, open_run, train


def last_bytes(run):
    return manifest(run.checkpoint().path)["model.safetensors"]["digest"]


def without(run, *documents):
    weights = np.ones(run.record["corpus"]["documents"])
    weights[list(documents)] = 0
    return weights


def late_document(run):
    """One that is first seen after a checkpoint that is not the first."""
    first = run.order.first_steps(run.record["corpus"]["documents"])
    return int(np.flatnonzero((first > 9) & (first <= run.steps))[0])


def test_all_ones_give_the_same_bytes(run):
    replay = run.replay(without(run))
    assert replay.model_digest == last_bytes(run)
    assert replay.journal() == run.journal()


def test_starting_late_gives_the_bytes_of_starting_early(run):
    document = late_document(run)
    late = run.replay(without(run, document))
    assert late.start >= 8
    found, journal = late.model_digest, late.journal()
    shutil.rmtree(late.path)
    early = run.replay(without(run, document), start=0)
    assert early.start == 0
    assert (early.model_digest, early.journal()) == (found, journal)
    assert found != last_bytes(run)


def test_wrong_weights_are_refused(run):
    with pytest.raises(RunError, match="150 documents"):
        run.replay(np.ones(3))
    with pytest.raises(RunError, match="not finite"):
        run.replay(np.full(150, np.nan))


def test_workers_give_the_same_bytes(run):
    wanted = [without(run, 0), without(run, 1), without(run, 0)]
    made = run.replay_many(wanted, workers=2)
    assert made[0].path == made[2].path != made[1].path
    found = made[0].model_digest
    shutil.rmtree(made[0].path)
    assert run.replay(wanted[0]).model_digest == found


def killed_at(monkeypatch, step):
    real = loop.advance

    def advance(state, *rest):
        if state.step + 1 == step:
            raise KeyboardInterrupt
        return real(state, *rest)

    monkeypatch.setattr(loop, "advance", advance)


def test_an_interrupted_replay_goes_on(run, monkeypatch):
    weights = without(run, 2, 3)
    with monkeypatch.context() as patched:
        patched.setattr(loop, "SAVE_EVERY_SECONDS", 0.0)
        killed_at(patched, 20)
        with pytest.raises(KeyboardInterrupt):
            run.replay(weights)
    (work,) = (run.path / "replays").glob(".*.work")
    assert loop.latest(work).name == "step-00000019"
    made = run.replay(weights)
    assert not work.exists()
    found, journal = made.model_digest, made.journal()
    shutil.rmtree(made.path)
    assert run.replay(weights).model_digest == found
    assert [line["step"] for line in journal] == list(range(1, 25))


def test_another_seed_is_another_run(run, corpus, recipe, tmp_path):
    other = train(corpus, tmp_path / "r", replace(recipe, seed=5))
    replay = run.replay(without(run), seed=5)
    assert replay.model_digest == last_bytes(other)
    assert run.replay(without(run), seed=0).model_digest == last_bytes(run)


def test_states_in_between(run):
    document = late_document(run)
    replay = run.replay(without(run, document), keep_checkpoints=True)
    assert [c.step for c in replay.checkpoints] == [c.step for c in run.checkpoints]
    assert [c.learning_rate for c in replay.checkpoints] == [
        c.learning_rate for c in run.checkpoints
    ]
    own = [c for c in replay.checkpoints if replay.path in c.path.parents]
    assert [c.step for c in own] == [s for s in run.plan.kept if s > replay.start]
    assert replay.model_digest == run.replay(without(run, document)).model_digest


def test_weights_from_a_later_state_on(run):
    weights = np.full(150, 0.5)
    late, whole = run.replay(weights, start=16), run.replay(weights)
    assert (late.start, whole.start) == (16, 0)
    assert late.journal()[:16] == run.journal()[:16]
    assert late.journal()[16]["loss"] == pytest.approx(run.journal()[16]["loss"] / 2, rel=1e-6)
    assert late.model_digest != whole.model_digest
    with pytest.raises(RunError, match="step 5"):
        run.replay(weights, start=5)


def test_an_unfinished_run_is_not_replayed(corpus, recipe, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        killed_at(patched, 5)
        with pytest.raises(KeyboardInterrupt):
            train(corpus, tmp_path / "r", recipe)
    with pytest.raises(RunError, match="interrupted"):
        open_run(tmp_path / "r").replay(np.ones(150))


def test_numbers_of_another_machine_are_noticed(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("replays"))
    moved = open_run(copy)
    moved.record["environment"]["capability"] = "ABACUS"
    assert moved.replay(without(run)).model_digest == last_bytes(run)
    lines = (copy / "journal.jsonl").read_text().replace('"loss":5.', '"loss":5.0', 1)
    (copy / "journal.jsonl").write_text(lines)
    altered = open_run_unchecked(copy)
    altered.record["environment"]["capability"] = "ABACUS"
    with pytest.raises(RunError, match="capability differ"):
        altered.replay(without(run, 1))


def open_run_unchecked(path):
    return Run(path, json.loads((path / "run.json").read_text()))


def test_a_workers_fault_comes_home(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run.path, copy, ignore=shutil.ignore_patterns("replays"))
    broken = open_run(copy)
    file = copy / "checkpoints" / "step-00000000" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    first = [int(d) for d in broken.batch(1).documents[:2, 0]]
    with pytest.raises(DamagedError, match="safetensors"):
        broken.replay_many([without(run, d) for d in first], workers=2)


@pytest.mark.usefixtures("ray")
def test_ray_gives_the_same_bytes(run):
    wanted = [without(run, 0), without(run, 1)]
    made = run.replay_many(wanted, workers=2, engine="ray", stack=1)
    found = [replay.model_digest for replay in made]
    for replay in made:
        shutil.rmtree(replay.path)
    assert [run.replay(weights).model_digest for weights in wanted] == found


def test_an_engine_that_there_is_not(run):
    with pytest.raises(PlanError, match="--engine"):
        run.replay_many([without(run, 77)], engine="cloud")
