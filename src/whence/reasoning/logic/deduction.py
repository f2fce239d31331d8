"""ProntoQA and ProofWriter: what forward chaining says about the query."""

from __future__ import annotations

from whence.reasoning.logic.chaining import chain, missing, proof
from whence.reasoning.logic.program import Reading
from whence.reasoning.logic.rules import RuleProgram, parse_rules
from whence.reasoning.logic.solution import Solution


def solve_prontoqa(program: str, reading: Reading = "standard") -> Solution:
    """A when the query's value is what follows, B when it is not or nothing follows.

    Its predicates are of one thing, so the query is read as far as that.

    Raises:
        LogicError: the program cannot be read, or a rule has a free variable.
    """
    value, evidence, asked = _value(parse_rules(program, reading, unary=True))
    return Solution("A" if value == asked else "B", evidence)


def solve_proofwriter(program: str, reading: Reading = "standard") -> Solution:
    """A when the query's value follows, B when the other does, C when nothing does.

    With reading `released` a query about two things is looked up as one about the first
    thing alone, as the release does; nothing is ever known of that.

    Raises:
        LogicError: the program cannot be read, or a rule has a free variable.
    """
    value, evidence, asked = _value(parse_rules(program, reading))
    if value is None:
        return Solution("C", evidence)
    return Solution("A" if value == asked else "B", evidence)


def _value(program: RuleProgram) -> tuple[bool | None, tuple[str, ...], bool]:
    """The value that follows for what is asked, the proof, and the value asked about.

    Where both values follow, theirs is False: the conjunction of the two, as in the release.
    """
    query = program.query
    known = chain(program.facts, program.rules)
    held = known.about(query.predicate, query.things)
    if not held:
        lines = missing(query.predicate, query.things, program.rules, known)
        return None, tuple(lines), query.value
    lines = [line for atom in held for line in proof(atom, known)]
    if len(held) > 1:
        lines.insert(0, f"contradictory: {len(held)} values follow, which counts as False")
    return all(atom.arguments[-1] == "True" for atom in held), tuple(lines), query.value
