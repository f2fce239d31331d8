"""The released programs give the published counts."""

import json
import subprocess
import sys

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
    ("LogicalDeduction", DAVINCI, "released"): (300, 186),
    ("AR-LSAT", GPT, "released"): (44, 14),
}
FIRST_ORDER = {("FOLIO", DAVINCI, "released"): (138, 83)}
# In a process of its own: the type checker of the tests would slow this down a hundredfold.
SCORING = """
import json, sys
from pathlib import Path
from whence.reasoning.logic import read_problems, score_programs
folder, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
print(json.dumps([
    score_programs(read_problems(folder / d / f"programs_{m}.json"), d, r).to_json()
    for d, m, r in cases
]))
"""


@pytest.fixture(scope="module")
def scored(real_data):
    pytest.importorskip("z3", reason="the extra `logic` is not installed")
    cases = [*COUNTS, *FIRST_ORDER]
    done = subprocess.run(
        [sys.executable, "-c", SCORING, str(real_data / "logic"), json.dumps(cases)],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(cases, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("case", "counts"), COUNTS.items(), ids=lambda x: "-".join(map(str, x)))
def test_published_counts(case, counts, scored):
    assert (scored[case]["executed"], scored[case]["correct_executed"]) == counts


@pytest.mark.parametrize(("case", "counts"), FIRST_ORDER.items())
def test_first_order_counts(case, counts, scored):
    found = scored[case]["executed"], scored[case]["correct_executed"]
    assert all(abs(a - b) <= 3 for a, b in zip(found, counts, strict=True))


def test_failures_count_as_wrong_or_as_guesses(scored):
    ordering = scored["LogicalDeduction", DAVINCI, "released"]
    assert ordering["accuracy_random_backoff"] == pytest.approx(186 / 300)
    ontology = scored["ProntoQA", GPT, "released"]
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
