"""Models written by hand do what they say, by the edges and tokens that they say."""

import numpy as np
import pytest
import torch

from whence.attribution import edge_attribution, greedy_pruning, leave_one_out
from whence.core.errors import MethodError
from whence.interventions import Components, Divergence, Edges, Tokens
from whence.models import greedy, values
from whence.verification import circuit, curve
from whence.worlds import copying, induction, two_hops

MAKERS = {"induction": induction, "copying": copying, "two hops": two_hops}


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", MAKERS)
def test_the_model_knows_the_answer(name, noise):
    written = MAKERS[name](16, noise=noise)
    assert (values(written.model, written.behaviors) > 1).all()
    for behavior in written.behaviors[:4]:
        ids = written.model.tokenizer(behavior.prompt, return_tensors="pt")
        with torch.no_grad():
            best = written.model.module(**ids).logits[0, -1].argmax()
        assert written.model.tokenizer.decode(best).strip() == behavior.target.strip()


@pytest.mark.parametrize("name", MAKERS)
def test_the_answer_follows_from_the_prompt(name):
    """Found again by rules over the words, not by the model."""
    for behavior in MAKERS[name](16, seed=3).behaviors:
        words = behavior.prompt.split()
        if name == "copying":
            expected = words[2]
        else:
            after = words.index(words[-1]) + (1 if name == "induction" else 2)
            expected = words[after]
        assert behavior.target == f" {expected}"


@pytest.mark.parametrize("replacement", ["zero", "other"])
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("name", MAKERS)
def test_cutting_edges_one_by_one_finds_the_circuit(name, noise, replacement):
    """Precision and recall are 1 at the true size."""
    written = MAKERS[name](noise=noise)
    edges = Edges(written.model, replacement=replacement, other_prompt=written.others)
    scores = leave_one_out(edges, written.behaviors).values.mean(0)
    truth = written.edges[replacement]
    found = {edges.causes[i].id for i in np.argsort(-scores)[: len(truth)]}
    assert found == truth


@pytest.mark.parametrize("name", MAKERS)
def test_the_circuit_alone_does_it_all(name):
    written = MAKERS[name]()
    edges = Edges(written.model, replacement="other", other_prompt=written.others)
    measured = circuit(edges, written.behaviors, sorted(written.edges["other"]))
    assert measured.faithfulness == pytest.approx(1.0, abs=0.01)
    assert measured.incompleteness < 0.2
    assert (measured.needs > 0.5).all()


@pytest.mark.parametrize("name", MAKERS)
def test_pruning_by_divergence_leaves_the_circuit(name):
    written = MAKERS[name](4)
    edges = Edges(written.model, replacement="other", other_prompt=written.others)
    pruned = greedy_pruning(Divergence(edges), written.behaviors, 0.05)
    left = {edges.causes[i].id for i in np.flatnonzero(pruned.kept)}
    assert left == written.edges["other"]


def test_the_curve_of_the_truth_rises_at_once():
    written = induction()
    edges = Edges(written.model, replacement="other", other_prompt=written.others)
    exact = curve(leave_one_out(edges, written.behaviors), edges)
    assert np.abs(exact.faithfulness[exact.counts >= 3] - 1).max() < 0.01
    assert np.abs(exact.faithfulness[exact.counts < 3]).max() < 0.1
    # Attention that is sure has no slope: a gradient finds less of it.
    slope = curve(edge_attribution(edges, written.behaviors), edges)
    assert exact.cpr > slope.cpr


@pytest.mark.parametrize("name", MAKERS)
def test_heads_that_do_something_are_found(name):
    written = MAKERS[name](noise=0.01)
    parts = Components(written.model, units=("head",), replacement="zero")
    scores = leave_one_out(parts, written.behaviors).values.mean(0)
    found = {parts.causes[i].id for i in np.argsort(-scores)[: len(written.heads)]}
    assert found == written.heads


@pytest.mark.parametrize("name", MAKERS)
def test_tokens_that_matter_are_found(name):
    written = MAKERS[name]()
    for behavior in written.behaviors[:3]:
        truth = written.tokens[behavior.prompt]
        unused = next(w for w in "abcdefghijkl" if w not in behavior.prompt + behavior.foil)
        tokens = Tokens(written.model, behavior.prompt, removal="replace", replacement=unused)
        scores = leave_one_out(tokens, [behavior]).values[0]
        order = np.argsort(-scores)[: len(truth)]
        assert {int(tokens.causes[i].id[1:]) for i in order} == truth
        assert scores[order].min() > 0.5


def test_the_model_is_an_ordinary_one():
    written = copying(2)
    assert (
        greedy(written.model, written.behaviors[0].prompt)
        .strip()
        .startswith(written.behaviors[0].target.strip())
    )


@pytest.mark.parametrize(
    ("make", "settings"),
    [(induction, {"count": 0}), (two_hops, {"noise": -1.0}), (copying, {"at": 9})],
)
def test_wrong_settings(make, settings):
    with pytest.raises(MethodError):
        make(**settings)
