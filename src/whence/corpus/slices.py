"""Documents by what is known about them: masks for `Index.restricted`.

    where(corpus, ["language=de", "year>=1990"])     one truth value a document

Conditions on one field with `=` are alternatives; all others must hold together. Numbers are
compared as numbers, everything else as text, which puts dates of the form 2024-05-31 in order.
A document without the field fulfils `field=` and `field!=value` and nothing else.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from whence.core.errors import CorpusError
from whence.corpus.store import Corpus

_CONDITION = re.compile(r"(?P<field>.+?)(?P<sign>!=|<=|>=|=|<|>|~)(?P<value>.*)", re.DOTALL)
_ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class _Condition:
    field: str
    sign: str
    value: str


def where(corpus: Corpus, conditions: Sequence[str]) -> Bool[np.ndarray, " document"]:
    """Which documents fulfil conditions on their metadata.

    Args:
        corpus: the documents.
        conditions: `field=value`, `!=`, `<`, `<=`, `>`, `>=`, or `field~pattern` (a regular
            expression that is found in the value). The field `id` is the document's id.

    Raises:
        CorpusError: a condition cannot be read, there is no such field, or no document fulfils
            them.
    """
    kept = np.ones(corpus.n_documents, bool)
    alternatives: dict[str, Bool[np.ndarray, " document"]] = {}
    for text in conditions:
        condition = _read(text)
        found = _fulfil(corpus, condition, text)
        if condition.sign == "=":
            before = alternatives.get(condition.field)
            alternatives[condition.field] = found if before is None else before | found
        else:
            kept &= found
    for found in alternatives.values():
        kept &= found
    if not kept.any():
        raise CorpusError(
            "--where",
            expected="conditions that some document fulfils",
            got=" and ".join(conditions),
            fix=f"Look at a document's fields with: whence corpus show {corpus.path} 0",
        )
    return kept


def _read(text: str) -> _Condition:
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise CorpusError(
            "--where",
            expected="FIELD=VALUE, or !=, <, <=, >, >= or ~ in place of =",
            got=repr(text),
            fix="Write, for example: --where language=de",
        )
    return _Condition(match["field"].strip(), match["sign"], match["value"].strip())


def _fulfil(corpus: Corpus, condition: _Condition, text: str) -> Bool[np.ndarray, " document"]:
    names = ["id", *(name for name in corpus.metadata.column_names if name != "id")]
    if condition.field not in names:
        raise CorpusError(
            f"--where {text}",
            expected=f"a field out of {', '.join(names)}",
            got=repr(condition.field),
            fix="Name one of these.",
        )
    values = corpus.table.column(condition.field).to_pylist()
    test = _test(condition, values, text)
    return np.array([test(value) for value in values], bool)


def _test(condition: _Condition, values: Sequence[Any], text: str) -> Callable[[Any], bool]:
    """A test of one value."""
    if condition.sign == "~":
        try:
            pattern = re.compile(condition.value)
        except re.error as error:
            raise CorpusError(
                f"--where {text}", expected="a regular expression", got=str(error), fix="Mend it."
            ) from None
        return lambda v: v is not None and pattern.search(str(v)) is not None
    numbers = any(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if condition.sign in ("=", "!="):
        wanted: Any = _number(condition.value, text) if numbers and condition.value else None
        same = _same(condition.value, wanted)
        return same if condition.sign == "=" else lambda v: not same(v)
    compare = _ORDERS[condition.sign]
    bound: Any = _number(condition.value, text) if numbers else condition.value
    return lambda v: v is not None and bool(compare(v if numbers else str(v), bound))


def _same(text: str, number: float | None) -> Callable[[Any], bool]:
    if not text:
        return lambda v: v is None or v == ""
    if number is not None:
        return lambda v: v == number
    return lambda v: v is not None and str(v) == text


def _number(text: str, place: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CorpusError(
            f"--where {place}",
            expected="a number, as the field holds numbers",
            got=repr(text),
            fix="Give a number.",
        ) from None
