import json

import pytest

from tests.models.small import TEXTS, small
from whence.attribution import leave_one_out
from whence.core import Behavior
from whence.core.errors import InterventionError, MethodError, PlanError
from whence.corpus import BuildSettings, build_corpus
from whence.explain import (
    CircuitSettings,
    Plan,
    circuit_page,
    explain,
    find_circuit,
    find_routes,
    open_subject,
    routes_page,
)
from whence.explain.circuits import all_positions
from whence.explain.report.circuit import circuit_section, draw
from whence.interventions import Components
from whence.worlds import induction


@pytest.fixture(scope="module")
def written():
    return induction(4, noise=0.01)


@pytest.fixture(scope="module")
def record(written):
    subject = open_subject(written.model, None)
    settings = CircuitSettings(way="exact", draws=3)
    return find_circuit(subject, written.behaviors, others=written.others, settings=settings)


def test_the_planted_circuit_is_found(record, written):
    assert {edge["id"] for edge in record["members"]} == written.edges["other"]
    assert record["faithfulness"] == pytest.approx(1.0, abs=0.2)
    assert all(edge["measured_error"] is None for edge in record["members"])
    assert all(edge["measured"] == pytest.approx(edge["predicted"]) for edge in record["members"])
    assert all(record["curve"]["cpr"] > other["cpr"] for other in record["baselines"])


def test_the_record_is_json(record):
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_gradients_are_cut_one_by_one_all_the_same(written):
    subject = open_subject(written.model, None)
    settings = CircuitSettings(way="eap", draws=2, enough=0.5)
    found = find_circuit(subject, written.behaviors, others=written.others, settings=settings)
    assert found["method"] == "eap"
    assert all(edge["measured"] is not None for edge in found["members"])


def test_the_page_shows_every_edge(record):
    page = circuit_page(record)
    for edge in record["members"]:
        assert edge["id"].replace(">", "&gt;") in page
    assert "Which edges carry this?" in page
    assert "<script" not in page


@pytest.mark.parametrize(("nothing", "told"), [(0.0, True), (1.9, False), (6.5, False)])
def test_no_share_is_told_of_what_cutting_everything_does_not_take(record, nothing, told):
    values = {"everything": 2.0, "circuit": 1.5, "nothing": nothing}
    record = {**record, "values": values, "faithfulness": (1.5 - nothing) / (2.0 - nothing)}
    assert ("survives" in circuit_page(record)) is told
    assert ("No share" in str(circuit_section({"circuit": record}))) is not told


def test_every_end_of_an_edge_is_drawn():
    edges = [
        {"id": name, "predicted": weight, "measured": None}
        for name, weight in [
            ("embedding->L0.H1.Q", 1.0),
            ("embedding->L0.K1", 0.5),
            ("embedding->L0.V0", 0.25),
            ("L0.H1->L0.MLP", -0.5),
            ("L0.MLP->logits", 2.0),
        ]
    ]
    drawn = draw(edges)
    assert drawn.count("<path") == 5
    # embedding, head 1 (query and key), the values of group 0, the MLP, the logits
    assert drawn.count("<rect") == 5
    for said in ("embedding", ">0.H1<", ">0.KV0<", ">0.mlp<", "logits", ">q<", ">k<", ">v<"):
        assert said in drawn


def test_without_another_prompt_nothing_goes_along_a_cut_edge(written):
    subject = open_subject(written.model, None)
    found = find_circuit(subject, written.behaviors[:1], settings=CircuitSettings(draws=1))
    assert "zero" in found["intervention"]["removal"]


ASKED = Behavior("Ada Lovelace was born in", " London", " Paris")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Documents in the small models' own tokens."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in TEXTS[:6]))
    small().tokenizer.save_pretrained(folder / "tokenizer")
    settings = BuildSettings(tokenizer=str(folder / "tokenizer"))
    return build_corpus([folder / "texts.jsonl"], folder / "corpus", settings)


def test_activations_are_drawn_from_documents(corpus):
    subject = open_subject(small(), corpus)
    settings = CircuitSettings(
        parts=("head", "mlp"), draws=1, replacement="resample", resamples=3, seed=5
    )
    found = find_circuit(subject, [ASKED], settings=settings)
    assert "resample" in found["intervention"]["removal"]
    assert found["intervention"]["draws"] == found["settings"]["resamples"] == 3
    assert "costs 45 passes" in found["why"]
    texts = [corpus.text(i) for i in range(6)]
    parts = Components(small(), replacement="resample", reference=texts, draws=3, seed=5)
    exact = leave_one_out(parts, [ASKED])
    expected = {c.id: v for c, v in zip(exact.causes, exact.values[0], strict=True)}
    for member in found["members"]:
        assert member["measured"] == pytest.approx(expected[member["id"]], abs=1e-5)
        number = [cause.id for cause in exact.causes].index(member["id"])
        assert member["measured_error"] == pytest.approx(exact.errors[0, number], abs=1e-5)
    assert " ± " in circuit_page(found)


def test_what_stands_in_the_place_is_checked(written, corpus):
    subject = open_subject(written.model, None)
    asked = written.behaviors[:1]
    with pytest.raises(InterventionError, match="documents that activations are taken from"):
        find_circuit(subject, asked, settings=CircuitSettings(replacement="resample"))
    with pytest.raises(InterventionError, match="zero, mean, other, resample"):
        find_circuit(subject, asked, settings=CircuitSettings(replacement="noise"))
    with pytest.raises(InterventionError, match="other prompts alone"):
        settings = CircuitSettings(replacement="zero")
        find_circuit(subject, asked, others=written.others, settings=settings)
    plan = Plan(replacement="resample", draws=2)
    with pytest.raises(PlanError, match="a checkpoint alone"):
        explain(small(), ASKED, by=["component"], choices=plan)
    found = explain(small(), ASKED, by=["component"], corpus=corpus, choices=plan).record
    assert "each was taken away alone, in 30 passes" in found["notes"][0]
    assert all(row["error"] > 0 for row in found["rows"])


def test_wrong_settings(written):
    with pytest.raises(MethodError, match="auto, exact, eap, eap-ig, patching, prune"):
        CircuitSettings(steps=0)
    subject = open_subject(written.model, None)
    with pytest.raises(InterventionError, match="another prompt"):
        find_circuit(subject, [Behavior("a b c", " d")], others={"a b": "a c"})


def test_heads_that_do_something_are_found(written):
    subject = open_subject(written.model, None)
    settings = CircuitSettings(parts=("head", "mlp"), draws=2)
    found = find_circuit(subject, written.behaviors, others=written.others, settings=settings)
    assert {part["id"] for part in found["members"]} == written.heads
    assert "Which parts carry this?" in circuit_page(found)
    assert "2 of 10 parts" in circuit_page(found).replace("</dd><dt>", " ")


def test_parts_at_every_token(written):
    """The head that copies to the successor matters where the pair's second word stands."""
    behaviors = written.behaviors[:1]
    subject = open_subject(written.model, None)
    every = all_positions(written.model, behaviors)
    assert every == tuple(range(9))
    settings = CircuitSettings(parts=("head",), positions=every, apart=True, draws=1)
    found = find_circuit(subject, behaviors, others=written.others, settings=settings)
    (second,) = (
        i
        for i in written.tokens[behaviors[0].prompt]
        if i - 1 in written.tokens[behaviors[0].prompt]
    )
    assert {part["id"] for part in found["members"]} == {f"L0.H0@{second}", "L1.H0@8"}


def test_pruning_leaves_the_planted_circuit(written):
    subject = open_subject(written.model, None)
    settings = CircuitSettings(way="prune", threshold=0.05, draws=1)
    found = find_circuit(subject, written.behaviors[:2], others=written.others, settings=settings)
    assert {edge["id"] for edge in found["members"]} == written.edges["other"]
    assert found["method"] == "greedy-pruning"
    assert "moved when it was tried" in circuit_page(found)
    with pytest.raises(MethodError, match="tenth"):
        find_circuit(
            subject,
            written.behaviors[:1],
            others=written.others,
            settings=CircuitSettings(way="prune", threshold=1e6, parts=("head",), draws=1),
        )


def test_memory_sets_the_batch_and_little_else(written, record):
    subject = open_subject(written.model, None)
    settings = CircuitSettings(way="exact", draws=3, memory=2 * 2**20)
    found = find_circuit(subject, written.behaviors, others=written.others, settings=settings)
    assert found["intervention"]["batch_size"] < record["intervention"]["batch_size"]
    assert found["settings"]["memory_estimated"] <= 2 * 2**20
    for one, other in zip(found["members"], record["members"], strict=True):
        assert one["id"] == other["id"]
        assert one["measured"] == pytest.approx(other["measured"], abs=1e-5)


def test_routes_are_drawn_and_named_shares(written):
    found = find_routes(open_subject(written.model, None), written.behaviors[:2], 0.1)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert "not nats" in found["unit"]
    page = routes_page(found)
    drawn = sum(len(graph["edges"]) for graph in found["graphs"])
    assert page.count("<path") == drawn
    assert ">H0<" in page
    assert found["graphs"][0]["tokens"][0]["text"] == "<s>"
