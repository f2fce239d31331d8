import copy

import numpy as np
import pytest
import torch

from tests.models.small import ARCHITECTURES, TEXTS, small
from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.interventions import Components, by_layer, keep_without
from whence.interventions.hooks import attached
from whence.models import (
    Model,
    encode,
    encode_prompt,
    log_probabilities,
    open_model,
    rows_of,
    values,
)

PROMPT = "Ada Lovelace was born in"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior("Dogs", " don't fly", " do")]


def copied(model):
    return Model(copy.deepcopy(model.module), model.tokenizer)


def without(components, *removals, behaviors=BEHAVIORS):
    return components.measure(behaviors, keep_without(components.causes, removals))


def silence_head(model, layer, head):
    """Zero the head's part of the output projection."""
    site = model.sites.layers[layer]
    columns = slice(head * site.head_size, (head + 1) * site.head_size)
    weight = site.attention_out.weight.data
    if model.architecture == "gpt2":  # Conv1D keeps [input, output]
        weight[columns] = 0
    else:
        weight[:, columns] = 0


def silence_mlp(model, layer):
    block = model.sites.layers[layer].block
    mlp = getattr(block, "mlp", block)
    if hasattr(mlp, "experts"):
        mlp.experts.down_proj.data.zero_()
        if hasattr(mlp, "shared_expert"):
            mlp.shared_expert.down_proj.weight.data.zero_()
        return
    names = ("c_proj", "dense_4h_to_h", "down_proj", "fc2")
    last = next(getattr(mlp, name) for name in names if hasattr(mlp, name))
    for parameter in last.parameters():
        parameter.data.zero_()


def cut_layer(model, layer):
    """Take the block out of its list."""
    module = model.module
    blocks = next(m for m in module.modules() if isinstance(m, torch.nn.ModuleList))
    del blocks[layer]
    module.config.num_hidden_layers -= 1
    kinds = getattr(module.config, "layer_types", None)
    if kinds is not None:
        module.config.layer_types = [*kinds[:layer], *kinds[layer + 1 :]]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_zero_is_what_zero_weights_give(name):
    model = small(name)
    components = Components(model, units=("head", "mlp", "layer"), replacement="zero")
    changes = [
        (("L0.H1",), lambda m: silence_head(m, 0, 1)),
        (("L2.H3",), lambda m: silence_head(m, 2, 3)),
        (("L1.MLP",), lambda m: silence_mlp(m, 1)),
        (("L1",), lambda m: cut_layer(m, 1)),
        (("L2",), lambda m: cut_layer(m, 2)),
        (("L0.H1", "L0.H2", "L2.MLP"), None),
    ]
    found = without(components, *(ids for ids, _ in changes))
    for column, (ids, change) in enumerate(changes):
        other = copied(model)
        if change is not None:
            change(other)
        else:
            silence_head(other, 0, 1)
            silence_head(other, 0, 2)
            silence_mlp(other, 2)
        expected = values(other, BEHAVIORS)
        assert (np.abs(expected - values(model, BEHAVIORS)) > 1e-4).all(), ids
        np.testing.assert_allclose(found[:, column], expected, atol=2e-5, err_msg=str(ids))


@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "opt-norm-after"])
def test_patching_every_layer_gives_the_other_prompts_value(name):
    """Equal last tokens and all that layers add: the residual stream is the other prompt's.

    (Not where a layer ends in a norm: its stream is no sum.)
    """
    model = small(name)
    prompt = "Ada was born in"
    n = len(encode_prompt(model, prompt).ids)
    other = next(
        text
        for text in (f"{start} in" for start in ("Dogs is", "birds was", "Alan is", "12", "= ="))
        if len(encode_prompt(model, text).ids) == n
    )
    behaviors = [Behavior(prompt, " London", " Paris"), Behavior(prompt, " London too")]
    components = Components(model, units=("layer",), replacement="other", other_prompt=other)
    found = without(components, ["L0", "L1", "L2"], behaviors=behaviors)[:, 0]
    expected = values(model, [Behavior(other, b.target, b.foil) for b in behaviors])
    np.testing.assert_allclose(found, expected, atol=5e-5)
    assert (np.abs(expected - values(model, behaviors)) > 1e-3).all()


def test_the_own_prompt_as_the_other_changes_nothing():
    components = Components(small(), replacement="other", other_prompt=PROMPT)
    found = components.measure(BEHAVIORS[:1], ~np.eye(len(components.causes), dtype=bool))
    np.testing.assert_allclose(found[0], values(small(), BEHAVIORS[:1])[0], atol=1e-5)


def mean_by_hand(model, read):
    """The mean over all tokens of the texts, text by text, without the start token."""
    found = []
    with torch.no_grad():
        for text in TEXTS[:3]:
            ids = model.tokenizer(text)["input_ids"][: model.context]
            found.append(read(torch.tensor([ids]))[0, 1:])
    return torch.cat(found).mean(dim=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_mean_is_the_mean_over_the_tokens_of_the_texts(name):
    """Layer 0 with its contribution fixed to the mean, and a head likewise, by other hooks."""
    model = small(name)
    layer = model.sites.layers[0]

    def contribution(ids):
        hidden = model.module(ids, output_hidden_states=True).hidden_states
        return hidden[1] - hidden[0]

    def heads(ids):
        seen = []
        hook = layer.attention_out.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        model.module(ids)
        hook.remove()
        return seen[0]

    of_layer, of_heads = mean_by_hand(model, contribution), mean_by_hand(model, heads)
    columns = slice(2 * layer.head_size, 3 * layer.head_size)
    components = Components(
        model, units=("head", "layer"), replacement="mean", reference=TEXTS[:3], batch_size=2
    )
    found = without(components, ["L0"], ["L0.H2"])

    hook = layer.block.register_forward_hook(
        lambda _, args, kwargs, out: (args or [kwargs["hidden_states"]])[0] + of_layer,
        with_kwargs=True,
    )
    expected = values(model, BEHAVIORS)
    hook.remove()
    np.testing.assert_allclose(found[:, 0], expected, atol=2e-5)

    def fix_head(_, args):
        x = args[0].clone()
        x[..., columns] = of_heads[columns]
        return (x,)

    hook = layer.attention_out.register_forward_pre_hook(fix_head)
    expected = values(model, BEHAVIORS)
    hook.remove()
    np.testing.assert_allclose(found[:, 1], expected, atol=2e-5)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "opt"])
@pytest.mark.parametrize("replacement", ["zero", "mean", "other"])
def test_watched_gradients_are_the_slope_of_a_partial_removal(name, replacement):
    """By finite differences: move each activation a little towards its replacement."""
    model = small(name)
    components = Components(
        model,
        units=("head", "mlp", "layer"),
        replacement=replacement,
        reference=TEXTS[:3],
        other_prompt="Ada Lovelace was born is",
    )
    behavior = BEHAVIORS[0]
    watched = components.watch(behavior)
    assert watched.value.item() == pytest.approx(values(model, [behavior])[0], abs=1e-5)
    (falls,) = watched.falls()
    assert falls.shape == (len(components.causes),)
    for cause in ("L0.H1", "L1.MLP", "L2.H0", "L1"):
        number = [c.id for c in components.causes].index(cause)
        slope = _slope(model, components, behavior, cause)
        assert falls[number] == pytest.approx(-slope, rel=0.03, abs=3e-3), cause


def _slope(model, components, behavior, cause, step=0.01):
    """Numerical derivative of the value by the share of the activation that is replaced."""
    rows = list(rows_of(encode(model, behavior)))
    place = next(i for i, p in enumerate(components.places) if cause in p.ids)
    part = components.places[place].ids.index(cause)
    fixed = components.watch(behavior).drawn[0][place].detach()

    def value(share):
        def edit(i, x, base):
            if i != place:
                return x
            size = x.shape[-1] // len(components.places[i].ids)
            y = x.clone()
            columns = slice(part * size, (part + 1) * size)
            y[..., columns] += share * (fixed - x)[..., columns]
            return y

        with torch.no_grad(), attached(components.places, len(rows), edit):
            found = log_probabilities(model, rows)
        signs = [s.sign for row in rows for s in row.scores]
        return sum(x * s for x, s in zip(found.double().tolist(), signs, strict=True))

    return (value(step) - value(-step)) / (2 * step)


def test_frozen_parameters_can_be_watched():
    model = copied(small())
    model.module.requires_grad_(False)
    watched = Components(model, replacement="zero").watch(BEHAVIORS[0])
    usual = Components(small(), replacement="zero").watch(BEHAVIORS[0])
    for a, b in zip(
        torch.autograd.grad(watched.value, watched.activations),
        torch.autograd.grad(usual.value, usual.activations),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_causes_name_what_they_are():
    components = Components(small(), units=("layer", "head", "mlp"), replacement="zero")
    assert len(components.causes) == 3 * (4 + 1 + 1)
    found = {c.id: (c.text, c.stratum, c.size) for c in components.causes}
    assert found["L2.H3"] == ("head 3 of layer 2", "head", 2.0)
    assert found["L0.MLP"] == ("MLP of layer 0", "mlp", 0.0)
    assert found["L1"] == ("layer 1", "layer", 1.0)


def test_a_group_is_its_members_together():
    singles = Components(small(), replacement="zero")
    groups = by_layer(singles.singles)
    assert list(groups) == ["layer 0", "layer 1", "layer 2"]
    grouped = Components(small(), replacement="zero", groups=groups)
    assert grouped.causes[1].members == ("L1.H0", "L1.H1", "L1.H2", "L1.H3", "L1.MLP")
    np.testing.assert_allclose(
        without(grouped, ["layer 1"]), without(singles, grouped.causes[1].members), atol=1e-5
    )


def test_hooks_are_gone_whatever_happens():
    model = copied(small())
    components = Components(model, units=("head", "mlp", "layer"), replacement="zero")

    def hooks():
        modules = list(model.module.modules())
        return [(*m._forward_hooks, *m._forward_pre_hooks) for m in modules]

    before = hooks()

    def break_it(*_):
        raise RuntimeError("in the middle")

    handle = model.sites.layers[2].mlp.register_forward_hook(break_it)
    with pytest.raises(RuntimeError, match="in the middle"):
        without(components, ["L0.H0"])
    handle.remove()
    assert hooks() == before
    without(components, ["L0.H0"])
    assert hooks() == before
    assert (values(model, BEHAVIORS) == values(small(), BEHAVIORS)).all()
    assert all(p.requires_grad for p in model.module.parameters())


def test_a_part_that_the_forward_pass_does_not_use_is_an_error():
    model = copied(small())
    components = Components(model, replacement="zero")
    unused = copy.deepcopy(model.sites.layers[1])
    object.__setattr__(components.places[2], "layer", unused)
    without(components, ["L0.H0"])
    with pytest.raises(InterventionError, match=r"L1\.H0.*never ran"):
        without(components, ["L0.H0", "L1.H2"])


def test_a_plain_module_gives_the_same(tmp_path):
    """Nothing is re-implemented: the same numbers after saving and loading."""
    model = small("llama")
    model.module.save_pretrained(tmp_path)
    again = open_model(tmp_path, tokenizer=model.tokenizer)
    a, b = (
        Components(m, replacement="mean", reference=TEXTS[:2]).measure(
            BEHAVIORS, np.ones((1, 15), dtype=bool)
        )
        for m in (model, again)
    )
    assert (a == b).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": ("expert",)}, "head, mlp, layer"),
        ({"units": ()}, "head, mlp, layer"),
        ({"units": "head"}, "head, mlp, layer"),
        ({"replacement": "noise"}, "zero, mean, other, resample"),
        ({"replacement": "mean"}, "texts to take the mean"),
        ({"replacement": "other"}, "the prompt that activations are taken from"),
        ({"replacement": "zero", "groups": {"x": ["L9.H0"]}}, r"group 'x'.*L9\.H0"),
        ({"replacement": "zero", "groups": {"x": []}}, "at least one member"),
        ({"replacement": "zero", "groups": {}}, "at least one group"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InterventionError, match=message):
        Components(small(), **settings)


def test_another_prompt_must_have_as_many_tokens():
    components = Components(small(), replacement="other", other_prompt="Alan")
    with pytest.raises(InterventionError, match=r"\d+ tokens, as many as"):
        components.measure(BEHAVIORS[:1], np.zeros((1, 15), dtype=bool))
    components = Components(small(), replacement="other", other_prompt={"Dogs": "Alan"})
    with pytest.raises(InterventionError, match="another prompt for 'Ada"):
        components.measure(BEHAVIORS[:1], np.zeros((1, 15), dtype=bool))


def test_reference_texts_need_a_token():
    components = Components(small(), replacement="mean", reference=["", " "])
    with pytest.raises(InterventionError, match="at least one token"):
        components.measure(BEHAVIORS, np.zeros((1, 15), dtype=bool))
