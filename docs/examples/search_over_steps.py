"""A rule is found by running what is proposed; here the proposals are a recording."""

from pathlib import Path

from whence.reasoning import Recorded, Sampling, Sandbox
from whence.reasoning.clients import write_recording
from whence.reasoning.search import Example, find_rule
from whence.reasoning.search.hypotheses import first_prompt, refining_prompt, try_rules

examples = [Example([3, 1, 2], [1, 2, 3]), Example([2, 2, 1], [1, 2, 2]), Example([], [])]
first = "def rule(x):\n    return sorted(set(x))"
better = "def rule(x):\n    return sorted(x)"

with Sandbox() as sandbox:
    wrong = try_rules(sandbox, [first], examples)[0]
    asked_again = refining_prompt(examples, wrong)
    said = [(first_prompt(examples), [first]), (asked_again, [better])]
    write_recording(Path("rules.jsonl"), said)
    found = find_rule(Recorded(Path("rules.jsonl")), sandbox, examples, Sampling())

print(asked_again)
print(found.program)
print(f"right for {found.right} of {len(examples)}, proposed in round {found.round}")
