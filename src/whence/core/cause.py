"""A cause: anything that can be taken away.

A cause is one training document, one component of the model or one token of the
prompt, or a named group of such things (near-duplicates, a source, a word, a
layer). It is plain data: what it *means* to take it away is the business of an
intervention, which looks at `members`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from whence.core.errors import InterventionError

Kind = Literal["document", "component", "token"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing, or one named group of things, that can be taken away.

    Attributes:
        kind: "document", "component" or "token".
        id: unique among the causes of an intervention, and the same in every session.
        text: what a person reads: a document's beginning, a token's letters.
        members: ids of the single things in it; a single thing is its own only member.
        stratum: what a matched control must share exactly: "head", "mlp", a source.
        size: what a matched control should come near to: a document's length in tokens, the
            position of a token, the layer of a component.
    """

    kind: Kind
    id: str
    text: str = ""
    members: tuple[str, ...] = ()
    stratum: str = ""
    size: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InterventionError(
                f"cause {self.id!r}",
                expected=f"a kind out of {', '.join(KINDS)}",
                got=repr(self.kind),
                fix="Correct the kind.",
            )
        if not self.members:
            object.__setattr__(self, "members", (self.id,))

    def to_json(self) -> dict[str, Any]:
        """The record of this cause."""
        return {
            "kind": self.kind,
            "id": self.id,
            "text": self.text,
            "members": list(self.members),
            "stratum": self.stratum,
            "size": self.size,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Cause:
        """Read a cause from its record."""
        return cls(**{**record, "members": tuple(record["members"])})


def index_of(causes: tuple[Cause, ...], names: list[str], place: str) -> list[int]:
    """The positions of named causes.

    Raises:
        InterventionError: a name is not among the causes.
    """
    where = {cause.id: i for i, cause in enumerate(causes)}
    for name in names:
        if name not in where:
            known = ", ".join(list(where)[:8]) + (", ..." if len(where) > 8 else "")
            raise InterventionError(
                place,
                expected=f"one of {len(where)} causes ({known})",
                got=repr(name),
                fix="Name a cause that is there.",
            )
    return [where[name] for name in names]
