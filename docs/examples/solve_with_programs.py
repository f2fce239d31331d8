"""Two questions, answered by programs that a model wrote; here its words are a recording."""

from pathlib import Path

from whence.reasoning import Problem, Recorded, Sampling, Sandbox, solve_problems
from whence.reasoning.clients import write_recording
from whence.reasoning.programs import LIMITS, Exemplar, few_shot

exemplars = [Exemplar(Problem("A pen costs 3 dollars. What do 4 pens cost?"), "ans = 3 * 4")]
problems = [
    Problem("A train goes 180 km in 2.5 hours. How fast is it?", options=("A)72", "B)90")),
    Problem("Which x satisfies 3 x + 7 = 25?"),
]
said = [
    ["ans = 180 / 2.5", "ans = 180 * 2.5", "hours = 2.5\nans = 180 / hours"],
    ["x = Symbol('x')\nans = solve(3 * x + 7 - 25, x)", "import os\nos.system('id')", "ans = 6"],
]
prompts = [few_shot(exemplars, problem) for problem in problems]
write_recording(Path("said.jsonl"), zip(prompts, said, strict=True))

client = Recorded(Path("said.jsonl"))  # or open_client("http://localhost:8000/v1#my-model")
with Sandbox(workers=2, limits=LIMITS) as sandbox:
    solved = solve_problems(client, sandbox, problems, exemplars, Sampling(n=3, temperature=0.4))
for each in solved:
    print(each.problem.question)
    print(f"  {each.vote.answer} with {each.vote.votes} of {each.vote.cast} votes, {each.option}")
    for outcome in each.outcomes:
        print(f"  {outcome.status:10s}", outcome.error or outcome.value)
