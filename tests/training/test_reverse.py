"""The derivative through a training, held against real replays with weights moved a little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from whence.core import Behavior
from whence.core.errors import RunError
from whence.models import encode, value_tensor, values
from whence.training import Recipe, Split, reverse, train, unfinished, weight_gradients
from whence.training.checkpoints import load_checkpoint
from whence.training.losses import batch_loss, token_losses
from whence.training.optimizer import (
    AdamW,
    Moments,
    adamw_step,
    adamw_step_,
    clip,
    pull_back_adamw,
    pull_back_clip,
)
from whence.training.pieces import framed_starts

BEHAVIORS = [Behavior("ada lives in", " paris", " rome"), Behavior("bob likes", " cats")]
RECIPE = Recipe(
    architecture="gpt2",
    steps=10,
    context=32,
    rows=4,
    checkpoint_every=6,
    dtype="float64",
    epsilon=1e-8,
    clip=1.9,
)


def finals(run):
    model = run.model()
    names, parameters = zip(*model.module.named_parameters(), strict=True)
    gradients = [
        torch.autograd.grad(value_tensor(model, encode(model, b)), parameters) for b in BEHAVIORS
    ]
    return {n: torch.stack([g[i] for g in gradients]) for i, n in enumerate(names)}


def slope(run, document, width, centre=1.0):
    """A central difference of fourth order between replays."""

    def at(change):
        weights = np.full(run.corpus().n_documents, centre)
        weights[document] += change
        return values(run.replay(weights).model(), BEHAVIORS)

    near, far = at(width) - at(-width), at(2 * width) - at(-2 * width)
    return (8 * near - far) / (12 * width)


@pytest.fixture(scope="module")
def gpt2(corpus, tmp_path_factory):
    return train(corpus, tmp_path_factory.mktemp("reverse") / "r", RECIPE)


@pytest.fixture(scope="module")
def found(gpt2):
    return weight_gradients(gpt2, finals(gpt2))[:, 0]


def largest(found, count=3):
    return np.argsort(-np.abs(found).sum(0), kind="stable")[:count]


def test_clipping_is_among_what_is_differentiated(gpt2):
    norms = [line["gradient_norm"] for line in gpt2.journal()]
    assert min(norms) < gpt2.recipe.clip < max(norms)


def test_it_is_the_slope_of_replays(gpt2, found):
    for document in largest(found, 2):
        assert found[:, document] == pytest.approx(slope(gpt2, document, 3e-4), rel=1e-6)


def test_it_is_the_slope_at_other_weights_too(gpt2, found):
    replay = gpt2.replay(np.full(gpt2.corpus().n_documents, 0.5), keep_checkpoints=True)
    here = weight_gradients(gpt2, finals(replay), at=replay)[:, 0]
    (document,) = largest(here, 1)
    expected = slope(gpt2, document, 3e-4, centre=0.5)
    assert here[:, document] == pytest.approx(expected, rel=1e-6)
    assert found[:, document] != pytest.approx(expected, rel=0.1)


def test_a_replay_without_states_is_refused(gpt2):
    replay = gpt2.replay(np.full(gpt2.corpus().n_documents, 0.7))
    with pytest.raises(RunError, match="keep_checkpoints=True"):
        weight_gradients(gpt2, finals(replay), at=replay)


def test_documents_that_no_step_saw_have_none(gpt2, found):
    unseen = gpt2._first_steps > gpt2.steps
    assert unseen.any()
    assert (found[:, unseen] == 0).all()
    assert (found[:, ~unseen] != 0).all()


@pytest.mark.parametrize("memory", [0, 1 << 22])
def test_the_memory_for_states_changes_nothing(gpt2, found, memory):
    assert (weight_gradients(gpt2, finals(gpt2), memory=memory)[:, 0] == found).all()


def test_a_behavior_does_not_depend_on_its_company(gpt2, found):
    alone = {name: tensor[1:] for name, tensor in finals(gpt2).items()}
    assert weight_gradients(gpt2, alone)[0, 0] == pytest.approx(found[1], rel=1e-9, abs=1e-12)


# Their Hugging Face code casts to float32 inside, in the norms, and so do the replays.
@pytest.mark.parametrize("architecture", ["llama", "gemma2"])
def test_other_architectures(corpus, tmp_path, architecture):
    run = train(corpus, tmp_path / "r", replace(RECIPE, architecture=architecture))
    found = weight_gradients(run, finals(run))[:, 0]
    for document in largest(found, 1):
        wanted = slope(run, document, 1e-3)
        assert found[:, document] == pytest.approx(wanted, rel=1e-2, abs=1e-2 * abs(found).max())


def test_one_piece_a_row_and_dropout(corpus, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(
        '{"model_type": "gpt2", "vocab_size": 300, "n_embd": 16, "n_head": 2, "n_layer": 1, '
        '"n_positions": 32, "resid_pdrop": 0.1}'
    )
    run = train(corpus, tmp_path / "r", replace(RECIPE, config=str(path), steps=6))
    assert run.plan.dropout
    found = weight_gradients(run, finals(run))[:, 0]
    document = largest(found, 1)[0]
    assert found[:, document] == pytest.approx(slope(run, document, 3e-4), rel=1e-6)


def split_by_hand(parts):
    """Parts as names of parameters, told from each document's own gradient by autograd."""

    def told(module, batch, through):
        named = dict(module.named_parameters())
        count = int(batch.documents.max()) + 1
        rows = []
        for document in range(count):
            weights = torch.zeros(count, dtype=torch.float64)
            weights[document] = 1
            grads = torch.autograd.grad(batch_loss(module, batch, weights), list(named.values()))
            each = dict(zip(named, grads, strict=True))
            shares = [
                torch.stack([(through[n] * each[n]).flatten(1).sum(1) for n in names]).sum(0)
                for names in parts.values()
            ]
            rows.append(torch.stack(shares, dim=1))
        return torch.stack(rows, dim=2)

    return Split(tuple(parts), told)


def test_parts_add_up_to_the_whole(gpt2, found):
    names = list(finals(gpt2))
    parts = {
        "blocks": [n for n in names if ".h." in n],
        "rest": [n for n in names if ".h." not in n],
    }
    split = weight_gradients(gpt2, finals(gpt2), split=split_by_hand(parts))
    assert split.shape == (2, 3, found.shape[1])
    assert (split[:, 0] == found).all()
    assert split[:, 1:].sum(1) == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert (np.abs(split[:, 1:]).max((0, 2)) > 0.01 * np.abs(found).max()).all()


def retrained(run, part, document, weight):
    """Values after a training in which only a part's gradient sees a document's new weight."""
    state = load_checkpoint(run.checkpoint(0).path, run.recipe)
    names = [name for name, _ in state.module.named_parameters()]
    plain = torch.ones(run.corpus().n_documents, dtype=torch.float64)
    moved = plain.clone()
    moved[document] = weight
    for step in range(1, run.steps + 1):
        old, new = (
            torch.autograd.grad(
                batch_loss(state.module, run.batch(step), weights), state.parameters
            )
            for weights in (plain, moved)
        )
        mixed = [new[i] if name in part else old[i] for i, name in enumerate(names)]
        with torch.no_grad():
            adamw_step_(
                state.parameters,
                clip(mixed, run.recipe.clip)[0],
                state.moments,
                step=step,
                rate=run.plan.rate(step),
                settings=run.plan.optimizer,
            )
    model = run.model()
    model.module.load_state_dict(state.module.state_dict())
    return values(model, BEHAVIORS)


def test_a_part_is_what_documents_do_through_its_own_gradient(gpt2, found):
    part = [name for name in finals(gpt2) if ".mlp." in name]
    split = weight_gradients(gpt2, finals(gpt2), split=split_by_hand({"MLPs": part}))[:, 1]
    document = largest(found, 1)[0]
    up, down = (retrained(gpt2, part, document, 1 + width) for width in (1e-4, -1e-4))
    assert split[:, document] == pytest.approx((up - down) / 2e-4, rel=1e-5)


def test_a_parameter_left_out_is_named(gpt2):
    with pytest.raises(RunError, match="wte"):
        weight_gradients(gpt2, {k: v for k, v in finals(gpt2).items() if "wte" not in k})


def test_the_update_and_its_derivative_agree_with_autograd():
    draw = torch.Generator().manual_seed(0)
    shapes, settings = ((3, 4), (5,)), AdamW((0.9, 0.95), 1e-3, 0.1)

    def some():
        return [torch.randn(s, generator=draw, dtype=torch.float64) for s in shapes]

    p, m, g = some(), some(), some()
    v = [t.square() for t in some()]

    def step(p, m, v, g):
        limit = 1.5
        norm = torch.cat([t.flatten() for t in g]).norm()
        g = [t * limit / (norm + 1e-6) for t in g]
        new = []
        for a, b, c, d in zip(p, m, v, g, strict=True):
            b1, c1 = 0.9 * b + 0.1 * d, 0.95 * c + 0.05 * d**2
            root = (c1 / (1 - 0.95**7) + 1e-3).sqrt()
            decay = 1 - 0.01 * 0.1 if a.dim() > 1 else 1.0
            new.append((decay * a - 0.01 / (1 - 0.9**7) * b1 / root, b1, c1))
        return [t for column in zip(*new, strict=True) for t in column]

    leaves = [t.clone().requires_grad_() for t in (*p, *m, *v, *g)]
    n = len(shapes)
    after = step(leaves[:n], leaves[n : 2 * n], leaves[2 * n : 3 * n], leaves[3 * n :])
    clipped, _ = clip(g, 1.5)
    ours, moments = adamw_step(p, clipped, Moments(m, v), step=7, rate=0.01, settings=settings)
    for mine, theirs in zip((*ours, *moments.first, *moments.second), after, strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-12)
    adjoint = [some() for _ in range(3)]
    expected = torch.autograd.grad(after, leaves, [t for part in adjoint for t in part])
    pulled = [
        pull_back_adamw(
            [part[i][None] for part in adjoint],
            clipped[i],
            m[i],
            v[i],
            step=7,
            rate=0.01,
            settings=settings,
        )
        for i in range(n)
    ]
    raw = pull_back_clip([each[3] for each in pulled], g, 1.5)
    got = [each[k] for k in range(3) for each in pulled] + raw
    for mine, theirs in zip(got, expected, strict=True):
        assert torch.allclose(mine[0], theirs, rtol=1e-10)


def test_a_killed_pass_goes_on_and_finds_the_same(gpt2, found, monkeypatch):
    real, steps = reverse._pull_back, []

    def killed(job, state):
        if len(steps) == 4:
            raise KeyboardInterrupt
        steps.append(state.step)
        real(job, state)

    monkeypatch.setattr(unfinished, "SAVE_EVERY_SECONDS", 0.0)
    with monkeypatch.context() as patched:
        patched.setattr(reverse, "_pull_back", killed)
        with pytest.raises(KeyboardInterrupt):
            weight_gradients(gpt2, finals(gpt2))
    (place,) = (gpt2.path / unfinished.UNFINISHED).glob("*")
    assert [p.name for p in place.glob("step-*")] == ["step-00000006"]
    again = []

    def watched(job, state):
        again.append(state.step)
        real(job, state)

    monkeypatch.setattr(reverse, "_pull_back", watched)
    assert (weight_gradients(gpt2, finals(gpt2))[:, 0] == found).all()
    assert (steps, again) == ([9, 8, 7, 6], [5, 4, 3, 2, 1, 0])
    assert not place.exists()


def test_the_slope_where_weights_are_not_one(gpt2, found):
    document = int(largest(found, 1)[0])
    weights = np.ones(gpt2.corpus().n_documents)
    weights[document] = 0.5
    replay = gpt2.replay(weights, keep_checkpoints=True)
    model = replay.model()
    names, parameters = zip(*model.module.named_parameters(), strict=True)
    each = [
        torch.autograd.grad(value_tensor(model, encode(model, b)), parameters) for b in BEHAVIORS
    ]
    ends = {n: torch.stack([g[i] for g in each]) for i, n in enumerate(names)}
    got = weight_gradients(gpt2, ends, at=replay)[:, 0, document]

    def at(weight):
        weights[document] = weight
        return values(gpt2.replay(weights).model(), BEHAVIORS)

    width = 3e-4
    near, far = at(0.5 + width) - at(0.5 - width), at(0.5 + 2 * width) - at(0.5 - 2 * width)
    assert got == pytest.approx((8 * near - far) / (12 * width), rel=3e-5)  # more bent here
    assert got != pytest.approx(found[:, document], rel=1e-2)
    with pytest.raises(RunError, match="keep_checkpoints"):
        weight_gradients(gpt2, ends, at=gpt2.replay(weights))


def test_tokens_add_up_to_their_documents_and_are_slopes_themselves(gpt2, found):
    corpus = gpt2.corpus()
    by_token = weight_gradients(gpt2, finals(gpt2), tokens=True)[:, 0]
    starts = framed_starts(corpus)
    assert by_token.shape == (2, starts[-1])
    sums = np.add.reduceat(by_token, starts[:-1], axis=1)
    assert sums == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert (by_token[:, starts[:-1]] == 0).all()  # a first token is predicted by nothing
    document = int(largest(found, 1)[0])
    place = int(np.abs(by_token[0, starts[document] : starts[document + 1]]).argmax())
    up, down = (token_moved(gpt2, document, place, width) for width in (1e-4, -1e-4))
    got = by_token[:, starts[document] + place]
    assert got == pytest.approx((up - down) / 2e-4, rel=1e-4)
    with pytest.raises(RunError, match="tokens, or a split"):
        weight_gradients(gpt2, finals(gpt2), tokens=True, split=Split((), Splitter))


def Splitter(module, batch, through):
    raise AssertionError


def token_moved(run, document, place, width):
    """Values after a training in which one token's loss has another weight."""
    state = load_checkpoint(run.checkpoint(0).path, run.recipe)
    for step in range(1, run.steps + 1):
        batch = run.batch(step)
        weights = torch.ones(batch.ids.shape, dtype=torch.float64)
        weights[(batch.documents == document) & (batch.framed == place - 1)] += width
        loss = (token_losses(state.module, batch) * weights).sum() / batch.predicted
        gradient = torch.autograd.grad(loss, state.parameters)
        with torch.no_grad():
            adamw_step_(
                state.parameters,
                clip(list(gradient), run.recipe.clip)[0],
                state.moments,
                step=step,
                rate=run.plan.rate(step),
                settings=run.plan.optimizer,
            )
    model = run.model()
    model.module.load_state_dict(state.module.state_dict())
    return values(model, BEHAVIORS)
