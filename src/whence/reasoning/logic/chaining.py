"""Forward chaining over facts and rules, with the derivation of everything derived.

Semi-naive: in each round a rule fires only on combinations in which at least one premise is
new, so nothing is derived twice for the same reason. A fact keeps its first derivation, and
that rests on facts of earlier rounds only, so derivations are finite trees.

Reference: Abiteboul, Hull and Vianu, Foundations of Databases (1995), chapter 13.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from whence.reasoning.logic.program import Line
from whence.reasoning.logic.rules import Atom, Rule

_Binding = dict[str, str]


class Step(NamedTuple):
    """Why an atom holds.

    Attributes:
        line: the fact or rule that states it.
        premises: the atoms that the rule was fired on; none for a fact.
    """

    line: Line
    premises: tuple[Atom, ...] = ()


class Derivations:
    """All atoms that follow, each with its first derivation."""

    def __init__(self) -> None:
        self._steps: dict[Atom, Step] = {}
        self._by_predicate: dict[tuple[str, int], list[Atom]] = defaultdict(list)
        self._by_argument: dict[tuple[str, int, int, str], list[Atom]] = defaultdict(list)

    def add(self, atom: Atom, step: Step) -> bool:
        """Keep an atom; False when it is known already."""
        if atom in self._steps:
            return False
        self._steps[atom] = step
        name, arity = atom.predicate, len(atom.arguments)
        self._by_predicate[name, arity].append(atom)
        for place, argument in enumerate(atom.arguments):
            self._by_argument[name, arity, place, argument].append(atom)
        return True

    def __contains__(self, atom: Atom) -> bool:
        return atom in self._steps

    def __len__(self) -> int:
        return len(self._steps)

    def step(self, atom: Atom) -> Step:
        """Why an atom holds."""
        return self._steps[atom]

    def about(self, predicate: str, things: tuple[str, ...]) -> list[Atom]:
        """What holds of a predicate for these things, whatever its truth value."""
        held = self._by_predicate.get((predicate, len(things) + 1), [])
        return [atom for atom in held if atom.arguments[:-1] == things]

    def matches(self, pattern: Atom, binding: _Binding) -> Iterator[tuple[Atom, _Binding]]:
        """Atoms that a pattern fits, with what its variables then stand for."""
        # The fewest candidates that some known argument leaves.
        arity = len(pattern.arguments)
        held = self._by_predicate.get((pattern.predicate, arity), [])
        for place, argument in enumerate(pattern.arguments):
            known = binding.get(argument, argument)
            if not known.startswith("$"):
                key = (pattern.predicate, arity, place, known)
                held = min(held, self._by_argument.get(key, []), key=len)
        for atom in held:
            bound = unify(pattern, atom, binding)
            if bound is not None:
                yield atom, bound


@dataclass(frozen=True)
class _Round:
    """What the round before derived."""

    atoms: frozenset[Atom]
    by_predicate: dict[str, list[Atom]]


def _round(atoms: list[Atom]) -> _Round:
    by_predicate: dict[str, list[Atom]] = defaultdict(list)
    for atom in atoms:
        by_predicate[atom.predicate].append(atom)
    return _Round(frozenset(atoms), by_predicate)


def unify(pattern: Atom, atom: Atom, binding: _Binding) -> _Binding | None:
    """What a pattern's variables stand for when it says this atom; None if it cannot."""
    if pattern.predicate != atom.predicate or len(pattern.arguments) != len(atom.arguments):
        return None
    bound = dict(binding)
    for wanted, argument in zip(pattern.arguments, atom.arguments, strict=True):
        known = bound.setdefault(wanted, argument) if wanted.startswith("$") else wanted
        if known != argument:
            return None
    return bound


def chain(facts: Iterable[tuple[Atom, Line]], rules: tuple[Rule, ...]) -> Derivations:
    """Everything that follows from facts by rules.

    Raises:
        LogicError: a rule fires whose conclusion has a variable that no premise binds.
    """
    known = Derivations()
    new = [atom for atom, line in facts if known.add(atom, Step(line))]
    for rule in rules:
        if not rule.premises:
            new += _conclude(rule, {}, (), known)
    while new:
        fresh, derived = _round(new), list[Atom]()
        for rule in rules:
            firings = list(_firings(rule, fresh, known))
            for premises, binding in firings:
                derived += _conclude(rule, binding, premises, known)
        new = derived
    return known


def _firings(
    rule: Rule, fresh: _Round, known: Derivations
) -> Iterator[tuple[tuple[Atom, ...], _Binding]]:
    """The ways to meet all premises with at least one new atom, each way once.

    The first new atom stands at the pivot: premises before it are met by older atoms.
    """
    for pivot, premise in enumerate(rule.premises):
        others = [place for place in range(len(rule.premises)) if place != pivot]
        for atom in fresh.by_predicate.get(premise.predicate, []):
            binding = unify(premise, atom, {})
            if binding is not None:
                yield from _meet(rule, others, {pivot: atom}, binding, fresh, known)


def _meet(
    rule: Rule,
    places: list[int],
    used: dict[int, Atom],
    binding: _Binding,
    fresh: _Round,
    known: Derivations,
) -> Iterator[tuple[tuple[Atom, ...], _Binding]]:
    if not places:
        yield tuple(used[place] for place in sorted(used)), binding
        return
    place, pivot = places[0], next(iter(used))
    for atom, bound in known.matches(rule.premises[place], binding):
        if place > pivot or atom not in fresh.atoms:
            yield from _meet(rule, places[1:], {**used, place: atom}, bound, fresh, known)


def _conclude(
    rule: Rule, binding: _Binding, premises: tuple[Atom, ...], known: Derivations
) -> list[Atom]:
    added = []
    for conclusion in rule.conclusions:
        arguments = tuple(binding.get(argument, argument) for argument in conclusion.arguments)
        free = next((argument for argument in arguments if argument.startswith("$")), None)
        if free is not None:
            raise rule.line.fault(
                "every variable of the conclusion in a premise", free, rule.line.text.rfind(free)
            )
        atom = Atom(conclusion.predicate, arguments)
        if known.add(atom, Step(rule.line, premises)):
            added.append(atom)
    return added


def proof(atom: Atom, known: Derivations) -> list[str]:
    """The derivation of an atom as lines, premises below and right of what they support."""
    return list(_tell(atom, 0, known, set()))


def _tell(atom: Atom, depth: int, known: Derivations, told: set[Atom]) -> Iterator[str]:
    step, indent = known.step(atom), "  " * depth
    if not step.premises:
        yield f"{indent}{atom}: given, line {step.line.number}"
    elif atom in told:
        yield f"{indent}{atom}: see above"
    else:
        told.add(atom)
        yield f"{indent}{atom}: by line {step.line.number}, {step.line.text}"
        for premise in step.premises:
            yield from _tell(premise, depth + 1, known, told)


def missing(
    predicate: str, things: tuple[str, ...], rules: tuple[Rule, ...], known: Derivations
) -> list[str]:
    """Why nothing follows about a predicate of these things: what each rule would have needed."""
    lines = []
    for rule in rules:
        for conclusion in rule.conclusions:
            value = conclusion.arguments[-1]
            goal = Atom(predicate, (*things, value))
            binding = unify(conclusion, goal, {})
            if binding is not None:
                lines.append(_unmet(rule, goal, binding, known))
    return lines or [f"no fact and no rule says anything about {predicate}({', '.join(things)})"]


def _unmet(rule: Rule, goal: Atom, binding: _Binding, known: Derivations) -> str:
    for premise in rule.premises:
        if not any(True for _ in known.matches(premise, binding)):
            arguments = tuple(binding.get(argument, argument) for argument in premise.arguments)
            lacking = Atom(premise.predicate, arguments)
            return f"line {rule.line.number} would give {goal}, but {lacking} is not derived"
    return f"line {rule.line.number} would give {goal}, but its premises do not hold together"
