"""The loop of translating, solving and mending, with recorded completions."""

import json

import pytest

from whence.reasoning.clients import Recorded, prompt_digest, write_recording
from whence.reasoning.logic import Problem, RefinementSettings, read_problems, refine
from whence.reasoning.logic.prompts import (
    chain_prompt,
    read_letter,
    read_program,
    refinement_prompt,
    translation_prompt,
)
from whence.reasoning.logic.scoring import DATASETS, attempt

RIGHT = "Facts:\nA(c, True)\nRules:\nA($x, True) >>> B($x, True)\nQuery:\nB(c, True)"
WRONG = RIGHT.replace(">>>", "->")


def recording(tmp_path, said):
    write_recording(tmp_path / "said.jsonl", said.items())
    return Recorded(tmp_path / "said.jsonl")


def error_of(program, dataset="ProofWriter"):
    problem = Problem("1", program, "A")
    return attempt(problem, DATASETS[dataset], "standard").error


def test_a_program_is_written_and_mended(tmp_path):
    problem = Problem("1", "", "A", "C is A. All A are B. Is C a B?")
    said = {
        translation_prompt(problem, "ProofWriter"): [WRONG],
        refinement_prompt(WRONG, error_of(WRONG), "ProofWriter"): [f"```\n{RIGHT}\n```"],
    }
    found = refine([problem], "ProofWriter", recording(tmp_path, said))
    assert [score.to_json()["executed"] for score in found.rounds] == [0, 1]
    assert found.problems[0].program == RIGHT
    assert found.to_json()["accuracy"] == 1.0


def test_the_complaint_names_the_place():
    assert "line 4, column 13" in error_of(WRONG)


def test_what_never_runs_is_answered_step_by_step(tmp_path):
    problem = Problem("1", WRONG, "B", "Is C a B?", ("A) True", "B) False"))
    said = {
        refinement_prompt(WRONG, error_of(WRONG), "ProofWriter"): [WRONG],
        chain_prompt(problem): ["C is no B, since ... The answer is B."],
    }
    settings = RefinementSettings(rounds=2, back_off="chain")
    found = refine([problem], "ProofWriter", recording(tmp_path, said), settings)
    assert len(found.rounds) == 3
    assert found.fallen_back == {"1": "B"}
    assert found.to_json()["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("text", "letter"),
    [("The answer is (C).", "C"), ("B) False", "B"), ("so the answer is: a", "A"), ("maybe", None)],
)
def test_letters_are_read(text, letter):
    assert read_letter(text) == letter


def test_a_program_out_of_a_fence():
    assert read_program("Here:\n```text\nA\nB\n```\nDone.") == "A\nB"


def test_one_models_programs_mend_anothers(tmp_path, real_data):
    """Released completions of two models: the second's stand for what mending would give."""
    folder = real_data / "logic" / "ProofWriter"
    first = read_problems(folder / "programs_gpt-3.5-turbo.json")[:20]
    second = {p.id: p.program for p in read_problems(folder / "programs_text-davinci-003.json")}
    said = {}
    for problem in first:
        outcome = attempt(problem, DATASETS["ProofWriter"], "released")
        prompt = refinement_prompt(problem.program, outcome.error, "ProofWriter")
        said[prompt] = [second.get(problem.id, "")]
    settings = RefinementSettings(rounds=1, reading="released")
    found = refine(first, "ProofWriter", recording(tmp_path, said), settings)
    before, after = (score.to_json() for score in found.rounds)
    assert before["executed"] < after["executed"]
    assert json.dumps(found.to_json())


def test_prompts_differ_for_every_problem():
    one, other = (Problem("1", "", "A", text) for text in ("x", "y"))
    digests = {prompt_digest(translation_prompt(p, d)) for p in (one, other) for d in DATASETS}
    assert len(digests) == 2 * len(DATASETS) - 2  # two data sets share a format
