import itertools

import numpy as np
import pytest
import torch

from tests.models.small import ARCHITECTURES, small
from whence.attribution import information_flow, information_flow_routes
from whence.attribution.flow_terms import layer_terms
from whence.attribution.routes import proximity_shares
from whence.core import Behavior
from whence.core.errors import MethodError, ModelError
from whence.interventions import Components
from whence.models import encode, log_probabilities, rows_of
from whence.worlds import copying, induction

BEHAVIOR = Behavior("Ada Lovelace was born in", " London too", " Paris")
SUMS = [name for name in ARCHITECTURES if name != "opt-norm-after"]


def first_row(model):
    return rows_of(encode(model, Behavior(BEHAVIOR.prompt, BEHAVIOR.target)))[0]


def attention_adds(model, layer, *, without=None, head=None):
    """What one attention gives, with the values of one token, or all other heads, set to 0."""
    streams, found = model.streams[layer], {}
    value = next(p for p in streams.projections if "value" in p.parts)

    def silence(_, __, y):
        y = y.clone()
        if without is not None:
            for a, b in value.parts["value"]:
                y.reshape(1, -1, y.shape[-1])[:, without, a:b] = 0
        return y

    def only(_, args):
        size = streams.sites.head_size
        z = torch.zeros_like(args[0])
        z[..., head * size : (head + 1) * size] = args[0][..., head * size : (head + 1) * size]
        return (args[0] if head is None else z,)

    def note(_, __, y):
        found["y"] = y.reshape(-1, y.shape[-1])

    out = streams.sites.attention_out
    handles = [
        value.last.register_forward_hook(silence),
        out.register_forward_pre_hook(lambda m, a: only(m, a) if head is not None else None),
        out.register_forward_hook(note),
    ]
    with torch.no_grad():
        log_probabilities(model, [first_row(model)])
    for handle in handles:
        handle.remove()
    return found["y"]


@pytest.mark.parametrize("name", SUMS)
def test_terms_are_what_the_module_loses_without_them(name):
    """Values of one token silenced in the module itself; one head left alone in it."""
    model = small(name)
    terms = layer_terms(model, first_row(model))[1]
    whole = attention_adds(model, 1)
    last = len(whole) - 1
    brought = terms.heads_at(last).sum(0)
    for token in (0, last - 1):
        lost = (whole - attention_adds(model, 1, without=token))[last]
        torch.testing.assert_close(lost * scale(terms, last), brought[token], atol=3e-5, rtol=1e-3)
    bias = getattr(model.streams[1].sites.attention_out, "bias", None)
    for head in range(4):
        alone = attention_adds(model, 1, head=head)[last] - (0 if bias is None else bias.detach())
        expected = terms.heads_at(last)[head].sum(0)
        torch.testing.assert_close(alone * scale(terms, last), expected, atol=3e-5, rtol=1e-3)


def scale(terms, position):
    return terms.scale[position if len(terms.scale) > 1 else 0]


@pytest.mark.parametrize("name", SUMS)
def test_every_state_is_the_sum_of_its_terms_and_flow_is_kept(name):
    model = small(name)
    layers = layer_terms(model, first_row(model))
    for below, above in itertools.pairwise(layers):
        torch.testing.assert_close(below.after, above.before, atol=1e-5, rtol=1e-4)
    edges = information_flow_routes(model, BEHAVIOR, 0.0).edges
    top = sum(edge.flow for edge in edges if edge.layer == 2 and edge.step == 1)
    # The constant of an output projection is the only term that leads nowhere.
    assert top == pytest.approx(1.0, abs=0.1 if name == "gpt_neox" else 1e-9)
    assert all(edge.source <= edge.target for edge in edges)


def test_shares_by_hand():
    # The sum is (3, 4): its length is 7, and what is missing without each term is 1, 8 and 7.
    z = torch.tensor([[3.0, 3.0], [-1.0, 0.0], [1.0, 1.0]])
    near = np.array([7 - 1, max(0, 7 - 8), 7 - 5])
    np.testing.assert_allclose(proximity_shares(z), near / near.sum())


def test_the_routes_of_written_models_are_those_written():
    """Copying leads from the answer to the token at its place, induction to the first pair."""
    written = copying(2, at=4, noise=0.01)
    routes = information_flow_routes(written.model, written.behaviors[0], 0.1)
    heads = {(e.part, e.source, e.target) for e in routes.edges if ".H" in e.part}
    assert heads == {("L0.H0", 4, 8)}
    written = induction(4, noise=0.01)
    for behavior in written.behaviors:
        routes = information_flow_routes(written.model, behavior, 0.1)
        (last,) = routes.predicts
        found = {(e.part, e.source, e.target) for e in routes.edges if e.part == "L1.H0"}
        answer = routes.tokens.index(encode(written.model, behavior).target_ids[0])
        assert found == {("L1.H0", answer, last)}
    scores = information_flow(Components(written.model, replacement="zero"), written.behaviors)
    assert scores.unit == "rank"
    # It asks what made the state: the head that copies to the successor comes first of the two.
    first = np.argsort(-scores.values.mean(0))[:2]
    assert {scores.causes[i].id for i in first} == written.heads


def test_a_layer_is_its_parts_and_groups_are_sums():
    model = small("llama")
    parts = information_flow(Components(model, replacement="zero"), [BEHAVIOR])
    layers = information_flow(Components(model, units=("layer",), replacement="zero"), [BEHAVIOR])
    inside = [c.id.startswith("L1.") for c in parts.causes]
    assert layers.values[0, 1] == pytest.approx(parts.values[0, inside].sum())


def test_errors():
    with pytest.raises(MethodError, match=r"share in \[0, 1\)"):
        information_flow_routes(small(), BEHAVIOR, 1.0)
    with pytest.raises(MethodError, match="heads, MLPs or layers"):
        information_flow(Components(small(), units=("neuron",), replacement="zero"), [BEHAVIOR])
    with pytest.raises(MethodError, match=r"'sdpa', which tells none.*attention=.eager"):
        information_flow_routes(small("llama", "sdpa"), BEHAVIOR)
    with pytest.raises(ModelError, match="only adds"):
        information_flow_routes(small("opt-norm-after"), BEHAVIOR)
