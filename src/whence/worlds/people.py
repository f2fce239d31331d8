"""A world of invented people, with look-alike documents for every fact.

Every fact ("Mira Holter was born in Quorin") is stated in a known number of documents, some
in the question's words and some in others. Around it stand documents that share its words
without stating it: the same person and the same place in another role, the question's words
with another end, a namesake who really was born there, a description of the place. So the
words alone (BM25, exact spans) do not find the documents that state the fact.

First names and last names are shared between people: a model has to read both. Answers and
foils are named equally often: each relation deals out its answers in turn, and the foil of an
answer is the one a fixed number of places further on.

    >>> from whence.worlds import people
    >>> world = people(20, seed=0)
    >>> len(world.facts[0].documents)
    5
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from whence.core.errors import SourceError
from whence.core.seeds import generator
from whence.corpus import RawDocument
from whence.worlds.people_text import (
    ENDINGS,
    FIRST,
    LAST,
    LEADS,
    MIDDLES,
    OPENINGS,
    PLACE,
    RELATIONS,
    SOURCES,
    TAILS,
    Relation,
)
from whence.worlds.world import Fact, World

_Name = tuple[str, str]
_LIMITS = {
    "n_people": (4, 64),
    "statements_per_fact": (1, 10),
    "relations_per_person": (1, len(RELATIONS)),
    "mentions_per_fact": (0, 5),
    "bare_per_fact": (0, 4),
    "namesakes_per_fact": (0, 3),
    "about_per_answer": (0, 3),
    "strangers_per_answer": (0, 2),
    "answers_per_relation": (2, 8),
    "fillers": (0, 100_000),
}


def people(
    n_people: int = 20,
    seed: int = 0,
    *,
    statements_per_fact: int = 5,
    relations_per_person: int = 2,
    mentions_per_fact: int = 2,
    bare_per_fact: int = 1,
    namesakes_per_fact: int = 1,
    about_per_answer: int = 2,
    strangers_per_answer: int = 1,
    answers_per_relation: int = 8,
    fillers: int = 120,
) -> World:
    """Make the world of a seed. Equal arguments give equal bytes.

    Args:
        n_people: people who are asked about.
        seed: decides everything that is drawn.
        statements_per_fact: documents that state each fact; three in five of them (rounded up)
            in the question's words.
        relations_per_person: facts about each person.
        mentions_per_fact: documents with the person, the question's words and the answer that
            state nothing; as many with the foil.
        bare_per_fact: documents with the person and the question's words alone.
        namesakes_per_fact: documents that state the answer of somebody with the same first or
            last name; as many that state the foil.
        about_per_answer: documents about each answer without a person.
        strangers_per_answer: documents that state each answer of somebody whose name is like
            nobody else's; so an answer stays one after the statements of its fact are gone.
        answers_per_relation: how many different answers a relation has.
        fillers: documents about none of it.

    Returns:
        The world; a fact's `documents` are exactly the ones that state it.

    Raises:
        SourceError: a number is outside its limits.
    """
    settings = {k: v for k, v in locals().items() if k != "seed"}
    for name, value in settings.items():
        low, high = _LIMITS[name]
        if not low <= value <= high:
            raise SourceError(
                f"people({name}=...)",
                expected=f"a number from {low} to {high}",
                got=str(value),
                fix="Choose a number inside these limits.",
            )
    return _Writer(seed, settings).world()


class _Writer:
    """Writes one world; holds what has been said so far, so that nothing contradicts it."""

    def __init__(self, seed: int, settings: dict[str, int]) -> None:
        self.seed, self.settings = seed, settings
        rng = self.rng("names")
        self.firsts, self.lasts, places = (_words(p, rng) for p in (FIRST, LAST, PLACE))
        n = settings["n_people"]
        # Each name is dealt out at least twice, and no two people get the same two.
        k = n // 2
        self.subjects = [(self.firsts[i % k], self.lasts[(i + i // k) % k]) for i in range(n)]
        self.answers = {
            r.name: _some(r.answers or places, settings["answers_per_relation"], rng)
            for r in RELATIONS
        }
        self.strangers = ((first, last) for last, first in product(self.lasts[k:], self.firsts[k:]))
        self.said: dict[tuple[_Name, str], str] = {}
        self.texts: list[tuple[str, str | None]] = []  # text, and the fact that it states

    def rng(self, *names: str) -> np.random.Generator:
        return generator(self.seed, "people", *names)

    def world(self) -> World:
        drafts = [self.fact(*assigned) for assigned in self.assignments()]
        for relation in RELATIONS:
            for answer in self.answers[relation.name]:
                self.about(relation, answer)
        self.filler()
        order = self.rng("order").permutation(len(self.texts))
        width = len(str(len(order)))
        rng = self.rng("sources")
        documents, where = [], dict[str, list[str]]()
        for number, position in enumerate(order, start=1):
            text, stated = self.texts[position]
            source = SOURCES[rng.integers(len(SOURCES))]
            name = f"{source.split()[0]}-{number:0{width}d}"
            documents.append(RawDocument(name, text, {"source": source}))
            if stated is not None:
                where.setdefault(stated, []).append(name)
        facts = tuple(replace(draft, documents=tuple(where[draft.id])) for draft in drafts)
        return World(tuple(documents), facts, {"seed": self.seed, **self.settings})

    def assignments(self) -> Iterator[tuple[_Name, Relation, str, str]]:
        """Deal out relations to people and answers to facts, each equally often."""
        n = self.settings["relations_per_person"]
        chosen: dict[str, list[_Name]] = {r.name: [] for r in RELATIONS}
        for i, name in enumerate(self.subjects):
            for j in range(n):
                chosen[RELATIONS[(i * n + j) % len(RELATIONS)].name].append(name)
        for relation in RELATIONS:
            rng = self.rng("answers", relation.name)
            answers = self.answers[relation.name]
            step = int(rng.integers(1, len(answers)))
            for i, name in enumerate(chosen[relation.name]):
                answer, foil = (answers[(i + s) % len(answers)] for s in (0, step))
                self.said[name, relation.name] = answer
                yield name, relation, answer, foil

    def fact(self, name: _Name, relation: Relation, answer: str, foil: str) -> Fact:
        """Write everything around one fact: what states it and what only looks like it."""
        subject, settings = " ".join(name), self.settings
        fact_id = f"{'-'.join(name).lower()}/{relation.name}"
        rng = self.rng("fact", fact_id)
        n = settings["statements_per_fact"]
        n_stems = -(-3 * n // 5)
        statements = _some(relation.stems, n_stems, rng) + _some(
            relation.paraphrases, n - n_stems, rng
        )
        for template in statements:
            self.write(template, rng, n=subject, a=answer, states=fact_id)
        for template in _some(relation.bare, settings["bare_per_fact"], rng):
            self.write(template, rng, n=subject)
        mentions = _some(relation.mentions, settings["mentions_per_fact"], rng)
        for template, word in product(mentions, (answer, foil)):
            self.write(template, rng, n=subject, a=word)
        for word in (answer, foil):
            for template in _some(relation.namesakes, settings["namesakes_per_fact"], rng):
                self.write(template, rng, n=self.namesake(name, relation, word, rng), a=word)
        alternatives = tuple(a for a in self.answers[relation.name] if a != answer)
        prompt = relation.question.format(n=subject)
        return Fact(fact_id, subject, relation.name, prompt, answer, foil, alternatives, ())

    def namesake(
        self, name: _Name, relation: Relation, answer: str, rng: np.random.Generator
    ) -> str:
        """Somebody else with the same first or last name, of whom this answer can be true."""
        first, last = name
        near = [(f, last) for f in self.firsts] + [(first, x) for x in self.lasts]
        for i in rng.permutation(len(near)):
            other = near[i]
            if other in self.subjects:
                continue
            if self.said.setdefault((other, relation.name), answer) == answer:
                return " ".join(other)
        raise SourceError(
            "people(namesakes_per_fact=...)",
            expected="fewer namesakes than there are names left",
            got=f"no name left for a namesake of {' '.join(name)}",
            fix="Ask for fewer people or fewer namesakes.",
        )

    def about(self, relation: Relation, answer: str) -> None:
        rng = self.rng("about", relation.name, answer)
        for template in _some(relation.strangers, self.settings["strangers_per_answer"], rng):
            self.write(template, rng, n=" ".join(next(self.strangers)), a=answer)
        for template in _some(relation.about, self.settings["about_per_answer"], rng):
            self.write(template, rng, a=answer)

    def filler(self) -> None:
        rng = self.rng("fillers")
        for _ in range(self.settings["fillers"]):
            parts = [str(rng.choice(words)) for words in (OPENINGS, MIDDLES, ENDINGS)]
            self.write(" ".join(parts) + ".", rng)

    def write(
        self, template: str, rng: np.random.Generator, *, states: str | None = None, **slots: str
    ) -> None:
        """Fill a template, lead in and close some, and remember what each states."""
        lead = str(rng.choice(LEADS)) if template.startswith("{n}") else ""
        tails = _some(TAILS, int(rng.integers(0, 2)), rng)
        self.texts.append((" ".join([lead + template.format(**slots), *tails]), states))


def _words(syllables: tuple[Sequence[str], Sequence[str]], rng: np.random.Generator) -> list[str]:
    words = sorted(a + b for a, b in product(*syllables))
    return [words[i] for i in rng.permutation(len(words))]


def _some(things: Sequence[str], n: int, rng: np.random.Generator) -> list[str]:
    """Draw n things; none comes back before all have come once."""
    drawn: list[str] = []
    while len(drawn) < n:
        drawn += [things[i] for i in rng.permutation(len(things))]
    return drawn[:n]
