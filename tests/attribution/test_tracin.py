import numpy as np
import pytest
import torch

from whence.attribution import tracin
from whence.attribution.gradients import adam_scaling
from whence.attribution.tracin import spread, step_rates
from whence.core.errors import MethodError
from whence.interventions import Documents
from whence.models import encode, value_tensor
from whence.training import Checkpoint, document_batches, token_losses


@pytest.fixture(scope="module")
def documents(demo_run):
    return Documents(demo_run)


def test_at_one_checkpoint_the_score_is_minus_rate_times_the_inner_product(
    documents, demo_run, demo_world
):
    step = demo_run.checkpoints[-2].step
    behavior = demo_world.questions()[0]
    scores = tracin(documents, [behavior], steps=[step], rows=5)
    checkpoint = demo_run.checkpoint(step)
    model = demo_run.model(step)
    names, parameters = zip(*model.module.named_parameters(), strict=True)
    wanted = torch.autograd.grad(value_tensor(model, encode(model, behavior)), parameters)
    scaling = adam_scaling(checkpoint, demo_run)
    rates = step_rates(demo_run, [step])[0]
    for document in (0, 7, 20):
        index = np.array([document])
        (batch,) = document_batches(
            demo_run.corpus(), index, demo_run.recipe.context, rows=4, packed=False
        )
        own = torch.autograd.grad(token_losses(model.module, batch).sum(), parameters)
        product = sum(
            float((a * b * scaling[name]).double().sum())
            for name, a, b in zip(names, wanted, own, strict=True)
        )
        assert scores.values[0, document] == pytest.approx(-rates[document] * product, rel=1e-3)


def test_scores_do_not_depend_on_the_batch(documents, demo_world):
    behaviors = demo_world.questions()[:2]
    few, many = (tracin(documents, behaviors, rows=rows).values for rows in (3, 40))
    np.testing.assert_allclose(few, many, rtol=1e-3, atol=1e-5)


def test_a_step_on_a_document_raises_the_behavior_by_its_score(documents, demo_run, demo_world):
    """The sign: what one more step on a document adds is what would be missing without it."""
    step = demo_run.checkpoints[-3].step
    behavior = demo_world.questions()[1]
    scores = tracin(documents, [behavior], steps=[step], preconditioner="none")
    rate = step_rates(demo_run, [step])[0]
    model = demo_run.model(step)
    for document in (3, 11):
        index = np.array([document])
        (batch,) = document_batches(
            demo_run.corpus(), index, demo_run.recipe.context, rows=1, packed=False
        )
        parameters = list(model.module.parameters())
        own = torch.autograd.grad(token_losses(model.module, batch).sum(), parameters)
        length = 1e-4
        values = []
        for sign in (-1, 2):  # half a step down the loss, half a step up, then back
            with torch.no_grad():
                for p, g in zip(parameters, own, strict=True):
                    p.add_(g, alpha=sign * length / 2)
                values.append(float(value_tensor(model, encode(model, behavior))))
        with torch.no_grad():
            for p, g in zip(parameters, own, strict=True):
                p.sub_(g, alpha=length / 2)
        change = (values[0] - values[1]) / length
        assert scores.values[0, document] / rate[document] == pytest.approx(change, rel=0.05)


def test_a_group_gets_the_sum_of_its_documents(documents, demo_run, demo_world):
    behaviors = demo_world.questions()[:1]
    step = [demo_run.checkpoints[-1].step]
    grouped = tracin(Documents(demo_run, groups=demo_world.truth), behaviors, steps=step)
    single = tracin(documents, behaviors, steps=step)
    where = {c.id: i for i, c in enumerate(single.causes)}
    expected = [single.values[0, [where[d] for d in f.documents]].sum() for f in demo_world.facts]
    np.testing.assert_allclose(grouped.values[0], expected, rtol=1e-6)


def test_rates_of_all_intervals_add_up_to_what_the_steps_gave(demo_run):
    steps = [c.step for c in demo_run.checkpoints if c.step > 0]
    total = step_rates(demo_run, steps).sum(0)
    rate = [e["learning_rate"] / e["tokens"] for e in demo_run.journal()]
    expected = np.zeros_like(total)
    order = demo_run.order
    for step, document in zip(order.step, order.document, strict=True):
        expected[document] += rate[step - 1]
    assert demo_run.corpus().lengths.max() < demo_run.recipe.context  # one piece a document
    np.testing.assert_allclose(total, expected)


def test_checkpoints_are_spread_evenly_and_end_with_the_last(tmp_path):
    kept = [Checkpoint(s, tmp_path, 0.0) for s in (1, 2, 4, 8, 16, 32, 64, 100)]
    assert [c.step for c in spread(kept, 3)] == [32, 64, 100]
    assert [c.step for c in spread(kept, 1)] == [100]


def test_a_step_without_a_checkpoint_is_refused(documents, demo_world):
    with pytest.raises(MethodError, match="checkpoints out of"):
        tracin(documents, demo_world.questions(), steps=[3])
