"""The main job on a small recorded run, from question to record."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.corpus.brute import Brute
from whence.core import Behavior
from whence.core.errors import BehaviorError, PlanError, RunError
from whence.core.records import canonical
from whence.explain import Plan, explain, explain_many
from whence.models import values
from whence.training import train

PLAN = Plan(
    tested=("tracin",),
    top_documents=5,
    controls=8,
    references=8,
    integrated_steps=8,
    circuit=False,
)
ROW = {"kind", "cause", "method", "predicted", "measured", "control", "interval", "verdict"}


@pytest.fixture(scope="module")
def plan(demo_run):
    from dataclasses import replace

    steps = tuple(c.step for c in demo_run.checkpoints if c.step in (16, 32))
    return replace(PLAN, checkpoints=steps)


@pytest.fixture(scope="module")
def explained(demo_run, demo_world, plan):
    return explain_many(demo_run, demo_world.questions(), plan=plan, workers=2)


def without_timings(explanation):
    return canonical({k: v for k, v in explanation.record.items() if k != "timings"})


def test_the_record_holds_every_kind_with_the_promised_fields(explained):
    for explanation in explained:
        assert {row["kind"] for row in explanation.rows} == {"document", "component", "token"}
        assert all(set(row) >= ROW for row in explanation.rows)
        assert all({"id", "text"} <= set(row["cause"]) for row in explanation.rows)
        canonical(explanation.record)  # plain, finite data


def test_the_value_is_the_model_s_own(explained, demo_run, demo_world):
    for explanation, question in zip(explained, demo_world.questions(), strict=True):
        (own,) = values(demo_run.model(), [question])
        assert explanation.record["behavior"]["value"] == own


def test_every_component_and_token_was_removed_for_real(explained):
    for row in explained[0].rows:
        if row["kind"] != "document":
            assert row["measured"] is not None
            assert row["control"]["n"] >= 0
            assert row["verdict"] in {"confirmed", "refuted", "not verified"}
        if row["method"] == "leave-one-out":
            assert row["predicted"] == pytest.approx(row["measured"], abs=1e-4)


def test_documents_are_decided_as_sets_with_controls_from_the_other_behaviors(explained):
    for explanation in explained:
        (found,) = [s for s in explanation.record["sets"] if s["kind"] == "document"]
        assert found["method"] == "tracin"
        assert found["control"]["n"] >= 8
        assert found["scope"] == "this run"
    named = [
        set(s["causes"]) for e in explained for s in e.record["sets"] if s["kind"] == "document"
    ]
    assert len(named) == 4


def test_two_equal_plans_give_equal_records(explained, demo_run, demo_world, plan):
    again = explain_many(demo_run, demo_world.questions(), plan=plan, workers=1)
    for first, second in zip(explained, again, strict=True):
        assert without_timings(first) == without_timings(second)


def test_a_record_s_plan_can_be_carried_out_again(explained, plan):
    told = Plan.from_json(json.loads(json.dumps(explained[0].record)))
    assert told == replace(plan, components=("head", "mlp"))  # the usual ones, by name


def test_what_the_corpus_says_agrees_with_counting(explained, demo_run):
    record = explained[0].record
    said, corpus = record["corpus_says"], demo_run.corpus()
    texts = [corpus.text(i) for i in range(corpus.n_documents)]
    match = said["match"]["text"].strip()
    assert sum(t.count(match) for t in texts) >= said["match"]["count"] > 0
    assert 0 <= said["next"]["corpus_probability"] <= 1
    target = np.exp(record["behavior"]["target_log_probability"])
    assert said["next"]["model_probability"] >= target - 1e-6


def test_every_token_has_the_corpus_s_probability_beside_the_model_s(explained, demo_run):
    from whence.models import target_log_probabilities

    corpus, record = demo_run.corpus(), explained[0].record
    tokens = record["corpus_says"]["tokens"]
    behavior = record["behavior"]
    assert "".join(t["text"] for t in tokens) == behavior["prompt"] + behavior["target"]
    brute = Brute([corpus.document(i).tokens.tolist() for i in range(corpus.n_documents)])
    ids = [t["id"] for t in tokens]
    for i, token in enumerate(tokens):
        found = (token["corpus"], token["context_tokens"], token["context_count"], token["count"])
        assert found == brute.infinity(ids, i)
    # All that comes before the target is a continuation of the first token, too.
    split = len(tokens[0]["text"])
    text = behavior["prompt"] + behavior["target"]
    rest = Behavior(text[:split], text[split:])
    own = np.exp(target_log_probabilities(demo_run.model(), rest))
    np.testing.assert_allclose([t["model"] for t in tokens[1:]], own, rtol=1e-4)
    target = [t["model"] for t in tokens if t["part"] == "target"]
    assert np.log(target).sum() == pytest.approx(behavior["target_log_probability"], abs=1e-4)


def test_what_was_asked_is_counted_and_its_words_are_found(explained, demo_run):
    corpus = demo_run.corpus()
    texts = [corpus.text(i) for i in range(corpus.n_documents)]
    said = explained[0].record["corpus_says"]
    asked = {row["what"]: row for row in said["asked"]}
    assert set(asked) >= {"prompt", "target", "prompt and target"}
    for row in asked.values():
        # Whole tokens after a blank: at most as often as the letters stand there.
        assert row["count"] <= sum(text.count(row["text"]) for text in texts)
    assert asked["prompt and target"]["count"] > 0
    for span in said["spans"]:
        for document in span["documents"]:
            assert document["match"] == span["text"]
            shown = document["before"].removeprefix("… ") + document["match"]
            assert shown in corpus.text(document["id"])


def test_another_tokenizer_leaves_the_model_s_column_empty(demo_run, demo_world, tmp_path):
    from whence.corpus import BuildSettings, build_from_documents

    other = build_from_documents(
        demo_world.documents, tmp_path / "c", BuildSettings(tokenizer="bytes")
    )
    question = demo_world.questions()[0]
    found = explain(demo_run.checkpoints[-1].path, question, by=["document"], corpus=other).record[
        "corpus_says"
    ]
    assert {t["model"] for t in found["tokens"]} == {None}
    assert "".join(t["text"] for t in found["tokens"]) == question.prompt + question.target
    assert found["match"]["tokens"] > 10


def test_embeddings_are_ranked_where_asked(demo_run, demo_world):
    explanation = explain(
        demo_run.checkpoints[-1].path,
        demo_world.questions()[0],
        by=["document"],
        corpus=demo_run.corpus(),
        choices=Plan(embedding=True),
    )
    rows = [row for row in explanation.rows if row["method"] == "embedding"]
    assert len(rows) == 10
    assert {row["unit"] for row in rows} == {"rank"}
    json.dumps(explanation.record)


def test_a_checkpoint_alone_is_explained_by_components_and_tokens(demo_run, demo_world):
    (explanation,) = explain_many(demo_run.checkpoints[-1].path, demo_world.questions()[:1])
    assert {row["kind"] for row in explanation.rows} == {"component", "token"}
    assert explanation.record["run"] is None
    assert explanation.record["plan"]["replacement"] == "zero"


def test_documents_of_a_checkpoint_are_looked_up_and_marked_as_not_verified(demo_run, demo_world):
    explanation = explain(
        demo_run.checkpoints[-1].path,
        demo_world.questions()[0],
        by=["document"],
        corpus=demo_run.corpus(),
    )
    assert {row["verdict"] for row in explanation.rows} == {None}
    assert "only looked up" in explanation.record["notes"][0]


def test_a_budget_too_small_for_replays_says_so(demo_run, demo_world):
    explanation = explain(demo_run, demo_world.questions()[0], by=["document"], budget=1e-3)
    assert "budget" in explanation.record["notes"][0]
    assert not [s for s in explanation.record["sets"] if s["kind"] == "document"]


def test_without_a_target_the_model_s_own_answer_is_explained(demo_run, demo_world):
    prompt = demo_world.facts[0].prompt
    explanation = explain(demo_run, Behavior(prompt), by=["token"])
    behavior = explanation.record["behavior"]
    assert behavior["target"].strip()
    assert behavior["answer"].strip().startswith(behavior["target"].strip()[:3])


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"by": ["document"]}, PlanError, "--corpus"),
        ({"budget": -1.0}, PlanError, "--budget"),
    ],
)
def test_what_cannot_be_done_is_said(options, error, match, demo_run, demo_world):
    source = demo_run if "budget" in options else demo_run.checkpoints[-1].path
    with pytest.raises(error, match=match):
        explain(source, demo_world.questions()[0], **options)


def test_a_prompt_beyond_the_context_is_said(demo_run):
    with pytest.raises(BehaviorError, match="context"):
        explain(demo_run, Behavior("word " * 500, " x"), by=["token"])


def test_another_corpus_than_the_run_s_is_refused(demo_run, demo_world, tmp_path):
    from whence.corpus import BuildSettings, RawDocument, build_from_documents

    other = build_from_documents(
        [RawDocument("a", "something else", {})], tmp_path / "c", BuildSettings(tokenizer="bytes")
    )
    with pytest.raises(RunError, match="another one"):
        explain(demo_run, demo_world.questions()[0], corpus=other)


def test_reports_and_records_are_saved_by_their_ending(explained, tmp_path):
    explained[0].save(tmp_path / "r.json")
    explained[0].save(tmp_path / "r.html")
    assert json.loads((tmp_path / "r.json").read_text())["whence"] == "explanation"
    assert (tmp_path / "r.html").read_text().lstrip().lower().startswith("<!doctype html>")
    with pytest.raises(PlanError, match="html or"):
        explained[0].save(tmp_path / "r.txt")


def test_documents_can_be_explained_in_groups(demo_run, demo_world):
    from dataclasses import replace

    question = demo_world.questions()[0]
    by_source = replace(PLAN, by=("document",), tested=(), groups="field:source")
    found = {r["cause"]["id"] for r in explain(demo_run, question, plan=by_source).rows}
    sources = set(demo_run.corpus().metadata.column("source").to_pylist())
    assert found == sources
    with pytest.raises(PlanError, match="near-duplicates or field:NAME"):
        replace(PLAN, groups="everything")


def test_replaced_by_those_on_the_same_prompt_components_change_nothing(demo_run, demo_world):
    from dataclasses import replace

    question = demo_world.questions()[0]
    same = replace(
        PLAN,
        by=("component",),
        components=("layer",),
        replacement="other",
        other_prompt=question.prompt,
    )
    rows = explain(demo_run, question, plan=same).rows
    assert {row["cause"]["id"] for row in rows} == {"L0", "L1"}
    assert [row["measured"] for row in rows] == pytest.approx([0.0] * len(rows), abs=1e-5)
    with pytest.raises(PlanError, match="--other-prompt"):
        replace(same, other_prompt=None)


def test_near_copies_are_one_cause(tmp_path):
    from whence.corpus import BuildSettings, RawDocument, build_from_documents
    from whence.explain.findings import document_groups

    text = "the quick brown fox jumps over the lazy dog near the river bank today"
    corpus = build_from_documents(
        [RawDocument(i, t, {}) for i, t in (("a", text), ("b", "something else"), ("c", text))],
        tmp_path / "c",
        BuildSettings(tokenizer="bytes"),
    )
    groups = document_groups(corpus, Plan(groups="near-duplicates"))
    assert list(groups.values()) == [["a", "c"], ["b"]]


def test_a_recording_without_documents_is_explained_by_components_and_tokens(
    demo_run, demo_world, tmp_path
):
    from whence.training import record

    model = demo_run.model()
    names, words = ["a"], model.tokenizer
    with record(tmp_path / "run", model.module, documents=names, tokenizer=words) as recorder:
        recorder.step([0], loss=1.0, learning_rate=1e-3)
    explanation = explain(tmp_path / "run", demo_world.questions()[0])
    assert {row["kind"] for row in explanation.rows} == {"component", "token"}


def test_a_run_of_unknown_speed_gives_no_plan_from_a_budget(demo_run, demo_world, tmp_path):
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(demo_run.path, copy, ignore=shutil.ignore_patterns("replays"))
    (copy / "timings.jsonl").write_text("")
    with pytest.raises(PlanError, match="timings"):
        explain(copy, demo_world.questions()[0], by=["document"], budget=10.0)


def test_the_derivative_through_the_run_is_put_to_the_test(demo_run, demo_world, tmp_path):
    short = train(demo_run.corpus(), tmp_path / "run", replace(demo_run.recipe, epochs=5.0))
    plan = Plan(by=("document",), through_run=True, tested=("through-run",), top_documents=3)
    found = explain(short, demo_world.questions()[0], plan=plan)
    rows = [row for row in found.rows if row["method"] == "through-run"]
    assert rows
    assert all(row["predicted"] is not None for row in rows)
    (tried,) = [each for each in found.record["sets"] if each["kind"] == "document"]
    assert tried["predicted"] is not None
    assert tried["measured"] is not None
