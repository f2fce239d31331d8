"""The derivative through a training, held against real replays with weights moved a little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from whence.core import Behavior
from whence.core.errors import RunError
from whence.models import encode, value_tensor, values
from whence.training import Recipe, train, weight_gradients
from whence.training.checkpoints import load_checkpoint
from whence.training.losses import batch_loss
from whence.training.optimizer import (
    AdamW,
    Moments,
    adamw_step,
    adamw_step_,
    clip,
    pull_back_adamw,
    pull_back_clip,
)

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
    here = weight_gradients(gpt2, finals(replay), replay=replay)[:, 0]
    (document,) = largest(here, 1)
    expected = slope(gpt2, document, 3e-4, centre=0.5)
    assert here[:, document] == pytest.approx(expected, rel=1e-6)
    assert found[:, document] != pytest.approx(expected, rel=0.1)


def test_a_replay_without_states_is_refused(gpt2):
    replay = gpt2.replay(np.full(gpt2.corpus().n_documents, 0.7))
    with pytest.raises(RunError, match="keep_checkpoints=True"):
        weight_gradients(gpt2, finals(replay), replay=replay)


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


def test_parts_add_up_to_the_whole(gpt2, found):
    names = list(finals(gpt2))
    parts = {
        "blocks": [n for n in names if ".h." in n],
        "rest": [n for n in names if ".h." not in n],
    }
    split = weight_gradients(gpt2, finals(gpt2), parts=parts)
    assert split.shape == (2, 2, found.shape[1])
    assert split.sum(1) == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert (np.abs(split).max((0, 2)) > 0.01 * np.abs(found).max()).all()
    with pytest.raises(RunError, match="nonsense"):
        weight_gradients(gpt2, finals(gpt2), parts={"a": ["nonsense"]})


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
    split = weight_gradients(gpt2, finals(gpt2), parts={"MLPs": part})[:, 0]
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
