"""Values on their way out of a program: JSON, never pickles.

A program's globals are whatever it made them, so they are described by the child that ran
it, under its limits, and believed only as data: numbers, texts, lists, and for a sympy
expression its text beside its value.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_DEEPEST, _LONGEST = 20, 10_000
_BITS = 13_000  # Python itself turns no longer integers into text


@dataclass(frozen=True)
class Expression:
    """A symbolic result: its text, its kind, and its value where it is a real number."""

    text: str
    kind: str
    value: float | None = None


@dataclass(frozen=True)
class Other:
    """Anything else: the name of its type and its text."""

    kind: str
    text: str


def describe(value: Any, depth: int = 0) -> Any:
    """A value as JSON; what JSON has not is an object with the key "is"."""
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return value[:_LONGEST]
    if type(value) is int:
        return _describe_int(value)
    if type(value) is float:
        return value if math.isfinite(value) else {"is": "float", "text": repr(value)}
    known = _describe_many(value, depth) if depth < _DEEPEST else None
    return _describe_other(value) if known is None else known


def _describe_many(value: Any, depth: int) -> Any:
    """Lists, records and arrays; None for anything else."""
    if type(value) in (list, tuple):
        return [describe(each, depth + 1) for each in value[:_LONGEST]]
    if type(value) is dict:
        pairs = list(value.items())[:_LONGEST]
        found = [[describe(k, depth + 1), describe(v, depth + 1)] for k, v in pairs]
        return {"is": "dict", "pairs": found}
    return _describe_numpy(value, depth)


def _describe_int(value: int) -> Any:
    if value.bit_length() < 53:
        return value
    if value.bit_length() < _BITS:
        return {"is": "int", "text": str(value)}
    return {"is": "other", "kind": "int", "text": f"an integer of {value.bit_length()} bits"}


def _describe_numpy(value: Any, depth: int) -> Any:
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray | numpy.generic):
        return None
    if value.size > _LONGEST or value.dtype.kind not in "biufUS":
        return {"is": "other", "kind": type(value).__name__, "text": str(value)[:_LONGEST]}
    return {"is": "numpy", "value": describe(value.tolist(), depth + 1)}


def _describe_other(value: Any) -> Any:
    kind, text = type(value).__name__, str(value)[:_LONGEST]
    if type(value).__module__.split(".")[0] != "sympy":
        return {"is": "other", "kind": kind, "text": text}
    try:
        number = float(value)
    except Exception:
        number = math.nan
    known = number if math.isfinite(number) else None
    return {"is": "expression", "kind": kind, "text": text, "value": known}


def restore(record: Any) -> Any:
    """The value that `describe` described.

    Arrays of numpy come back as lists and numbers, symbolic results as `Expression`.

    Raises:
        ValueError: the record was not made by `describe`.
    """
    if isinstance(record, list):
        return [restore(each) for each in record]
    if isinstance(record, str):
        return writable(record)
    if not isinstance(record, dict):
        return record
    kind = record.get("is")
    try:
        return _RESTORED[str(kind)](record)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a described value: {record!r:.100}") from error


def writable(text: str) -> str:
    """A text without halves of characters, which no file or terminal would take."""
    return text.encode("utf-8", "replace").decode()


def _restore_expression(record: dict[str, Any]) -> Expression:
    value = record["value"]
    text, kind = (writable(str(record[name])) for name in ("text", "kind"))
    return Expression(text, kind, None if value is None else +value)


def _restore_dict(record: dict[str, Any]) -> dict[Any, Any]:
    pairs = [(restore(key), restore(value)) for key, value in record["pairs"]]
    return {_hashable(key): value for key, value in pairs}


def _hashable(key: Any) -> Any:
    if isinstance(key, list):
        return tuple(_hashable(each) for each in key)
    return str(key) if isinstance(key, dict) else key


_RESTORED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "int": lambda record: int(record["text"]),
    "float": lambda record: float(record["text"]),
    "dict": _restore_dict,
    "numpy": lambda record: restore(record["value"]),
    "expression": _restore_expression,
    "other": lambda record: Other(*(writable(str(record[name])) for name in ("kind", "text"))),
}
