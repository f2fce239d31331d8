"""What every intervention offers: causes, and behaviors measured without some of them.

    measure(behaviors, keep) -> values

is all that a perturbing method or a judge needs to know, so that leave-one-out, Shapley
values and verification are written once for documents, components and tokens. Row s of
`keep` is one removal: False marks the causes that are taken away. A row that keeps
everything gives the model's own values to the last bit.

`measured` does this for the two interventions that change a forward pass; a removal by
training again has its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int
from transformers import DynamicCache

from whence.core import Behavior, Cause, Kind, index_of
from whence.core.errors import InterventionError
from whence.models import Model, Row, run_alike, run_rows

ValueOf = Callable[
    [Int[np.ndarray, " row"], list[Row], DynamicCache | None], Float[np.ndarray, " row"]
]
"""Values of some rows in one forward pass, from the behavior that each belongs to, and the past
that the pass goes on from."""


@runtime_checkable
class Intervention(Protocol):
    """A way to take causes away and to measure behaviors again."""

    @property
    def kind(self) -> Kind:
        """What its causes are: "document", "component" or "token"."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What can be taken away; the columns of `keep`."""

    @property
    def scope(self) -> str:
        """What a measured effect holds for: "this run", "this model" or "this recipe"."""

    @property
    def cheap(self) -> bool:
        """Whether one removal costs about one forward pass."""

    def measure(
        self, behaviors: Sequence[Behavior], keep: Bool[np.ndarray, "subset cause"]
    ) -> Float[np.ndarray, "behavior subset"]:
        """Values of behaviors, nats, with the causes that `keep` marks False taken away."""

    def describe(self) -> dict[str, Any]:
        """How things are taken away: everything that can change a number, as JSON."""


@runtime_checkable
class Passing(Intervention, Protocol):
    """An intervention in a forward pass, in which other things than values can be measured."""

    model: Model

    def measure(
        self,
        behaviors: Sequence[Behavior],
        keep: Bool[np.ndarray, "subset cause"],
        *,
        value: ValueOf | None = None,
    ) -> Float[np.ndarray, "behavior subset"]:
        """Values of behaviors, or whatever `value` computes."""


@runtime_checkable
class Drawing(Intervention, Protocol):
    """An intervention whose values are means over draws of what stands in a cause's place."""

    @property
    def draws(self) -> int:
        """How often it is drawn; 1 where nothing is."""

    def measure_draws(
        self, behaviors: Sequence[Behavior], keep: Bool[np.ndarray, "subset cause"]
    ) -> Float[np.ndarray, "behavior subset draw"]:
        """Values of behaviors in every draw, nats."""


def mean_draw(
    found: Float[np.ndarray, "behavior subset draw"],
) -> Float[np.ndarray, "behavior subset"]:
    """The mean over draws; of equal numbers it is that number, to the last bit."""
    first = found[..., :1]
    mean: Float[np.ndarray, "behavior subset"] = first[..., 0] + (found - first).mean(axis=-1)
    return mean


def check_keep(keep: np.ndarray, causes: Sequence[Cause]) -> None:
    """Complain about an array that does not say what to keep.

    Raises:
        InterventionError: it is not boolean, or not of one column a cause.
    """
    if keep.dtype != np.bool_ or keep.ndim != 2 or keep.shape[1] != len(causes):
        raise InterventionError(
            "keep",
            expected=f"a boolean array of any number of removals x {len(causes)} causes",
            got=f"{keep.dtype} of shape {keep.shape}",
            fix="Give one row a removal and one column a cause.",
        )


def about_passes(model: Model, batch_size: int) -> dict[str, Any]:
    """What can change a number in any forward pass, as JSON: model, type, device, batches."""
    return {
        "batch_size": batch_size,
        "model": model.digest,
        "dtype": str(model.dtype),
        "device": model.device.type,
    }


def keep_without(
    causes: tuple[Cause, ...], removals: Sequence[Sequence[str]]
) -> Bool[np.ndarray, "subset cause"]:
    """The `keep` array of removals that are given by the ids of their causes.

    Raises:
        InterventionError: an id is not among the causes.
    """
    keep = np.ones((len(removals), len(causes)), dtype=bool)
    for row, names in zip(keep, removals, strict=True):
        row[index_of(causes, list(names), "removal")] = False
    return keep


RowsOf = Callable[[int, int], tuple[Row, ...]]
Editing = Callable[
    [Int[np.ndarray, " row"], list[Row]], AbstractContextManager[DynamicCache | None]
]


def measured(
    model: Model,
    n_behaviors: int,
    keep: Bool[np.ndarray, "subset cause"],
    rows_of: RowsOf,
    *,
    batch_size: int,
    editing: Editing | None = None,
    value: ValueOf | None = None,
    alike: bool = False,
) -> Float[np.ndarray, "behavior subset"]:
    """Measure every behavior under every removal, many rows in a forward pass.

    Removals that keep everything are measured once, alone, in the very batches that
    `models.values` makes of these behaviors: the shapes of the matrix products are then the
    same, and so are the bits.

    Args:
        model: the model.
        n_behaviors: how many behaviors.
        keep: what stays.
        rows_of: the rows of a behavior under a removal (their numbers).
        batch_size: rows in one forward pass.
        editing: makes a context around a forward pass, from each row's removal and the rows; it
            gives the past that the pass goes on from, or None.
        value: what is measured; None means the signed sum of log-probabilities, nats.
        alike: whether many rows begin alike, so that beginnings are computed once; only without
            editing and with the usual value.
    """
    values = np.zeros((n_behaviors, len(keep)))
    whole = np.flatnonzero(keep.all(axis=1))
    part = np.flatnonzero(~keep.all(axis=1))

    def fill(removals: Int[np.ndarray, " n"]) -> None:
        jobs = [
            (b, s, row)
            for s in removals.tolist()
            for b in range(n_behaviors)
            for row in rows_of(b, s)
        ]
        rows = [row for _, _, row in jobs]
        removal = np.array([s for _, s, _ in jobs], dtype=np.int64)
        behavior = np.array([b for b, _, _ in jobs], dtype=np.int64)

        def around(
            batch: Int[np.ndarray, " row"],
        ) -> AbstractContextManager[DynamicCache | None]:
            chosen = [rows[i] for i in batch]
            return nullcontext() if editing is None else editing(removal[batch], chosen)

        def read(
            batch: Int[np.ndarray, " row"], past: DynamicCache | None
        ) -> Float[np.ndarray, " row"]:
            assert value is not None
            return value(behavior[batch], [rows[i] for i in batch], past)

        other = None if value is None else read
        if alike and not keep[removals].all() and editing is None and value is None:
            found = run_alike(model, rows, batch_size=batch_size)
        else:
            found = run_rows(model, rows, batch_size=batch_size, around=around, read=other)
        np.add.at(values, (behavior, removal), found)

    if whole.size:
        fill(whole[:1])
        values[:, whole] = values[:, whole[:1]]
    if part.size:
        fill(part)
    return values
