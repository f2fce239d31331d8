"""Rules: for a target relation, sequences of relations that may lead to its tails."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from whence.core.errors import GraphError
from whence.core.records import write_json
from whence.reasoning.paths.graph import Graph

_NUMBERS = re.compile(r"\(\s*\d+(\s*,\s*\d+)*\s*,?\s*\)")


@dataclass(frozen=True)
class Rule:
    """A sequence of relations with its weight.

    Attributes:
        path: relations by number, from the head to the tail.
        weight: of its probability in the score of a tail.
        count: training edges of the target relation that it reaches.
    """

    path: tuple[int, ...]
    weight: float = 1.0
    count: int = 0


RuleSet = Mapping[int, tuple[Rule, ...]]
"""Rules by the number of their target relation."""


def read_rules(path: Path, graph: Graph, longest: int | None = None) -> dict[int, tuple[Rule, ...]]:
    """Read rules as released: target -> "(r1, r2, ...)" -> count and weight, by number.

    Relations may also be names, and a path names between blanks, as `write_rules` writes.

    Args:
        path: a JSON file.
        graph: says what relations there are.
        longest: leave out rules of more relations.

    Raises:
        GraphError: the file is missing, has another form, or names unknown relations.
    """
    form = 'a JSON record: target -> "(r1, r2)" -> {"weight": ..., "count": ...}'
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        found = {
            _relation(target, graph): tuple(
                Rule(_path(text, graph), float(facts["weight"]), int(facts.get("count", 0)))
                for text, facts in rules.items()
            )
            for target, rules in record.items()
        }
    except FileNotFoundError:
        raise GraphError(str(path), expected=form, got="no such file", fix="Check it.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__}: {error}"
        raise GraphError(str(path), expected=form, got=got, fix="Check the file.") from error
    return {
        target: tuple(rule for rule in rules if longest is None or len(rule.path) <= longest)
        for target, rules in found.items()
    }


def _path(text: str, graph: Graph) -> tuple[int, ...]:
    if _NUMBERS.fullmatch(text):
        return tuple(_relation(number, graph) for number in re.findall(r"\d+", text))
    return tuple(_relation(name, graph) for name in text.split())


def _relation(text: str, graph: Graph) -> int:
    if text in graph.relation_numbers:
        return graph.relation_numbers[text]
    if text.isdigit() and int(text) < len(graph.relations):
        return int(text)
    raise KeyError(f"unknown relation {text}")


def write_rules(path: Path, rules: RuleSet, graph: Graph) -> None:
    """Write rules with names instead of numbers, so that they can be read and edited."""
    record = {
        graph.relations[target]: {
            " ".join(graph.relations[r] for r in rule.path): {
                "weight": rule.weight,
                "count": rule.count,
            }
            for rule in found
        }
        for target, found in rules.items()
    }
    write_json(path, record)
