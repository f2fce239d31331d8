"""What each field of a plan may be; a plan may come from a file that anybody wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Literal, get_args

from whence.core import KINDS
from whence.core.errors import PlanError

PLANNED = ("through-run", "tracin", "bm25", "exact-spans")
"""Methods whose sets a budget may remove; those of scores from elsewhere always are."""

Replacement = Literal["mean", "zero", "other", "resample"]
Unit = Literal["token", "word", "sentence", "demonstration", "turn", "span"]
Removal = Literal["drop", "drop-keep-positions", "mask", "replace", "sample", "sample-ngrams"]
Baseline = Literal["mean", "zero", "neutral"]


def _count(value: object) -> bool:
    return type(value) is int and value >= 1


def _each(fits: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, tuple) and all(fits(each) for each in value)


def _whole(value: object) -> bool:
    return type(value) is int and value >= 0


def _whole_up_to(most: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 0 <= value <= most


def _slope(value: object) -> bool:
    if not (isinstance(value, tuple) and len(value) == 2):
        return False
    method, slope = value
    return isinstance(method, str) and isinstance(slope, int | float) and isfinite(slope)


def _span(value: object) -> bool:
    return (isinstance(value, tuple) and len(value) == 2 and all(map(_whole, value))) and value[
        0
    ] < value[1]


_Rule = tuple[tuple[str, ...], Callable[[Any], bool], str]

# What each field of a plan must be; a plan may come from a file that anybody wrote.
_RULES: tuple[_Rule, ...] = (
    (
        ("by",),
        lambda v: bool(v) and _each(lambda k: k in KINDS)(v),
        f"one or more of {', '.join(KINDS)}",
    ),
    (("unit",), lambda v: v in get_args(Unit), f"one of {', '.join(get_args(Unit))}"),
    (("spans",), _each(_span), "pairs of characters, the first below the second"),
    (("baseline",), lambda v: v in get_args(Baseline), f"one of {', '.join(get_args(Baseline))}"),
    (("removal",), lambda v: v in get_args(Removal), f"one of {', '.join(get_args(Removal))}"),
    (
        ("replacement",),
        lambda v: v in get_args(Replacement),
        f"one of {', '.join(get_args(Replacement))}",
    ),
    (
        ("components",),
        _each(lambda u: u in ("head", "mlp", "layer", "stream")),
        "some of head, mlp, layer, stream",
    ),
    (
        ("groups",),
        lambda v: isinstance(v, str) and (v in ("", "near-duplicates") or v[:6] == "field:"),
        "near-duplicates or field:NAME",
    ),
    (
        ("tested",),
        _each(lambda m: m in PLANNED),
        f"methods out of {', '.join(PLANNED)}",
    ),
    (("embedding",), lambda v: isinstance(v, bool), "true or false"),
    (("through_run", "circuit"), lambda v: v is None or isinstance(v, bool), "true, false or null"),
    (("integrate",), _whole_up_to(16), "a whole number from 0 to 16"),
    (("slopes",), _each(_slope), "pairs of a method and nats per unit"),
    (("checkpoints",), _each(_count), "steps above 0"),
    (("seeds",), _each(_whole), "whole numbers, 0 or more"),
    (("seed",), _whole, "a whole number, 0 or more"),
    (
        ("other_prompt", "encoder", "separator", "neutral"),
        lambda v: v is None or isinstance(v, str),
        "a text",
    ),
    (
        (
            "integrated_steps",
            "draws",
            "references",
            "top_documents",
            "top_components",
            "most_exact",
            "top_tokens",
            "shown",
            "controls",
            "batch_size",
            "rows",
        ),
        _count,
        "a whole number, at least 1",
    ),
)


def check_fields(values: Mapping[str, Any]) -> None:
    """Hold fields of a plan against their rules."""
    for names, fits, expected in _RULES:
        for name in names:
            if name in values and not fits(values[name]):
                raise PlanError(
                    f"plan.{name}",
                    expected=expected,
                    got=repr(values[name]),
                    fix="Correct it, or leave it out for the default.",
                )


def as_tuples(value: Any) -> Any:
    """Lists of a JSON record as the tuples that a plan holds."""
    return tuple(as_tuples(each) for each in value) if isinstance(value, list) else value
