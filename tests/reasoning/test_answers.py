"""Typed answers and spans, and the counts of baselines on the released files."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.core.errors import ProblemError
from whence.reasoning.answers import (
    TheoremProblem,
    exact_match,
    read_predictions,
    read_theoremqa,
    read_timeqa,
    score_theoremqa,
    score_timeqa,
    theorem_correct,
    token_f1,
)
from whence.reasoning.answers.numbers import evaluate, read_list, read_number
from whence.reasoning.answers.theoremqa import constant_answers
from whence.reasoning.answers.timeqa import empty_answers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So we add 2 and 3. The answer is 5.", 5),
        ("There are 4 apples, then 7", 7),
        ("The answer is 3/4", 0.75),
        ("x = 7 ≈ 7.1", 7.1),
        ("3.2 m/s", 3.2),
        ("5 x 10^3", 5000),
        ("6.02 × 10^23 molecules", 6.02e23),
        ("the answer is 1.5e-3", 0.0015),
        ("20%", 0.2),
        ("3π", 3 * math.pi),
        ("2*pi/3", 2 * math.pi / 3),
        ("√2", math.sqrt(2)),
        ("1,200 dollars", 1200),
        ("$12.50", 12.5),
        ("45°", 45),
        ("−5", -5),
        ("Answer: 12 apples in 2 bags", 12),
        ("no number", None),
    ],
)
def test_numbers_are_read(text, number):
    assert read_number(text) == (None if number is None else pytest.approx(number))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (r"The answer is \frac{3}{4}.", 0.75),
        (r"the answer is $-\frac{1}{2}$", -0.5),
        (r"\sqrt{2}", math.sqrt(2)),
        (r"\frac{\pi}{2}", math.pi / 2),
        (r"3 \times 10^{4}", 30000),
        (r"\text{about } 5", 5),
        (r"x = 2\pi", 2 * math.pi),
    ],
)
def test_latex_is_read(text, number):
    pytest.importorskip("latex2sympy2_extended")
    assert read_number(text) == pytest.approx(number)


def test_texts_are_read_and_never_run():
    for text in ("__import__('os').system('id')", "open('/etc/passwd')", "exit()", "[].append(1)"):
        assert evaluate(text) is None
    for text in ("9**9**9**9**9", "10^99999999", "123456!", "(" * 400):
        assert evaluate(text) is None


@given(st.floats(-1e9, 1e9).map(lambda x: round(x, 4)))
def test_a_number_reads_as_itself(number):
    assert read_number(f"The answer is {number:.4f}") == pytest.approx(number)


def test_lists_are_read():
    assert read_list("The answer is [1, 2.5, -3]") == [1, 2.5, -3]
    assert read_list("The answer is 3 and 4") == [3, 4]
    assert read_list("(1/2, 3)") == [0.5, 3]
    assert read_list("nothing") is None


def problem(kind, answer):
    return TheoremProblem("x", "q", answer, kind, False)


@pytest.mark.parametrize(
    ("kind", "answer", "right", "wrong"),
    [
        ("bool", True, ["Yes.", "The answer is True", True], ["no", "False", "maybe", None]),
        ("option", "(b)", ["(b)", "The answer is (B).", "b"], ["(a)", "no letter"]),
        ("integer", 7, ["7", "7.2", 7, "The answer is 7 apples"], ["7.6", "8", "seven"]),
        ("float", 100.0, ["96", "104", "100"], ["95.9", "104.1", "about"]),
        ("float", -1.0, ["-0.97"], ["1", "-0.95"]),
        ("float", 0.0, ["0"], ["0.0001"]),
        ("list of integer", [0, 5], ["[5, 0]", "5 and 0", [0, 5.1]], ["[0]", "[0, 6]", "0"]),
        ("list of float", [1.0, 2.0], ["[2.04, 1]"], ["[1, 2.1]"]),
    ],
)
def test_answers_count_by_their_type(kind, answer, right, wrong):
    for prediction in right:
        assert theorem_correct(problem(kind, answer), prediction), prediction
    for prediction in wrong:
        assert not theorem_correct(problem(kind, answer), prediction), prediction


def test_the_constant_baseline_on_the_released_questions(real_data):
    questions = read_theoremqa(real_data / "theoremqa" / "theoremqa_test.json")
    constants = constant_answers(questions)
    record = score_theoremqa(questions, constants).to_json()
    kinds = {kind: counts["n"] for kind, counts in record["types"].items()}
    assert kinds == {"float": 378, "integer": 216, "bool": 115, "list of integer": 61,
                     "option": 18, "list of float": 12}  # fmt: skip
    assert sum(question.picture for question in questions) == 53
    assert record["correct"] == 83
    banded = score_theoremqa(questions, constants, band_for_integers=True).to_json()
    assert (banded["correct"], banded["score"]) == (84, pytest.approx(0.105))


def test_the_right_answers_are_right(real_data):
    questions = read_theoremqa(real_data / "theoremqa" / "theoremqa_test.json")
    told = {q.id: f"Hence the answer is {q.answer}." for q in questions}
    assert score_theoremqa(questions, told).to_json()["correct"] == 800


def test_the_empty_baseline_on_the_released_spans(real_data):
    questions = read_timeqa(real_data / "timeqa" / "human_annotated_test.json")
    record = score_timeqa(questions, empty_answers(questions)).to_json()
    assert (record["n"], record["unanswerable"], record["correct"]) == (989, 159, 159)
    assert record["em"] == record["f1"] == pytest.approx(100 * 159 / 989)
    perfect = {q.id: q.references[0] for q in questions}
    assert score_timeqa(questions, perfect).to_json()["em"] == 100


@pytest.mark.parametrize(
    ("said", "references", "em", "f1"),
    [
        ("The University of Arizona!", ["university of arizona"], 1, 1),
        ("Arizona", ["University of Arizona", "MIT"], 0, 0.5),
        ("", [""], 1, 1),
        ("something", [""], 0, 0),
        ("", ["something"], 0, 0),
        ("a b b", ["b b c"], 0, 0.8),
        ("the", [""], 1, 1),
    ],
)
def test_spans(said, references, em, f1):
    assert exact_match(said, references) == em
    assert token_f1(said, references) == pytest.approx(f1)


@given(st.text("abc ", max_size=12), st.text("abc ", max_size=12))
def test_f1_is_symmetric_and_one_only_for_equal_bags(a, b):
    assert token_f1(a, [b]) == pytest.approx(token_f1(b, [a]))
    if exact_match(a, [b]):
        assert token_f1(a, [b]) == 1


def test_flat_questions_are_read_too(tmp_path):
    path = tmp_path / "flat.jsonl"
    rows = [{"idx": "a#0", "question": "q", "context": "c", "targets": [""]}]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert not read_timeqa(path)[0].answerable


LINES = '{"id": "a", "prediction": "1"}\n{"id": "b", "prediction": null}'


@pytest.mark.parametrize("text", ['{"a": "1", "b": null}', LINES])
def test_predictions_are_read(tmp_path, text):
    path = tmp_path / "said.json"
    path.write_text(text)
    assert read_predictions(path) == {"a": "1", "b": None}


@pytest.mark.parametrize("text", ["", "[1]", '{"id": "a", "prediction": 1}\n' * 2, "{"])
def test_what_is_no_predictions_is_refused(tmp_path, text):
    path = tmp_path / "said.json"
    path.write_text(text)
    with pytest.raises(ProblemError):
        read_predictions(path)


def test_a_prediction_for_no_question_is_refused():
    with pytest.raises(ProblemError, match="'y'"):
        score_theoremqa([problem("bool", True)], {"y": True})


@pytest.mark.parametrize("text", ["{", '[{"id": 1}]', '[{"id": "a", "Question": "q", "Answer": 1, '
                                  '"Answer_type": "matrix"}]'])  # fmt: skip
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "questions.json"
    path.write_text(text)
    with pytest.raises(ProblemError):
        read_theoremqa(path)
    with pytest.raises(ProblemError):
        read_timeqa(path)
