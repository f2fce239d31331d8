"""Problems of the ProntoQA kind with known proofs: invented kinds of things, one chain.

    Every droven is a selku. Each selku is a fimple. Fimples are not loud. Ada is a droven.
    True or false: Ada is loud.

A chain of kinds leads from what the named one is to a kind with the property that is asked
about; `depth` counts its rules. Around it stand distractors: kinds beside the chain, other
properties, and one kind out of reach that has the opposite property, so that looking the
property up is not enough. Names are made of syllables, so nothing can be known beforehand.

The same problem comes as text, as a logic program and with its proof, so that a model that
was trained on the text and the solver can be compared. Kind of problem: Saparov and He,
"Language models are greedy reasoners" (2023).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from whence.core.errors import LogicError
from whence.core.seeds import generator
from whence.reasoning.logic.scoring import Problem

_PEOPLE = ("Ada", "Ben", "Cleo", "Dov", "Ema", "Finn", "Gia", "Hugo", "Ina", "Jon")
_PROPERTIES = (
    *("loud", "brave", "green", "heavy", "warm", "shiny", "bitter", "tall", "round", "calm"),
    *("wooden", "quick", "bright", "hollow", "sharp", "dusty", "gentle", "sweet", "thin", "pale"),
)
_STARTS = ("dr", "s", "f", "gl", "m", "pl", "t", "v", "kr", "b", "n", "r")
_VOWELS = ("a", "e", "i", "o", "u")
_MIDDLES = ("lk", "mp", "nt", "v", "rb", "st", "g", "dd", "sh", "z")
_ENDS = ("en", "le", "o", "um", "ik", "ar")
_KINDS_MOST = 400


@dataclass(frozen=True)
class PuzzleSettings:
    """What problems are like.

    Attributes:
        depth: rules in the proof, from 1: the kinds that lead on, and one with the property.
        distractors: kinds beside the chain.
        seed: equal seeds give equal problems.

    Raises:
        LogicError: numbers that no problem can have.
    """

    depth: int = 3
    distractors: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.depth < 1 or self.distractors < 0 or self.depth + self.distractors > _KINDS_MOST:
            raise LogicError(
                "puzzles",
                expected=f"a depth from 1, and at most {_KINDS_MOST} kinds in all",
                got=f"depth {self.depth}, {self.distractors} distractors",
                fix="Choose other numbers.",
            )


@dataclass(frozen=True)
class Statement:
    """A sentence and what it says as a logic program.

    Attributes:
        text: for people and models.
        logic: a fact, or a rule with `>>>`.
    """

    text: str
    logic: str


@dataclass(frozen=True)
class Puzzle:
    """A problem with its proof.

    Attributes:
        id: tells the seed and the number.
        statements: the context, in the order in which it is told.
        asked: what may be true or false.
        query: the same as a logic program has it.
        answer: A if it is true, B if it is false.
        proof: the statements that decide it, from the fact to the property.
        depth: rules in the proof.
    """

    id: str
    statements: tuple[Statement, ...]
    asked: str
    query: str
    answer: str
    proof: tuple[Statement, ...]
    depth: int

    @property
    def text(self) -> str:
        """Context and question, as a model is asked."""
        context = " ".join(statement.text for statement in self.statements)
        return f"{context} True or false: {self.asked}"

    @property
    def solved_text(self) -> str:
        """Context, question, proof and answer, as a model may be taught."""
        steps = " ".join(statement.text for statement in self.proof)
        return f"{self.text} {steps} {'True' if self.answer == 'A' else 'False'}"

    @property
    def program(self) -> str:
        """The problem in the format of ProntoQA."""
        facts = [s.logic for s in self.statements if ">>>" not in s.logic]
        rules = [s.logic for s in self.statements if ">>>" in s.logic]
        parts = ("Predicates:", "Facts:", *facts, "Rules:", *rules, "Query:", self.query)
        return "\n".join(parts)

    def problem(self) -> Problem:
        """The problem as the solver's files have it."""
        return Problem(self.id, self.program, self.answer, self.text, ("A) True", "B) False"))

    def record(self) -> dict[str, Any]:
        """The puzzle as files of logic programs have problems, with its proof."""
        return {
            "id": self.id,
            "context": " ".join(statement.text for statement in self.statements),
            "question": f"True or false: {self.asked}",
            "options": ["A) True", "B) False"],
            "answer": self.answer,
            "raw_logic_programs": [self.program],
            "proof": [statement.text for statement in self.proof],
            "depth": self.depth,
        }


def puzzles(count: int, settings: PuzzleSettings) -> Iterator[Puzzle]:
    """Problems, as many true as false but for chance.

    Args:
        count: how many.
        settings: what they are like.
    """
    for number in range(count):
        yield _puzzle(f"puzzle-{settings.seed}-{number}", settings)


def _puzzle(name: str, settings: PuzzleSettings) -> Puzzle:
    draw = generator(settings.seed, name)
    kinds = _kind_names(settings.depth + settings.distractors + 1, draw)
    chain, beside = kinds[: settings.depth], kinds[settings.depth :]
    properties = draw.permutation(_PROPERTIES).tolist()
    person = str(draw.choice(_PEOPLE))
    asked_property, holds = properties.pop(), bool(draw.integers(2))
    steps = [_is_a(a, b, draw) for a, b in pairwise(chain)]
    proof = (
        Statement(f"{person} is {_article(chain[0])}.", f"{chain[0].title()}({person}, True)"),
        *steps,
        _has(chain[-1], asked_property, holds, draw),
    )
    others = _distractors(chain, beside, properties, draw)
    # Out of reach, and of the other value: looking the property up would be misled.
    others.append(_has(beside[-1], asked_property, not holds, draw))
    rules = [*proof[1:], *others]
    told = [rules[place] for place in draw.permutation(len(rules))]
    claims = bool(draw.integers(2))
    return Puzzle(
        name,
        (*told, proof[0]),
        f"{person} is {'' if claims else 'not '}{asked_property}.",
        f"{asked_property.title()}({person}, {claims})",
        "A" if claims == holds else "B",
        proof,
        settings.depth,
    )


def _distractors(
    chain: list[str], beside: list[str], properties: list[str], draw: np.random.Generator
) -> list[Statement]:
    """Kinds that the chain leads to but which do not matter, and properties not asked about."""
    found = [_is_a(str(draw.choice(chain)), kind, draw) for kind in beside[:-1]]
    for kind in (*chain[:-1], *beside[:-1]):
        if properties and draw.random() < 0.5:
            found.append(_has(kind, properties.pop(), bool(draw.integers(2)), draw))
    return found


def _kind_names(count: int, draw: np.random.Generator) -> list[str]:
    names: dict[str, None] = {}
    while len(names) < count:
        parts = (_STARTS, _VOWELS, _MIDDLES, _ENDS)
        names["".join(str(draw.choice(part)) for part in parts)] = None
    return list(names)


def _article(kind: str) -> str:
    return f"a {kind}"  # names begin with consonants


def _is_a(kind: str, other: str, draw: np.random.Generator) -> Statement:
    forms = (
        f"Every {kind} is {_article(other)}.",
        f"Each {kind} is {_article(other)}.",
        f"{kind.capitalize()}s are {other}s.",
    )
    logic = f"{kind.title()}($x, True) >>> {other.title()}($x, True)"
    return Statement(forms[draw.integers(len(forms))], logic)


def _has(kind: str, name: str, holds: bool, draw: np.random.Generator) -> Statement:
    said = f"{'' if holds else 'not '}{name}"
    forms = (
        f"Every {kind} is {said}.",
        f"Each {kind} is {said}.",
        f"{kind.capitalize()}s are {said}.",
    )
    logic = f"{kind.title()}($x, True) >>> {name.title()}($x, {holds})"
    return Statement(forms[draw.integers(len(forms))], logic)
