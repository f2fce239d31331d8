"""Documents, taken away by training again without them.

"Without document d" means one exact thing: the same recorded run, step for step, with
d's loss weight at 0. The tokens stay where they were, the other documents keep their
weights and the denominator of the loss does not move, so nothing else changes. One
removal therefore costs one training run, which the run caches under the digest of its
weights: asking twice costs once.

The effect is an effect *in this run*: another seed would give another number. With
`seeds`, values are averaged over runs that differ in their seed (*this recipe*).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from whence.core import Behavior, Cause, Kind
from whence.core.errors import InterventionError
from whence.corpus import Corpus
from whence.interventions.interface import check_keep
from whence.models import values as model_values
from whence.training import Replay, Run

_SHOWN = 160


def document_causes(
    corpus: Corpus, groups: Mapping[str, Sequence[str]] | None = None
) -> tuple[Cause, ...]:
    """The documents of a corpus as causes, or named groups of them.

    Args:
        corpus: the documents.
        groups: name -> document ids; None makes each document a cause of its own.

    Raises:
        InterventionError: a group is empty.
    """
    lengths = corpus.lengths
    if groups is None:
        return tuple(
            Cause("document", name, size=float(lengths[i])) for i, name in enumerate(corpus.ids)
        )
    causes = []
    for name, members in groups.items():
        if not members:
            raise InterventionError(
                f"group {name!r}",
                expected="at least one document",
                got="none",
                fix="Leave the group out or name its documents.",
            )
        rows = [corpus.position(member) for member in members]
        causes.append(
            Cause(
                "document",
                name,
                text=f"{len(rows)} documents",
                members=tuple(members),
                stratum="group",
                size=float(lengths[rows].sum()),
            )
        )
    return tuple(causes)


def document_text(corpus: Corpus, cause: Cause) -> str:
    """What a person reads of a cause: a document's beginning, or its group's first one's."""
    text = corpus.document(cause.members[0]).text.strip()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class Documents:
    """Takes training documents away by replaying a recorded run without them.

    Attributes:
        run: the recorded training.
        causes: its documents, or the groups that were given.
    """

    kind: Kind = "document"
    cheap = False

    def __init__(
        self,
        run: Run,
        *,
        groups: Mapping[str, Sequence[str]] | None = None,
        workers: int | None = None,
        seeds: Sequence[int] | None = None,
        engine: str = "processes",
        stack: int | None = None,
    ) -> None:
        """Make the documents of a run removable.

        Args:
            run: the recorded training.
            groups: name -> document ids; None makes each document a cause of its own.
            workers: worker processes for replays; None takes as many as the cores allow.
            seeds: average over replays with these seeds in place of the run's own.
            engine: what makes replays: "processes", "ray" or "serial".
            stack: replays that are made as one computation; 1 makes each alone, None stacks
                where that measured faster.
        """
        self.run = run
        self.corpus = run.corpus()
        self.causes = document_causes(self.corpus, groups)
        self.workers, self.engine, self.stack = workers, engine, stack
        self.seeds = tuple(seeds) if seeds is not None else None
        self._rows = [
            np.array([self.corpus.position(m) for m in cause.members]) for cause in self.causes
        ]

    @property
    def scope(self) -> str:
        """What a measured effect holds for."""
        return "this run" if self.seeds is None else "this recipe"

    def describe(self) -> dict[str, Any]:
        """How documents are taken away; everything that can change a number."""
        return {
            "kind": self.kind,
            "removal": "replay with loss weight 0",
            "run": self.run.digest,
            "corpus": self.corpus.digest,
            "seeds": None if self.seeds is None else list(self.seeds),
            "groups": len(self.causes) if any(len(c.members) > 1 for c in self.causes) else None,
            **({"stacked": True} if self.run.stacked_apart(self.stack) else {}),
        }

    def weights(self, keep: Bool[np.ndarray, " cause"]) -> Float[np.ndarray, " document"]:
        """Document weights of one removal: 0 for every member of a removed cause, else 1."""
        weights = np.ones(self.corpus.n_documents)
        for column in np.flatnonzero(~keep):
            weights[self._rows[column]] = 0.0
        return weights

    def sums(
        self, by_document: Float[np.ndarray, "behavior document"]
    ) -> Float[np.ndarray, "behavior cause"]:
        """Numbers of single documents, added up over each cause's members."""
        return np.stack([by_document[:, rows].sum(1) for rows in self._rows], axis=1)

    def measure(
        self, behaviors: Sequence[Behavior], keep: Bool[np.ndarray, "subset cause"]
    ) -> Float[np.ndarray, "behavior subset"]:
        """Values of behaviors after training without the removed documents.

        Args:
            behaviors: what is measured.
            keep: one row a removal; False marks a cause that is taken away.

        Returns:
            Nats. A row that keeps everything gives the run's own final model, to the last bit.

        Raises:
            InterventionError: `keep` has another shape, or removes documents that were in no
                step of the run.
        """
        check_keep(keep, self.causes)
        weights = [self.weights(row) for row in keep]
        self.check_touched(weights)
        if self.seeds is None:
            return self._values(behaviors, weights, None)
        each = np.stack([self._values(behaviors, weights, seed) for seed in self.seeds])
        average: Float[np.ndarray, "behavior subset"] = each.mean(axis=0)
        return average

    def replays(
        self, weights: Sequence[Float[np.ndarray, " document"]], seed: int | None = None
    ) -> list[Replay]:
        """Trainings with these weights, made as this intervention was told to."""
        return self.run.replay_many(
            weights, workers=self.workers, seed=seed, engine=self.engine, stack=self.stack
        )

    def _values(
        self,
        behaviors: Sequence[Behavior],
        weights: list[Float[np.ndarray, " document"]],
        seed: int | None,
    ) -> Float[np.ndarray, "behavior subset"]:
        different = {row.tobytes(): row for row in weights if seed is not None or (row != 1).any()}
        replays = self.replays(list(different.values()), seed)
        made = dict(zip(different, replays, strict=True))
        columns: dict[bytes, Float[np.ndarray, " behavior"]] = {}
        for row in weights:
            key = row.tobytes()
            if key not in columns:
                # Opened one after the other: a hundred models need not fit into memory at once.
                model = made[key].model() if key in made else self.run.model()
                columns[key] = model_values(model, behaviors)
        measured = np.empty((len(behaviors), len(weights)))
        for number, row in enumerate(weights):
            measured[:, number] = columns[row.tobytes()]
        return measured

    def check_touched(self, weights: Sequence[Float[np.ndarray, " document"]]) -> None:
        """Complain about removals that change nothing.

        Raises:
            InterventionError: one removes only documents that were in no step of the run.
        """
        for row in weights:
            removed = np.flatnonzero(row != 1)
            if removed.size and self.run.first_step_of(removed.tolist()) > self.run.steps:
                name = self.corpus.ids[int(removed[0])]
                raise InterventionError(
                    f"document {name!r}",
                    expected="a document that the run trained on",
                    got="one that is in none of its steps",
                    fix="Train for more steps, or remove documents that were seen.",
                )
