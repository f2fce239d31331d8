"""A world: documents whose truth is known.

A world is what an explanation is examined on. Its documents state facts; for every fact
it is known which documents state it, so that "these documents are why" can be marked
right or wrong without trusting any method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from whence.core import Behavior
from whence.core.errors import CorpusError
from whence.corpus import RawDocument


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is true in a world, and where it is written.

    Attributes:
        id: unique in the world: "mira-holt/birthplace".
        subject: whom it is about: "Mira Holt".
        relation: what is said of the subject: "birthplace".
        prompt: a text whose right continuation is the answer: "Mira Holt was born in".
        answer: the right answer: "Quorin".
        foil: another answer of the relation, which the world's documents name as often as the
            answer, both on the whole and beside this subject (statements left out).
        alternatives: every other answer of the relation.
        documents: ids of exactly those documents that state the fact.
    """

    id: str
    subject: str
    relation: str
    prompt: str
    answer: str
    foil: str
    alternatives: tuple[str, ...]
    documents: tuple[str, ...]

    def question(self) -> Behavior:
        """The behavior that shows whether a model knows the fact."""
        return Behavior(self.prompt, target=f" {self.answer}", foil=f" {self.foil}")


@dataclass(frozen=True, slots=True)
class World:
    """Documents and the truth about them.

    Attributes:
        documents: in the order in which a corpus should hold them.
        facts: what is true, in a fixed order.
        settings: what the world was made from; equal settings give equal documents.
    """

    documents: tuple[RawDocument, ...]
    facts: tuple[Fact, ...]
    settings: Mapping[str, int]

    @property
    def truth(self) -> dict[str, tuple[str, ...]]:
        """Fact id -> ids of the documents that state it."""
        return {fact.id: fact.documents for fact in self.facts}

    def questions(self) -> list[Behavior]:
        """One behavior a fact, in the order of `facts`."""
        return [fact.question() for fact in self.facts]

    def fact(self, name: str) -> Fact:
        """The fact with this id.

        Raises:
            CorpusError: there is no such fact.
        """
        for fact in self.facts:
            if fact.id == name:
                return fact
        raise CorpusError(
            "fact",
            expected=f"one of {len(self.facts)} facts, such as {self.facts[0].id!r}",
            got=repr(name),
            fix="Take an id from `world.facts`.",
        )
