"""Commands that ask a model: questions, search, choices, rules; and those that make problems."""

import json
import math

import pytest
from typer.testing import CliRunner

from whence.cli.solve import app
from whence.core.errors import LogicError, ProblemError, SandboxError
from whence.reasoning.clients import write_recording
from whence.reasoning.logic import Problem as LogicProblem
from whence.reasoning.logic.prompts import chain_prompt, refinement_prompt
from whence.reasoning.logic.scoring import DATASETS, attempt
from whence.reasoning.programs import Exemplar, Problem, few_shot
from whence.reasoning.sandbox import check_kernel
from whence.reasoning.search import Example
from whence.reasoning.search.hypotheses import first_prompt

try:
    check_kernel()
except SandboxError as error:
    pytest.skip(str(error), allow_module_level=True)


def whence(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception:
        raise result.exception
    return result.stdout


def lines(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def recorded(path, *said):
    write_recording(path, said)
    return path


def test_questions_are_solved_scored_and_written_as_released(tmp_path):
    shown = Exemplar(Problem("1 + 1?"), "ans = 1 + 1")
    asked = [
        {"question": "2 * 3?", "answer": 6.0},
        {"question": "3 of 8?", "answer": "B", "options": ["A)0.5", "B)0.375"]},
        {"question": "no answer known?"},
    ]
    said = [["ans = 2 * 3", "ans = 6.0"], ["ans = 3 / 8"] * 2, ["import os\nos.fork()"] * 2]
    prompts = [
        few_shot([shown], Problem(row["question"], options=tuple(row.get("options", ()))))
        for row in asked
    ]
    model = recorded(tmp_path / "said.jsonl", *zip(prompts, said, strict=True))
    example = {"question": "1 + 1?", "program": shown.program}
    command = (
        *("questions", lines(tmp_path / "q.jsonl", asked), "--model", model, "--samples", 2),
        *("--exemplars", lines(tmp_path / "e.jsonl", [example]), "-o", tmp_path / "out.jsonl"),
    )
    found = json.loads(whence(*command, "--journal", tmp_path / "calls.jsonl", "--json"))
    assert (found["asked"], found["n"], found["correct"]) == (3, 2, 2)
    assert "2 of 2 right" in whence(*command)
    known = lines(
        tmp_path / "known.jsonl",
        [json.loads(row) for row in (tmp_path / "out.jsonl").read_text().splitlines()][:2],
    )
    again = json.loads(whence("programs", known, "--rerun", "--json"))
    assert (again["correct"], again["agreement"]) == (2, 1.0)
    # The journal is a recording: the same without the model.
    kept = tmp_path / "calls.jsonl"
    replayed = [str(kept) if word == model else word for word in command]
    assert json.loads(whence(*replayed, "--json")) == found


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"passage": "x"}', '{"question": "x", "options": 3}']
)
def test_what_is_no_question_is_refused(text, tmp_path):
    (tmp_path / "q.jsonl").write_text(text)
    with pytest.raises(ProblemError, match="question"):
        whence("questions", tmp_path / "q.jsonl", "--model", "m.jsonl")


@pytest.fixture(scope="module")
def letter_folder(letters, tmp_path_factory):
    """The model of letters as a folder, as a user names it."""
    folder = tmp_path_factory.mktemp("letters")
    letters.module.save_pretrained(folder)
    letters.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def score(tmp_path):
    path = tmp_path / "score.py"
    path.write_text(
        "def score(text):\n    return -float('inf') if 'z' in text else len(set(text))\n"
    )
    return path


def test_the_best_of_what_was_said(tmp_path, score):
    model = recorded(tmp_path / "said.jsonl", ("q", ["aaa", "abc", "zebra"]))
    words = ("search", "q", "--model", model, "--samples", 3, "--score", score, "--json")
    found = json.loads(whence(*words))
    assert (found["text"], found["score"]) == ("abc", 3.0)


def test_a_vote_over_the_last_number(tmp_path):
    said = ["so 3 and 4 make 7", "it is 1,007", "7", "none"]
    (tmp_path / "prompt.txt").write_text("q")
    model = recorded(tmp_path / "said.jsonl", ("q", said))
    words = ("search", f"@{tmp_path}/prompt.txt", "--model", model, "--samples", 4, "--by", "vote")
    found = json.loads(whence(*words, "--json"))
    assert (found["answer"], found["votes"], found["cast"]) == ("7", 2, 3)
    shown = json.loads(whence(*words, "--answer", "so (\\d)", "--json"))
    assert (shown["answer"], shown["cast"]) == ("3", 1)
    with pytest.raises(ProblemError, match="regular expression"):
        whence(*words, "--answer", "(")


def test_searches_over_steps_of_a_local_model(letter_folder, score):
    words = ("search", "the ", "--model", letter_folder, "--score", score, "--separator", "")
    words = (*words, "--max-tokens", 2, "--steps", 3, "--samples", 4, "--json")
    beam = json.loads(whence(*words, "--by", "beam"))
    assert beam["text"] == beam["kept"][0]
    assert beam["score"] == len(set(beam["text"])) <= 6
    particles = json.loads(whence(*words, "--by", "particles"))
    assert sum(particles["weights"]) == pytest.approx(1)
    assert math.isfinite(particles["log_evidence"])
    assert json.loads(whence(*words, "--by", "particles")) == particles


def test_draws_from_a_power_of_a_local_model(letter_folder):
    words = ("search", "the ", "--model", letter_folder, "--by", "power", "--json")
    found = json.loads(whence(*words, "--max-tokens", 4, "--steps", 5, "--alpha", 2))
    assert found["log_probability"] < 0
    assert 0 <= found["accepted"] <= 1


def test_a_search_without_its_score_or_with_a_faulty_one(tmp_path):
    model = recorded(tmp_path / "said.jsonl", ("q", ["a"]))
    words = ("search", "q", "--model", model, "--samples", 1)
    with pytest.raises(ProblemError, match="--score"):
        whence(*words)
    with pytest.raises(ProblemError, match="--by"):
        whence(*words, "--by", "luck")
    (tmp_path / "s.py").write_text("def score(text):\n    return text\n")
    with pytest.raises(ProblemError, match="could not convert"):
        whence(*words, "--score", tmp_path / "s.py")


def test_choices_by_a_local_model(letter_folder, tmp_path):
    file = tmp_path / "c.json"
    file.write_text(json.dumps({"prompts": ["the ", "a "], "choices": ["cat", "dog"]}))
    for options in ((), ("--product",)):
        found = json.loads(whence("choices", file, "--model", letter_folder, "--json", *options))
        assert sum(found["probabilities"].values()) == pytest.approx(1)
        assert found["probabilities"][found["best"]] >= 0.5
    for wrong in ("[]", '{"prompts": 3, "choices": []}', '{"prompts": ["a"], "choices": [1]}'):
        file.write_text(wrong)
        with pytest.raises(ProblemError, match="prompts"):
            whence("choices", file, "--model", letter_folder)


def test_a_rule_is_found(tmp_path):
    pairs = [[[3, 1], [1, 3]], [[], []]]
    prompt = first_prompt([Example(given, wanted) for given, wanted in pairs])
    right = "def rule(x):\n    return sorted(x)"
    model = recorded(tmp_path / "said.jsonl", (prompt, ["def rule(x):\n    return x", right]))
    (tmp_path / "e.json").write_text(json.dumps(pairs))
    words = ("rule", tmp_path / "e.json", "--model", model, "--samples", 2)
    found = json.loads(whence(*words, "--json"))
    assert (found["program"], found["right"], found["of"]) == (right, 2, 2)
    assert right in whence(*words)
    (tmp_path / "e.json").write_text("[1]")
    with pytest.raises(ProblemError, match="pairs"):
        whence(*words)


def test_problems_that_are_made_are_solved(tmp_path):
    file = tmp_path / "p.json"
    whence("make", "puzzles", "-o", file, "--count", 12, "--depth", 4)
    found = json.loads(whence("logic", file, "--dataset", "ProntoQA", "--json"))
    assert (found["n"], found["correct_executed"]) == (12, 12)
    assert all(len(each["proof"]) == 5 for each in json.loads(file.read_text()))
    whence("make", "causation", "-o", file, "--count", 5, "--variables", 3)
    assert {each["answer"] for each in json.loads(file.read_text())} <= {"yes", "no"}
    with pytest.raises(LogicError, match="puzzles or causation"):
        whence("make", "riddles", "-o", file)


RIGHT = "Facts:\nA(c, True)\nRules:\nA($x, True) >>> B($x, True)\nQuery:\nB(c, True)"


def test_programs_are_mended_round_by_round(tmp_path):
    wrong = [RIGHT.replace(">>>", "->"), RIGHT.replace("Query", "Ask")]
    told = [attempt(LogicProblem("1", p, "A"), DATASETS["ProofWriter"], "standard") for p in wrong]
    never = "Query: who knows"
    failed = attempt(LogicProblem("2", never, "A"), DATASETS["ProofWriter"], "standard")
    rows = [
        {"id": "1", "answer": "A", "raw_logic_programs": [wrong[0]]},
        {"id": "2", "answer": "B", "raw_logic_programs": [never], "question": "Is it?"},
    ]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    model = recorded(
        tmp_path / "said.jsonl",
        (refinement_prompt(wrong[0], told[0].error, "ProofWriter"), [wrong[1]]),
        (refinement_prompt(wrong[1], told[1].error, "ProofWriter"), [RIGHT]),
        (refinement_prompt(never, failed.error, "ProofWriter"), [never]),
        (chain_prompt(LogicProblem("2", never, "B", "Is it?")), ["No. The answer is B."]),
    )
    words = ("logic", tmp_path / "p.json", "--dataset", "ProofWriter", "--refine", model)
    found = json.loads(whence(*words, "--back-off", "chain", "--json"))
    assert [each["executed"] for each in found["rounds"]] == [0, 0, 1, 1]
    assert (found["fallen_back"], found["accuracy"]) == (1, 1.0)
    said = whence(*words, "--back-off", "chain", "--journal", tmp_path / "calls.jsonl")
    assert "after round 2: 1 ran, 1 right" in said
    assert "1 answered step by step; accuracy 100.0 %" in said
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 4


def test_the_loop_runs_on_a_local_model(tmp_path):
    """A model that only babbles: everything fails, is asked again, and is answered in words."""
    from tests.reasoning.conftest import letter_model

    babbling = letter_model(context=4096)
    babbling.module.save_pretrained(tmp_path / "model")
    babbling.tokenizer.save_pretrained(tmp_path / "model")
    row = {"id": "1", "answer": "A", "context": "c is a.", "question": "is c a?"}
    (tmp_path / "p.json").write_text(json.dumps([row]))
    words = ("logic", tmp_path / "p.json", "--dataset", "ProntoQA", "--refine", tmp_path / "model")
    words = (*words, "--back-off", "chain", "--rounds", 1, "--max-tokens", 20, "--json")
    found = json.loads(whence(*words, "--journal", tmp_path / "calls.jsonl"))
    assert [each["executed"] for each in found["rounds"]] == [0, 0]
    assert found["fallen_back"] == 1
    calls = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert [call["reply"]["completion_tokens"] for call in calls] == [20, 20, 20]
