"""A problem with a known proof, solved; and a mistake, told with its place."""

from whence.core.errors import LogicError
from whence.reasoning.logic import PuzzleSettings, puzzles, score_programs, solve_proofwriter

settings = PuzzleSettings(depth=2, distractors=1, seed=4)
puzzle = next(puzzles(1, settings))
print(puzzle.text)
for line in solve_proofwriter(puzzle.program).evidence:
    print(line)

made = [each.problem() for each in puzzles(100, PuzzleSettings(depth=5, distractors=5))]
print(score_programs(made, "ProntoQA").to_json()["correct_executed"], "of 100 right")

try:
    solve_proofwriter(
        "Facts:\nWarm(Rex, True)\nRules:\nWarm($x True) >>> Calm($x, True)\nQuery:\nCalm(Rex, True)"
    )
except LogicError as error:
    print(error)
