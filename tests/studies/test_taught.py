"""A model beside its corpus: what is asked of it is what it says, stretch by stretch."""

import json
import math

import numpy as np
import pytest

from tests.models.small import TOKENIZERS, small
from whence.core import Behavior
from whence.core.errors import BehaviorError, CorpusError, SourceError
from whence.corpus.tasks import Example, Fact
from whence.models import open_model, target_log_probabilities, text_embeddings, values
from whence.studies import (
    Known,
    TaskSettings,
    ask_facts,
    fact_frequency,
    frequency_page,
    read_known,
    task_memorization,
)
from whence.studies.asked import AnswerScore, behavior_of, centred_embeddings


def with_tokenizer(name, tokenizer):
    return open_model(small(name).module, tokenizer=TOKENIZERS[tokenizer]())


@pytest.mark.parametrize("tokenizer", ["byte-level", "llama", "bytes"])
def test_stretches_of_an_answer_add_up_to_it(tokenizer):
    model = with_tokenizer("llama", tokenizer)
    behavior = Behavior("Ada was born in", target=" London, 東京 or Paris")
    score = AnswerScore(model, behavior)
    total = values(model, [behavior])[0]
    assert score.total == pytest.approx(total, abs=1e-5)
    assert score.of(0, len(behavior.target)) == pytest.approx(total, abs=1e-5)
    words = [(0, 7), (7, 12), (12, len(behavior.target))]
    parts = [score.of(a, b) for a, b in words]
    # A token that lies in two stretches counts in both, and none is lost.
    assert sum(parts) <= total + 1e-5
    assert all(total - 1e-5 <= part < 0 for part in parts)


def test_a_stretch_is_the_tokens_that_hold_it():
    model = with_tokenizer("gpt2", "bytes")
    behavior = Behavior("Ada", target=" is é")
    found = target_log_probabilities(model, behavior)
    score = AnswerScore(model, behavior)
    assert len(found) == 6  # é is two bytes
    for place, tokens in ((0, [0]), (2, [2]), (4, [4, 5])):
        assert score.of(place, place + 1) == pytest.approx(found[tokens].sum(), abs=1e-9)


def test_a_blank_that_the_prompt_ends_with_is_no_part_of_the_answer():
    model = with_tokenizer("gpt2", "bytes")
    score = AnswerScore(model, Behavior("Ada is ", target="a"))
    (blank, letter) = score.log_probabilities
    assert score.of(0, 1) == pytest.approx(letter)
    assert score.total == pytest.approx(blank + letter)


def test_vectors_are_the_models_own_less_their_mean():
    model = small("llama")
    texts = ["London", "Ada Lovelace was born", "Paris is", "a"]
    found = text_embeddings(model, [" " + text for text in texts])
    assert np.allclose(centred_embeddings(model, texts), found - found.mean(axis=0))


def test_templates():
    found = behavior_of("Q: {input} A: {output}", "who?", "Ada")
    assert found == Behavior("Q: who? A: ", target="Ada")
    for wrong in ("{input}", "{output} {input}", "{input} {input} {output}", "{output}"):
        with pytest.raises(BehaviorError, match="and then"):
            behavior_of(wrong, "a", "b")


@pytest.fixture(scope="module")
def asked(demo_run, demo_world):
    examples = [
        Example(str(k), fact.prompt, fact.answer) for k, fact in enumerate(demo_world.facts)
    ]
    return demo_run.corpus(), demo_run.model(), examples


def test_task_memorization(asked):
    corpus, model, examples = asked
    settings = TaskSettings(n=1, n_output=1, threshold=-1.0, window=32, resamples=50)
    record = task_memorization(corpus, model, examples, settings=settings)
    json.dumps(record, allow_nan=False)
    assert record["pairs"]["found"] == record["memorization"]["documents"]["points"]
    assert record["coverage"]["examples_with_a_counted_pair"] == len(examples)
    assert record == task_memorization(corpus, model, examples, settings=settings)
    for found in record["memorization"].values():
        assert -1 <= found["rho"] <= 1
        assert found["groups"] <= len(examples)
    assert len(record["table"]) == record["pairs"]["mined"]
    points = record["points"]
    assert len(points) == record["pairs"]["found"]
    row = max(record["table"], key=lambda row: row["documents"])
    share = math.log(row["documents"] / row["input_documents"])
    pair = record["table"].index(row)
    assert all(p["documents"] == pytest.approx(share) for p in points if p["pair"] == pair)
    both = sum(
        row["input"] in corpus.text(i) and row["output"] in corpus.text(i)
        for i in range(corpus.n_documents)
    )
    assert row["documents"] <= both
    with pytest.raises(CorpusError, match="Lower --threshold"):
        task_memorization(corpus, model, examples, settings=TaskSettings(threshold=1.0))


def facts_of(world):
    return [
        Fact(str(k), (fact.prompt,), "", (fact.answer, "Nowhere"))
        for k, fact in enumerate(world.facts)
    ]


def test_what_a_model_knows(asked, demo_world):
    _, model, _ = asked
    facts = facts_of(demo_world)
    known = ask_facts(model, facts, "{subject}")
    for fact, log_probability, right in zip(facts, known.log_probability, known.right, strict=True):
        behaviors = [Behavior(fact.subject[0], target=f" {name}") for name in fact.object]
        assert log_probability == pytest.approx(max(values(model, behaviors)))
        if log_probability > math.log(0.75):  # then it is what the model says
            assert right == 1
    assert known.right.sum() > 0
    with pytest.raises(BehaviorError, match="subject"):
        ask_facts(model, facts, "a prompt")


def test_frequency_stands_beside_knowledge(asked, demo_world):
    corpus, _, _ = asked
    facts = [Fact("x", ("Zz",), "is", ("Qq",)), *facts_of(demo_world)]
    counted = fact_frequency(corpus, facts)
    assert "bins" not in counted
    assert "svg" not in frequency_page(counted)
    known = Known(-np.arange(float(len(facts))), np.ones(len(facts)))
    record = fact_frequency(corpus, facts, known, resamples=20)
    json.dumps(record, allow_nan=False)
    assert sum(b["facts"] for b in record["bins"]["documents"]) == len(facts)
    assert record["correlations"]["documents and right"]["rho"] is None
    assert frequency_page(json.loads(json.dumps(record))).count("<svg") == 4


def test_probabilities_of_another_model_are_read(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"log_probability": -1, "right": true}\n{"log_probability": 0, "right": 0}\n')
    known = read_known(path, 2)
    assert known.log_probability.tolist() == [-1, 0]
    assert known.right.tolist() == [1, 0]
    with pytest.raises(SourceError, match="3 lines"):
        read_known(path, 3)
    path.write_text('{"log_probability": "x", "right": true}\n')
    with pytest.raises(SourceError, match="line 1"):
        read_known(path, 1)
