import copy

import numpy as np
import pytest
import torch

from tests.models.small import ARCHITECTURES, TEXTS, small
from whence.core import Behavior
from whence.core.errors import InterventionError, ModelError
from whence.interventions import Components, Edges, keep_without
from whence.interventions.listeners import Noting, contributions
from whence.interventions.wiring import listening, wire
from whence.models import Model, encode, log_probabilities, rows_of, values

PROMPT, OTHER = "Ada Lovelace was born in", "Ada Lovelace was born is"
BEHAVIORS = [Behavior(PROMPT, " London", " Paris"), Behavior(PROMPT, " London too")]
SUMS = [name for name in ARCHITECTURES if name != "opt-norm-after"]


def rows(model, prompt=PROMPT):
    return rows_of(encode(model, Behavior(prompt, " London too")))


def edges(name, **settings):
    settings = {"replacement": "other", "other_prompt": OTHER} | settings
    return Edges(small(name), **settings)


def without(edges, *removals, behaviors=BEHAVIORS):
    return edges.measure(behaviors, keep_without(edges.causes, removals))


def all_ids(edges, *, sender="", receivers=("",)):
    return [
        c.id
        for c in edges.causes
        if c.id.startswith(sender) and c.id.partition("->")[2].startswith(tuple(receivers))
    ]


@pytest.mark.parametrize("name", SUMS)
def test_what_is_sent_adds_up_to_what_is_read(name):
    """At every receiver, by hooks of our own: the constants of output projections stay."""
    model = small(name)
    read = {}

    def note(key):
        def hook(_, args, kwargs):
            x = args[0] if args else kwargs["hidden_states"]
            read[key] = x.detach().reshape(1, -1, x.shape[-1])

        return hook

    handles = [model.sites.final_norm.register_forward_pre_hook(note("logits"), with_kwargs=True)]
    for i, streams in enumerate(model.streams):
        block = streams.sites.block
        handles.append(block.register_forward_pre_hook(note(f"L{i}"), with_kwargs=True))
        handles.append(streams.mlp_in.register_forward_pre_hook(note(f"M{i}"), with_kwargs=True))
    wiring = wire(model)
    sent = contributions(wiring, rows(model))
    for handle in handles:
        handle.remove()
    constant = torch.zeros(len(model.streams) + 1, sent.shape[-1])
    for i, streams in enumerate(model.streams):
        bias = getattr(streams.sites.attention_out, "bias", None)
        constant[i + 1] = constant[i] + (0 if bias is None else bias.detach())
    for receiver in wiring.graph.receivers:
        if receiver.role in ("query", "key", "value"):
            key, biases = f"L{receiver.layer}", receiver.layer
        elif receiver.role == "mlp":
            parallel = model.streams[receiver.layer].parallel
            key, biases = f"M{receiver.layer}", receiver.layer + (not parallel)
        else:
            key, biases = "logits", receiver.layer
        expected = read[key][0] - constant[biases]
        total = sent[0, : receiver.upstream].sum(0)
        torch.testing.assert_close(total, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SUMS)
def test_all_edges_from_another_prompt_are_the_other_prompt(name):
    model = small(name)
    found = without(edges(name), all_ids(edges(name)))[:, 0]
    expected = values(model, [Behavior(OTHER, b.target, b.foil) for b in BEHAVIORS])
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert (np.abs(expected - values(model, BEHAVIORS)) > 1e-3).all()


@pytest.mark.parametrize("name", SUMS)
def test_all_edges_out_of_a_part_are_the_part(name):
    """Replacing a part everywhere it is read is replacing the part, as `Components` does."""
    parts = Components(small(name), replacement="other", other_prompt=OTHER)
    cut = edges(name)
    removals = [["L1.MLP"]]
    if small(name).streams[0].attention_after is None:
        # A norm behind the attention sees that a head was replaced; an edge of a head does not.
        removals += [["L0.H1"], ["L2.H3"], ["L0.H0", "L1.H2", "L2.MLP"]]
    for ids in removals:
        outgoing = [edge for part in ids for edge in all_ids(cut, sender=f"{part}->")]
        np.testing.assert_allclose(
            without(cut, outgoing), without(parts, ids), atol=2e-5, err_msg=str(ids)
        )


@pytest.mark.parametrize("name", SUMS)
def test_all_edges_into_an_mlp_are_the_mlp(name):
    parts = Components(small(name), replacement="other", other_prompt=OTHER)
    cut = edges(name)
    for layer in (0, 2):
        found = without(cut, all_ids(cut, receivers=[f"L{layer}.MLP"]))
        np.testing.assert_allclose(found, without(parts, [f"L{layer}.MLP"]), atol=2e-5)


@pytest.mark.parametrize("name", ["gpt2", "gpt_neox", "llama", "qwen3", "mixtral", "opt"])
def test_all_edges_into_a_head_are_the_head(name):
    """Its query, and key and value of its group: with grouped queries its sisters move too."""
    model = small(name)
    group = model.streams[1].sites.n_heads // model.streams[1].n_keys
    head = 2
    key = head // group
    sisters = [f"L1.H{h}" for h in range(key * group, (key + 1) * group)]
    parts = Components(model, replacement="other", other_prompt=OTHER)
    cut = edges(name)
    into = [f"{sister}.Q" for sister in sisters] + [f"L1.K{key}", f"L1.V{key}"]
    found = without(cut, all_ids(cut, receivers=into))
    np.testing.assert_allclose(found, without(parts, sisters), atol=2e-5)


def by_hand(model, edge, other):
    """One edge into a query or MLP, with two plain hooks and a second copy of the module."""
    sender, receiver = edge.split("->")
    own, instead = (contributions(wire(model), rows(model, prompt)) for prompt in (PROMPT, other))
    number = [s.id for s in wire(model).graph.senders].index(sender)
    change = (instead - own)[0, number]
    layer = int(receiver[1])
    module = copy.deepcopy(model.module)
    copied = Model(module, model.tokenizer)
    streams = copied.streams[layer]
    if receiver.endswith("MLP"):
        handle = streams.mlp_in.register_forward_pre_hook(lambda _, args: (args[0] + change,))
        return value(copied, handle)
    size = streams.sites.head_size
    head = int(receiver.split(".")[1][1:])
    columns = slice(head * size, (head + 1) * size)
    stream = []
    streams.sites.block.register_forward_pre_hook(
        lambda _, args, kwargs: stream.append((args or [kwargs["hidden_states"]])[0]),
        with_kwargs=True,
    )
    norm = copy.deepcopy(streams.norm)
    projection = next(p.module for p in streams.projections if "query" in p.parts)
    plain = copy.deepcopy(projection)

    def patched(_, __, output):
        output = output.clone()
        output[..., columns] = plain(norm(stream[-1] + change))[..., columns]
        return output

    return value(copied, projection.register_forward_hook(patched))


def value(model, handle):
    with torch.no_grad():
        found = float(log_probabilities(model, rows(model)).sum())
    handle.remove()
    return found


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "qwen2", "mixtral"])
def test_single_edges_by_hand(name):
    """Where nothing before the edge changes, what is sent is known from the plain passes."""
    model, cut = small(name), edges(name)
    for edge in ("embedding->L1.H2.Q", "L0.H3->L2.H0.Q", "L0.MLP->L2.MLP", "L1.H1->L1.MLP"):
        found = without(cut, [edge], behaviors=BEHAVIORS[1:])[0, 0]
        assert found == pytest.approx(by_hand(model, edge, OTHER), abs=1e-5), edge


def test_edges_of_gpt2_small_are_as_many_as_the_field_counts():
    from transformers import AutoModelForCausalLM, GPT2Config

    sizes = {"n_embd": 24, "n_layer": 12, "n_head": 12, "vocab_size": 352, "n_positions": 8}
    module = AutoModelForCausalLM.from_config(GPT2Config(**sizes))
    model = Model(module.eval(), small().tokenizer)
    assert len(wire(model).graph.edges()) == 32_491


def test_grouped_queries_have_fewer_keys():
    graph = edges("llama").graph
    names = [receiver.id for receiver in graph.receivers]
    assert len(names) == 3 * (4 + 2 + 2 + 1) + 1
    assert "L1.H3.Q" in names
    assert "L1.K1" in names
    assert "L1.K2" not in names


def test_an_mlp_beside_the_attention_does_not_see_it():
    graph = edges("gpt_neox").graph
    ids = {c.id for c in edges("gpt_neox").causes}
    assert "L1.H0->L1.MLP" not in ids
    assert "L1.H0->L1.MLP" in {c.id for c in edges("gpt_neox-sequential").causes}
    assert "L1.H0->L2.MLP" in ids
    assert graph.receivers[-1].upstream == len(graph.senders)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_zero_is_what_is_sent_taken_out(name):
    model = small(name)
    cut = edges(name, replacement="zero", other_prompt=None)
    sent = contributions(wire(model), rows(model))
    number = [s.id for s in cut.graph.senders].index("L0.MLP")
    streams = model.streams[2]
    handle = streams.mlp_in.register_forward_pre_hook(lambda _, a: (a[0] - sent[:, number],))
    expected = value(model, handle)
    found = without(cut, ["L0.MLP->L2.MLP"], behaviors=BEHAVIORS[1:])[0, 0]
    assert found == pytest.approx(expected, abs=1e-5)


def test_mean_is_over_the_tokens_of_the_texts():
    model = small("llama")
    cut = edges("llama", replacement="mean", other_prompt=None, reference=TEXTS[:3], batch_size=2)
    texts = []
    for text in TEXTS[:3]:
        ids = model.tokenizer(text)["input_ids"]
        noting = Noting(wire(model))
        with torch.no_grad(), listening(wire(model), noting, 1):
            model.module(torch.tensor([ids]))
        texts.append(noting.contributions[0, :, 1:])
    mean = torch.cat(texts, dim=1).mean(1)
    sent = contributions(wire(model), rows(model))
    number = [s.id for s in cut.graph.senders].index("L1.H2")
    change = mean[number] - sent[0, number]
    handle = model.streams[2].mlp_in.register_forward_pre_hook(lambda _, a: (a[0] + change,))
    expected = value(model, handle)
    found = without(cut, ["L1.H2->L2.MLP"], behaviors=BEHAVIORS[1:])[0, 0]
    assert found == pytest.approx(expected, abs=2e-5)


def test_positions_restrict_a_cut():
    """All edges into the vocabulary at the last position alone are all that it reads there."""
    model = small("llama")
    single = [Behavior(PROMPT, " London")]
    assert len(encode(model, single[0]).target_ids) == 1
    n = len(encode(model, single[0]).prompt_ids)
    ids = all_ids(edges("llama"), receivers=["logits"])
    expected = values(model, [Behavior(OTHER, " London")])
    found = without(edges("llama", positions=[-1]), ids, behaviors=single)
    np.testing.assert_allclose(found[:, 0], expected, atol=2e-5)
    own = values(model, single)
    nowhere = without(edges("llama", positions=[0]), ids, behaviors=single)
    np.testing.assert_allclose(nowhere[:, 0], own, atol=1e-5)
    with pytest.raises(InterventionError, match=f"tokens of a prompt of {n}"):
        without(edges("llama", positions=[n]), ids, behaviors=single)


def test_chosen_senders_and_receivers():
    cut = edges("llama", senders=["L0.H1", "L1.MLP"], receivers=["L1.MLP", "logits"])
    found = [c.id for c in cut.causes]
    assert found == ["L0.H1->L1.MLP", "L0.H1->logits", "L1.MLP->logits"]
    assert cut.causes[0].text == "from head 1 of layer 0 to the MLP of layer 1"
    assert cut.causes[0].stratum == "head to mlp"
    grouped = edges("llama", groups={"way": ["L0.H1->L1.MLP", "L1.MLP->logits"]})
    np.testing.assert_allclose(
        without(grouped, ["way"]), without(cut, ["L0.H1->L1.MLP", "L1.MLP->logits"]), atol=1e-5
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"senders": ["L9.H0"]}, r"embedding, L0\.H0.*L9\.H0"),
        ({"receivers": ["L0.H1"]}, r"L0\.H0\.Q.*L0\.H1"),
        ({"senders": ["L2.MLP"], "receivers": ["L0.MLP"]}, "see one of the senders"),
        ({"replacement": "noise"}, "zero, mean, other"),
        ({"other_prompt": None}, "the prompt that activations are taken from"),
        ({"other_prompt": "Dogs"}, "as many as"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(InterventionError, match=message):
        edges("llama", **settings).measure(BEHAVIORS, np.zeros((1, 190), dtype=bool))


def test_a_stream_that_is_no_sum_has_no_edges():
    with pytest.raises(ModelError, match="every layer only adds"):
        edges("opt-norm-after")


@pytest.mark.parametrize("replacement", ["other", "mean"])
@pytest.mark.parametrize("name", SUMS)
def test_passes_that_begin_at_the_first_change_match_whole_ones(name, replacement):
    """Into one receiver of every layer and the vocabulary, and two of different layers."""
    found = []
    for reuse in (True, False):
        cut = edges(name, replacement=replacement, reference=TEXTS[:2], reuse=reuse, batch_size=5)
        into = [r.id for r in cut.graph.receivers if r.role in ("value", "mlp", "logits")]
        ids = [next(c.id for c in cut.causes if c.id.endswith(f"->{r}")) for r in into]
        found.append(without(cut, *[[i] for i in ids], [ids[1], ids[-1]], [ids[-1], ids[-2]]))
    np.testing.assert_allclose(*found, atol=5e-6)
    own = values(small(name), BEHAVIORS)
    assert (np.abs(found[0] - own[:, None]) > 1e-5).any(axis=0).mean() > 0.8


def test_skipped_layers_are_not_run():
    cut, counted = edges("llama"), [0, 0, 0]
    handles = []
    for number, layer in enumerate(cut.model.sites.layers):

        def count(*_, number=number):
            counted[number] += 1

        handles.append(layer.mlp.register_forward_hook(count))
    ids = [c.id for c in cut.causes if c.id.endswith("->logits")]
    without(cut, *[[i] for i in ids])
    for handle in handles:
        handle.remove()
    # Once to keep what rows leave behind, whatever number of edges into the vocabulary is cut.
    assert counted == [1, 1, 1]
