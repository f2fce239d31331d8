"""Hypothesis search: the model proposes rules as programs, the examples decide.

Each proposed rule is run on all examples in the sandbox. The best is kept; while it is wrong
somewhere, the model is shown the rule, what it gave and what it should have given, and asked
for a better one.

References:
    Wang et al. 2023, "Hypothesis Search" (arXiv:2309.05660); Qiu et al. 2023, "Phenomenal Yet
    Puzzling" (arXiv:2310.08559).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from whence.reasoning.clients import Client, Sampling
from whence.reasoning.programs import PRELUDE, program_of
from whence.reasoning.sandbox import Outcome, Program, Sandbox

_ASK = (
    "# Find the rule that turns each input into its output.\n"
    "# Write it as a Python function: def rule(x)\n"
)
_EACH = """
def _try(x):
    try:
        return [rule(x), None]
    except Exception as error:
        return [None, f"{type(error).__name__}: {error}"]
"""
_SHOWN = 3  # faults of a rule that the next proposal is shown


@dataclass(frozen=True)
class Example:
    """One case that a rule must get right; both are plain values."""

    given: Any
    wanted: Any


@dataclass(frozen=True)
class Hypothesis:
    """A rule and how it did.

    Attributes:
        program: its source, a function named `rule`.
        gave: what it gave for each example; None where it gave nothing.
        right: how many examples it got right.
        fault: why it did not run, when it did not.
        round: in which it was proposed, from 0.
    """

    program: str
    gave: tuple[Any, ...]
    right: int
    fault: str | None
    round: int


def find_rule(
    client: Client,
    sandbox: Sandbox,
    examples: Sequence[Example],
    sampling: Sampling,
    rounds: int = 3,
) -> Hypothesis | None:
    """The rule that gets most examples right; None when nothing was proposed.

    Args:
        client: the model that proposes, `sampling.n` rules a round.
        sandbox: where rules run.
        examples: what they must get right.
        sampling: of the proposals.
        rounds: of proposing; the search ends early with a rule that is right everywhere.
    """
    best: Hypothesis | None = None
    for number in range(rounds):
        prompt = first_prompt(examples) if best is None else refining_prompt(examples, best)
        said = client.complete([prompt], sampling)[0].completions
        programs = list(dict.fromkeys(p for c in said if (p := program_of(c.text)).strip()))
        for hypothesis in try_rules(sandbox, programs, examples, number):
            if best is None or hypothesis.right > best.right:
                best = hypothesis
        if best is not None and best.right == len(examples):
            return best
    return best


def first_prompt(examples: Sequence[Example]) -> str:
    """The prompt that asks for a rule."""
    cases = [f"# {e.given!r} -> {e.wanted!r}" for e in examples]
    return "\n".join([_ASK.rstrip(), *cases]) + "\n"


def refining_prompt(examples: Sequence[Example], wrong: Hypothesis) -> str:
    """The prompt that asks for a better rule than one that fails."""
    faults = [
        f"# rule({e.given!r}) gave {gave!r}, but should give {e.wanted!r}"
        for e, gave in zip(examples, wrong.gave, strict=True)
        if gave != e.wanted
    ][:_SHOWN]
    said = f"# It failed: {wrong.fault}" if wrong.fault else "# It is wrong:"
    lines = [wrong.program, said, *faults, "# A better rule:"]
    return first_prompt(examples) + "\n".join(lines) + "\n"


def try_rules(
    sandbox: Sandbox, programs: Sequence[str], examples: Sequence[Example], number: int = 0
) -> list[Hypothesis]:
    """Run rules on all examples, each example by itself so that one fault spoils one case."""
    inputs = [example.given for example in examples]
    # `repr` of plain values is Python again; what is not plain has no place in an example.
    asked = f"{_EACH}ans = [_try(x) for x in {inputs!r}]\n"
    ran = sandbox.run_many(Program(p + asked, prelude=PRELUDE) for p in programs)
    return [_judge(p, outcome, examples, number) for p, outcome in zip(programs, ran, strict=True)]


def _judge(program: str, outcome: Outcome, examples: Sequence[Example], number: int) -> Hypothesis:
    rows = outcome.value
    whole = isinstance(rows, list) and len(rows) == len(examples)
    if outcome.status != "ok" or not whole or not all(_is_row(row) for row in rows):
        fault = outcome.error or "no answer for each example"
        return Hypothesis(program, (None,) * len(examples), 0, fault, number)
    gave = tuple(row[0] for row in rows)
    right = sum(_same(g, e.wanted) for g, e in zip(gave, examples, strict=True))
    first = next((row[1] for row in rows if row[1] is not None), None)
    return Hypothesis(program, gave, right, first, number)


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and isinstance(row[1], str | None)


def _same(gave: Any, wanted: Any) -> bool:
    """Equal values of equal kind: True is not 1, a tuple counts as a list."""
    if isinstance(gave, list) and isinstance(wanted, list | tuple):
        return len(gave) == len(wanted) and all(map(_same, gave, wanted))
    return isinstance(gave, bool) == isinstance(wanted, bool) and bool(gave == wanted)
