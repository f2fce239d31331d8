"""Scores: what a method says each cause does to each behavior.

One unit and one sign, whatever the method: *nats by which the behavior is predicted to
fall when this cause is removed* (positive: the cause supports the behavior). A method
that can only order causes says so (`unit="rank"`), and predicts no size until somebody
calibrates it.

The estimand says which removal is predicted:

    alone      this cause is removed, everything else stays
    average    mean effect over random subsets of the other causes (Shapley, datamodels, COAR)
    additive   this cause's share in the effect of removing a set (gradients)

Scores are plain data, so that the judge needs to know nothing about the method. They lie in a
folder that any program can write (docs/scores-in-a-folder.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from whence.core.arrays import save_array
from whence.core.behavior import Behavior
from whence.core.cause import Cause
from whence.core.errors import DamagedError, MethodError, UserError
from whence.core.records import MANIFEST, building, check_sizes, read_json, write_json

Estimand = Literal["alone", "average", "additive"]
Unit = Literal["nats", "rank"]
ESTIMANDS: tuple[Estimand, ...] = get_args(Estimand)
UNITS: tuple[Unit, ...] = get_args(Unit)

VERSION = 1
RECORD = "scores.json"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a result cost.

    Attributes:
        seconds: wall time; kept apart from everything that must be equal between equal plans.
        forwards: forward passes of single sequences.
        backwards: backward passes of single sequences.
        trainings: whole training runs.
    """

    seconds: float = 0.0
    forwards: int = 0
    backwards: int = 0
    trainings: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.seconds + other.seconds,
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.trainings + other.trainings,
        )

    def to_json(self) -> dict[str, float]:
        """The record of this cost."""
        return {
            "seconds": round(self.seconds, 3),
            "forwards": self.forwards,
            "backwards": self.backwards,
            "trainings": self.trainings,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a method looked at.

    Attributes:
        what: in words: "all 40 heads and MLPs", "12 of 14 tokens (special ones left out)".
        share: of the parameters, modules, documents or tokens that could have mattered, in [0, 1].
    """

    what: str
    share: float

    def to_json(self) -> dict[str, Any]:
        """The record of this coverage."""
        return {"what": self.what, "share": self.share}


@dataclass(frozen=True, eq=False, slots=True)
class Scores:
    """Predicted fall of every behavior when each cause is removed.

    Attributes:
        values: nats (or, with unit "rank", any number whose order means something); NaN where
            the method has nothing to say.
        behaviors: the rows of `values`.
        causes: the columns of `values`.
        method: its name, such as "leave-one-out".
        estimand: which removal is predicted.
        unit: "nats", or "rank" for a method that predicts no size.
        settings: everything that can change the numbers.
        cost: what it took.
        coverage: what it looked at.
        errors: standard error of each value, in its unit, from the method's own sampling; None
            for a method that does not sample.
    """

    values: Float[np.ndarray, "behavior cause"]
    behaviors: tuple[Behavior, ...]
    causes: tuple[Cause, ...]
    method: str
    estimand: Estimand
    unit: Unit = "nats"
    settings: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    coverage: Coverage = field(default_factory=lambda: Coverage("everything", 1.0))
    errors: Float[np.ndarray, "behavior cause"] | None = None

    def __post_init__(self) -> None:
        expected = (len(self.behaviors), len(self.causes))
        for array in (self.values, self.values if self.errors is None else self.errors):
            if array.shape != expected:
                raise MethodError(
                    f"scores of {self.method}",
                    expected=f"an array of {expected[0]} behaviors x {expected[1]} causes",
                    got=f"shape {array.shape}",
                    fix="Give one row a behavior and one column a cause.",
                )
        for name, known in (("estimand", ESTIMANDS), ("unit", UNITS)):
            if getattr(self, name) not in known:
                raise MethodError(
                    f"scores of {self.method}",
                    expected=f"{name} to be one of {', '.join(known)}",
                    got=repr(getattr(self, name)),
                    fix="Say which removal the numbers predict, and in what.",
                )

    def top(self, behavior: int, k: int) -> Int[np.ndarray, " k"]:
        """Positions of the k causes that support a behavior most, strongest first.

        Ties go to the earlier cause; causes without a score (NaN) never appear, so fewer
        than k may come back.
        """
        row = self.values[behavior]
        order: Int[np.ndarray, " n"] = np.argsort(-row, kind="stable")
        scored: Int[np.ndarray, " m"] = order[np.isfinite(row[order])]
        return scored[:k]

    def about(self, behaviors: Sequence[Behavior]) -> Scores:
        """The rows of some behaviors, in the order given.

        Raises:
            MethodError: a behavior was not scored.
        """
        where = {behavior: i for i, behavior in enumerate(self.behaviors)}
        lacking = [b for b in behaviors if b not in where]
        if lacking:
            raise MethodError(
                f"scores of {self.method}",
                expected=f"a row for {lacking[0].prompt!r} and its target",
                got=f"rows for {len(where)} other behaviors",
                fix="Score this behavior too.",
            )
        rows = [where[b] for b in behaviors]
        errors = None if self.errors is None else self.errors[rows]
        return replace(self, behaviors=tuple(behaviors), values=self.values[rows], errors=errors)

    def calibrated(self, slope: float, source: str) -> Scores:
        """The same scores in nats: values times a slope that was fitted to measured falls.

        Args:
            slope: nats per unit of the raw score.
            source: what the slope was fitted to; kept in the settings.
        """
        return replace(
            self,
            values=self.values * slope,
            errors=None if self.errors is None else self.errors * abs(slope),
            unit="nats",
            settings={**self.settings, "calibration": {"slope": slope, "source": source}},
        )

    def save(self, folder: Path | str) -> None:
        """Write a plain folder: `scores.json`, `values.npy` and perhaps `errors.npy`, sealed."""
        with building(Path(folder)) as temporary:
            save_array(temporary / "values.npy", self.values)
            if self.errors is not None:
                save_array(temporary / "errors.npy", self.errors)
            write_json(
                temporary / RECORD,
                {
                    "version": VERSION,
                    "method": self.method,
                    "estimand": self.estimand,
                    "unit": self.unit,
                    "settings": dict(self.settings),
                    "cost": self.cost.to_json(),
                    "coverage": self.coverage.to_json(),
                    "behaviors": [b.to_json() for b in self.behaviors],
                    "causes": [c.to_json() for c in self.causes],
                },
            )

    @classmethod
    def load(cls, folder: Path | str) -> Scores:
        """Read scores, ours or anybody's, from their folder.

        Raises:
            DamagedError: a file is missing, truncated, or of a version this code cannot read.
        """
        folder = Path(folder)
        if (folder / MANIFEST).is_file():  # other programs need not write one
            check_sizes(folder)
        record = read_json(folder / RECORD)
        version = record.get("version") if isinstance(record, dict) else None
        if version != VERSION:
            raise DamagedError(
                str(folder / RECORD),
                expected=f"version {VERSION}",
                got=f"version {version}",
                fix="Write the scores again with this version of Whence.",
            )
        try:
            values = _array(folder, "values")
            if values is None:
                raise FileNotFoundError("values.npy")
            return cls(
                values=values,
                behaviors=tuple(Behavior.from_json(b) for b in record["behaviors"]),
                causes=tuple(_cause(c) for c in record["causes"]),
                method=record["method"],
                estimand=record["estimand"],
                unit=record["unit"],
                settings=record.get("settings", {}),
                cost=Cost(**record.get("cost", {})),
                coverage=Coverage(**record.get("coverage", {"what": "not told", "share": 1.0})),
                errors=_array(folder, "errors"),
            )
        except (KeyError, TypeError, ValueError, OSError, UserError) as error:
            raise DamagedError(
                str(folder),
                expected="scores.json and values.npy as docs/scores-in-a-folder.md describes them",
                got=f"{type(error).__name__}: {error}",
                fix="Write the scores again.",
            ) from error


def _array(folder: Path, name: str) -> Float[np.ndarray, "behavior cause"] | None:
    """An array beside the record: NAME.npy, or "NAME" in NAME.safetensors; None without either."""
    plain, tensors = folder / f"{name}.npy", folder / f"{name}.safetensors"
    if plain.is_file():
        found = np.load(plain, allow_pickle=False)
    elif tensors.is_file():
        from safetensors.numpy import load_file  # noqa: PLC0415  (few folders need it)

        found = load_file(tensors)[name]
    else:
        return None
    return np.asarray(found, dtype=np.float64)


def _cause(record: Mapping[str, Any] | str) -> Cause:
    """A cause, or a document named by its id alone."""
    if isinstance(record, str):
        return Cause("document", record)
    return Cause.from_json({"members": (), **record})
