import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.models.small import small
from whence.attribution import edge_attribution, edge_integrated_gradients, leave_one_out
from whence.core import Behavior
from whence.core.errors import MethodError
from whence.interventions import Edges
from whence.models import Model, encode, value_tensor

PROMPT, OTHER = "Ada Lovelace was born in", "Ada Lovelace was born is"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior(PROMPT, " the", " a")]
NAMES = ["gpt2", "gpt_neox", "llama", "qwen3", "mixtral", "gemma2", "olmo2", "opt"]


class Ones(nn.Module):
    def forward(self, x):
        return torch.ones_like(x)


def linear(name):
    """A model whose logits are linear in everything that is sent.

    No norms, a uniform attention (queries and keys of zero), MLPs without a bend.
    """
    model = small(name)
    module = copy.deepcopy(model.module).double()
    base = module.transformer if name == "gpt2" else module.model
    for block in base.h if name == "gpt2" else base.layers:
        if name == "gpt2":
            block.ln_1, block.ln_2, block.mlp.act = nn.Identity(), nn.Identity(), nn.Identity()
            block.attn.c_attn.weight.data[:, :64] = 0
            block.attn.c_attn.bias.data[:64] = 0
        else:
            block.input_layernorm = nn.Identity()
            block.post_attention_layernorm = nn.Identity()
            for projection in (block.self_attn.q_proj, block.self_attn.k_proj):
                for parameter in projection.parameters():
                    parameter.data.zero_()
            block.mlp.act_fn = Ones()
    setattr(base, "ln_f" if name == "gpt2" else "norm", nn.Identity())
    return Model(module.eval(), model.tokenizer)


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
@pytest.mark.parametrize("replacement", ["other", "zero"])
def test_exact_where_the_model_is_linear(name, replacement):
    edges = Edges(linear(name), replacement=replacement, other_prompt=OTHER)
    # One token against one: a difference of logits.
    behaviors = [Behavior(PROMPT, " London", " is")]
    assert len(encode(small(name), behaviors[0]).target_ids) == 1
    assert len(encode(small(name), behaviors[0]).foil_ids) == 1
    exact = leave_one_out(edges, behaviors).values
    assert np.abs(exact).max() > 1e-2
    for method in (edge_attribution, edge_integrated_gradients):
        np.testing.assert_allclose(method(edges, behaviors).values, exact, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_of_mlp_and_logits_by_plain_gradients(name):
    """The derivative by what one MLP reads, from a hook that adds a variable of zeros there."""
    model = small(name)
    edges = Edges(model, replacement="zero")
    ids = [cause.id for cause in edges.causes]
    extra, seen = {}, {}

    def add(key):
        def hook(_, args):
            x = args[0]
            extra[key] = torch.zeros_like(x, requires_grad=True)
            return (x + extra[key], *args[1:])

        return hook

    streams = model.streams
    places = {"L1.MLP": streams[1].mlp_in, "logits": model.sites.final_norm}
    handles = [m.register_forward_pre_hook(add(key)) for key, m in places.items()]

    def keep(_, __, output):
        seen["L0.MLP"] = (output[0] if isinstance(output, tuple) else output).detach()

    handles.append(model.sites.layers[0].mlp.register_forward_hook(keep))
    single = [Behavior(PROMPT, BEHAVIORS[0].target)]
    encoded = encode(model, single[0])
    value_tensor(model, encoded).backward()
    for handle in handles:
        handle.remove()
    scores = edge_attribution(edges, single).values[0]
    for key in places:
        sent = seen["L0.MLP"].reshape(extra[key].shape)
        expected = float((extra[key].grad * sent).sum())
        assert scores[ids.index(f"L0.MLP->{key}")] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    model.module.zero_grad(set_to_none=True)


@pytest.mark.parametrize("name", NAMES)
def test_slopes_are_those_of_partial_cuts(name):
    """Edges into queries, keys and values: cut a hundredth of what is sent, and see."""
    model = Model(copy.deepcopy(small(name).module).double(), small(name).tokenizer)
    if name == "mixtral":
        model.module.set_experts_implementation("eager")
    edges = Edges(model, replacement="zero")
    scores = edge_attribution(edges, BEHAVIORS[:1]).values[0]
    ids = [cause.id for cause in edges.causes]
    for edge in ("L0.H1->L1.H2.Q", "L0.MLP->L2.K1", "embedding->L1.V0", "L1.MLP->L2.H3.Q"):
        fall = partial_cut(edges, ids.index(edge), 1e-2) / 1e-2
        # The slope at the model itself, and half of its change over the step.
        assert scores[ids.index(edge)] == pytest.approx(fall, rel=0.1, abs=5e-3), edge


def partial_cut(edges, number, share):
    """Fall when a share of what one edge carries is taken away, centred."""
    from whence.interventions.listeners import Cutting, contributions
    from whence.interventions.wiring import listening
    from whence.models import log_probabilities, rows_of

    rows = rows_of(encode(edges.model, BEHAVIORS[0]))
    keep = np.ones((len(rows), len(edges.causes)), dtype=bool)
    keep[:, number] = False
    signs = torch.tensor([s.sign for row in rows for s in row.scores])
    values = []
    for part in (1 + share, 1 - share):
        instead = part * contributions(edges.wiring, rows)
        cutting = Cutting(edges.wiring, edges.cut(keep), instead)
        with torch.no_grad(), listening(edges.wiring, cutting, len(rows)):
            values.append(float((log_probabilities(edges.model, rows) * signs).sum()))
    return (values[0] - values[1]) / 2


def test_the_line_is_walked_to_its_end():
    """Edges from the embedding to the one MLP that reads it add up along the line, as IG does."""
    model = small("gpt2")
    edges = Edges(model, replacement="other", other_prompt=OTHER)
    coarse, fine, finer = (
        edge_integrated_gradients(edges, BEHAVIORS[:1], steps=n).values for n in (1, 32, 64)
    )
    np.testing.assert_allclose(coarse, edge_attribution(edges, BEHAVIORS[:1]).values, atol=1e-5)
    assert np.abs(fine - finer).max() < np.abs(coarse - finer).max() / 4


def test_behaviors_do_not_depend_on_the_batch():
    edges = Edges(small("llama"), replacement="other", other_prompt=OTHER)
    both = edge_attribution(edges, BEHAVIORS).values
    alone = [edge_attribution(edges, [behavior]).values[0] for behavior in BEHAVIORS]
    np.testing.assert_allclose(both, alone, atol=1e-5)


def test_a_group_gets_the_sum_of_its_edges():
    edges = Edges(small("llama"), replacement="zero")
    names = [c.id for c in edges.causes[:3]]
    grouped = Edges(small("llama"), replacement="zero", groups={"few": names})
    single = edge_attribution(edges, BEHAVIORS).values[:, :3].sum(1)
    np.testing.assert_allclose(edge_attribution(grouped, BEHAVIORS).values[:, 0], single, atol=1e-6)


def test_positions_restrict_the_sum():
    model = small("llama")
    n = len(encode(model, BEHAVIORS[0]).prompt_ids)
    every = [
        edge_attribution(Edges(model, replacement="zero", positions=[p]), BEHAVIORS).values
        for p in range(n)
    ]
    at_all = Edges(model, replacement="zero", positions=range(n))
    np.testing.assert_allclose(sum(every), edge_attribution(at_all, BEHAVIORS).values, atol=1e-4)


def test_frozen_parameters_do_not_matter():
    model = Model(copy.deepcopy(small().module), small().tokenizer)
    model.module.requires_grad_(False)
    found, usual = (
        edge_attribution(Edges(m, replacement="zero"), BEHAVIORS).values for m in (model, small())
    )
    np.testing.assert_allclose(found, usual, atol=1e-6)


def test_no_steps_are_refused():
    with pytest.raises(MethodError, match="at least 1"):
        edge_integrated_gradients(Edges(small(), replacement="zero"), BEHAVIORS, steps=0)
