"""Replays made in a stack are those made alone, and nothing is lost when a stack is killed."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from whence.core.errors import RunError
from whence.training import loop, many, open_run, stacked, train
from whence.training.optimizer import Moments, clip

SETS = ([0, 1, 2], [3], [5, 9, 40], list(range(0, 150, 2)))


def weights_of(run, sets=SETS):
    found = np.ones((len(sets), run.corpus().n_documents))
    for row, removed in zip(found, sets, strict=True):
        row[removed] = 0
    return list(found)


def alone(run, sets=SETS):
    return [
        (r.model_digest, r.journal()) for r in run.replay_many(weights_of(run, sets), 1, stack=1)
    ]


def forget(run):
    shutil.rmtree(run.path / "replays")


@pytest.fixture
def fresh(run):
    shutil.rmtree(run.path / "replays", ignore_errors=True)
    return run


def test_a_stack_gives_the_bytes_of_replays_made_alone(fresh):
    expected = alone(fresh)
    assert len({digest for digest, _ in expected}) == len(SETS)
    norms = [line["gradient_norm"] for line in expected[3][1]]
    assert min(norms) < fresh.recipe.clip < max(norms)  # some updates are clipped, some are not
    forget(fresh)
    found = fresh.replay_many(weights_of(fresh), 1, start=0, stack=4)
    assert stacked.same_bits(fresh)
    assert [(r.model_digest, r.journal()) for r in found] == expected


@pytest.mark.parametrize("architecture", ["gpt2", "opt", "mixtral"])
def test_other_architectures(architecture, corpus, recipe, tmp_path):
    short = replace(recipe, architecture=architecture, steps=2, checkpoint_every=2)
    run = train(corpus, tmp_path / "run", short)
    if stacked.same_bits(run) is None:
        with pytest.raises(RunError, match="--stack: expected a model that can be stacked"):
            run.replay_many(weights_of(run, SETS[:3]), 1, start=0, stack=2)
        assert architecture == "mixtral"
        return
    found = run.replay_many(weights_of(run, SETS[:3]), 1, start=0, stack=2)
    each = [r.model().module.state_dict() for r in found]
    if stacked.same_bits(run):
        forget(run)
    for replay, state in zip(
        run.replay_many(weights_of(run, SETS[:3]), 1, start=0, stack=1), each, strict=True
    ):
        for name, tensor in replay.model().module.state_dict().items():
            torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-5)


def test_a_killed_stack_goes_on_from_where_each_of_its_replays_was_saved(fresh, monkeypatch):
    expected = alone(fresh)
    forget(fresh)
    real, saved = many.save_for_resuming, []

    def killed(task, state):
        if len(saved) == 6:  # in the middle of a round of four
            raise KeyboardInterrupt
        saved.append((task.folder, state.step))
        real(task, state)

    with monkeypatch.context() as patched:
        patched.setattr(many, "SAVE_EVERY_SECONDS", 0.0)
        patched.setattr(many, "save_for_resuming", killed)
        with pytest.raises(KeyboardInterrupt):
            fresh.replay_many(weights_of(fresh), 1, start=0, stack=4)
    assert [step for _, step in saved] == [1, 1, 1, 1, 2, 2]
    steps = []

    def watched(state, *rest):
        steps.append(state.step)
        return advance(state, *rest)

    advance = many.advance_stack
    monkeypatch.setattr(many, "advance_stack", watched)
    found = fresh.replay_many(weights_of(fresh), 1, start=0, stack=4)
    assert [(r.model_digest, r.journal()) for r in found] == expected
    assert sorted(steps)[:3] == [1, 2, 2]
    assert not list((fresh.path / "replays").glob(".*"))


def test_states_in_between_and_late_starts(fresh):
    first = fresh.order.first_steps(fresh.corpus().n_documents)
    late = np.flatnonzero((first > 9) & (first <= fresh.steps))[:2]
    sets = [[int(d)] for d in late]
    expected = fresh.replay_many(weights_of(fresh, sets), 1, keep_checkpoints=True, stack=1)
    digests = [r.model_digest for r in expected]
    assert min(r.start for r in expected) >= 8
    forget(fresh)
    found = fresh.replay_many(weights_of(fresh, sets), 1, keep_checkpoints=True, stack=2)
    assert [r.model_digest for r in found] == digests
    assert [c.step for c in found[0].checkpoints] == [c.step for c in fresh.checkpoints]


def test_where_the_bits_differ_stacked_replays_have_names_of_their_own(fresh, monkeypatch):
    single = fresh.replay_many(weights_of(fresh), 1, stack=1)
    other = open_run(fresh.path)
    monkeypatch.setattr(stacked, "_compared", lambda run: False)
    found = other.replay_many(weights_of(other), 1, stack=4)
    assert not {r.path for r in found} & {r.path for r in single}
    assert all(r.record["stacked"] for r in found)
    assert [r.weights_digest for r in found] == [r.weights_digest for r in single]


def test_small_models_are_stacked_and_large_ones_are_not(fresh, monkeypatch):
    assert stacked.width_for(fresh, 40, None) == stacked.WIDEST
    assert stacked.width_for(fresh, 3, None) == 3
    monkeypatch.setattr(stacked, "_SMALL", 1e3)
    assert stacked.width_for(fresh, 40, None) == 1
    assert stacked.width_for(fresh, 40, 8) == 8
    with pytest.raises(RunError, match="1 or more"):
        stacked.width_for(fresh, 40, 0)


def test_units_share_the_work_among_the_workers(fresh):
    wanted = [
        many.want(fresh, w, fresh._first_steps, start=0, seed=None, keep_checkpoints=False)
        for w in weights_of(fresh, [[i] for i in range(21)])
    ]
    assert [len(u) for u in many.cut(fresh, wanted, 2, 16)] == [10, 11]
    assert [len(u) for u in many.cut(fresh, wanted, 2, 8)] == [5, 5, 5, 6]
    assert [len(u) for u in many.cut(fresh, wanted, 2, 1)] == [1] * 21
    assert [len(u) for u in many.cut(fresh, wanted[:1], 2, 8)] == [1]


def test_each_replay_is_clipped_as_if_it_were_alone():
    draw = torch.Generator().manual_seed(0)
    found = [torch.randn(3, *shape, generator=draw) for shape in ((4, 5), (7,))]
    found[0][1] *= 1e-3
    found[1][1] *= 1e-3
    gradients, norms = stacked._clip(found, 1.0)
    for number in range(3):
        expected, norm = clip([g[number] for g in found], 1.0)
        assert norms[number] == norm
        for mine, theirs in zip(gradients, expected, strict=True):
            assert torch.equal(mine[number], theirs)


def test_a_stack_gives_back_the_states_it_was_made_of(fresh):
    from whence.training.checkpoints import load_checkpoint

    states = [load_checkpoint(c.path, fresh.recipe) for c in fresh.checkpoints[-1:] * 2]
    with torch.no_grad():
        states[1].parameters[0].add_(1)
    wanted = [[p.detach().clone() for p in s.parameters] for s in states]
    stack = stacked.stack_of(states)
    for number in (1, 0):
        state = stack.replay(number)
        assert all(map(torch.equal, state.parameters, wanted[number]))
        assert isinstance(state.moments, Moments)
        assert state.step == fresh.steps


def test_a_larger_model_trains_without_the_documents_left_out(fresh, monkeypatch):
    half = weights_of(fresh)[3]
    whole = fresh.replay(half)
    forget(fresh)
    seen, real = [], loop.advance

    def advance(state, batch, *rest):
        seen.append(len(batch.ids))
        return real(state, batch, *rest)

    monkeypatch.setattr(stacked, "_SMALL", 0)
    monkeypatch.setattr(loop, "advance", advance)
    short = fresh.replay(half)
    assert sum(seen) < 0.7 * sum(len(fresh.batch(s + 1).ids) for s in range(fresh.steps))
    assert [r["tokens"] for r in short.journal()] == [r["tokens"] for r in whole.journal()]
    base = fresh.model().module.state_dict()
    for name, tensor in short.model().module.state_dict().items():
        other = whole.model().module.state_dict()[name]
        moved = float((other - base[name]).abs().max())
        assert float((tensor - other).abs().max()) <= 1e-3 * moved + 1e-6
    stack = fresh.replay_many([half, *weights_of(fresh)[:1]], 1, stack=2)
    assert stack[0].path != short.path  # another way to add up has a name of its own
