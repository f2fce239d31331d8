"""The released programs give the published counts."""

import json

import pytest

from whence.core.errors import LogicError
from whence.reasoning.logic import read_problems, score_programs

GPT, DAVINCI = "gpt-3.5-turbo", "text-davinci-003"
# Data set, model, reading: how many ran, and how many of these are right.
COUNTS = {
    ("ProntoQA", GPT, "released"): (457, 274),
    ("ProntoQA", DAVINCI, "standard"): (497, 422),
    ("ProofWriter", GPT, "released"): (341, 235),
    ("ProofWriter", DAVINCI, "released"): (523, 386),
    ("ProofWriter", GPT, "standard"): (329, 245),
    ("ProofWriter", DAVINCI, "standard"): (523, 450),
    ("LogicalDeduction", GPT, "standard"): (293, 194),
    ("LogicalDeduction", DAVINCI, "released"): (300, 186),
    ("AR-LSAT", GPT, "released"): (44, 14),
    ("AR-LSAT", DAVINCI, "released"): (26, 15),
}
NEED_Z3 = ("LogicalDeduction", "AR-LSAT", "FOLIO")


def scored(real_data, dataset, model, reading):
    if dataset in NEED_Z3:
        pytest.importorskip("z3", reason="the extra `logic` is not installed")
    path = real_data / "logic" / dataset / f"programs_{model}.json"
    return score_programs(read_problems(path), dataset, reading).to_json()


@pytest.mark.parametrize(("case", "counts"), COUNTS.items(), ids=lambda x: "-".join(map(str, x)))
def test_published_counts(case, counts, real_data):
    record = scored(real_data, *case)
    assert (record["executed"], record["correct_executed"]) == counts


@pytest.mark.parametrize(("model", "counts"), [(GPT, (147, 91)), (DAVINCI, (138, 83))])
def test_first_order_counts(model, counts, real_data):
    record = scored(real_data, "FOLIO", model, "released")
    assert abs(record["executed"] - counts[0]) <= 3
    assert abs(record["correct_executed"] - counts[1]) <= 3


def test_failures_count_as_wrong_or_as_guesses(real_data):
    ordering = scored(real_data, "LogicalDeduction", GPT, "standard")
    assert ordering["accuracy_random_backoff"] == pytest.approx(194 / 300)
    ontology = scored(real_data, "ProntoQA", GPT, "standard")
    assert ontology["accuracy_random_backoff"] == pytest.approx((274 + 43 / 2) / 500)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '[{"id": 1}]'])
def test_a_file_of_another_form(text, tmp_path):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(LogicError):
        read_problems(tmp_path / "p.json")


def test_an_unknown_data_set(tmp_path):
    record = {"id": "1", "answer": "A", "raw_logic_programs": ["Query:\nA(b, True)"]}
    (tmp_path / "p.json").write_text(json.dumps([record]))
    with pytest.raises(LogicError, match="ProntoQA"):
        score_programs(read_problems(tmp_path / "p.json"), "Pronto")
