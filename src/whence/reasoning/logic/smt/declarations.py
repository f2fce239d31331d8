"""Declarations: finite sorts, whole numbers with names, and functions between sorts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from whence.reasoning.logic.program import Line

_ENUM = re.compile(r"(\w+)\s*=\s*EnumSort\(\s*\[(.*)\]\s*\)$")
_INT = re.compile(r"(\w+)\s*=\s*IntSort\(\s*\[(.*)\]\s*\)$")
_FUNCTION = re.compile(r"(\w+)\s*=\s*Function\((.*)\)$")
_MEMBER = re.compile(r"[A-Za-z_]\w*$")
BUILT_IN = ("bool", "int")


@dataclass(frozen=True)
class Declarations:
    """What a program may speak of.

    Attributes:
        sorts: finite sorts of things, with their members.
        ranges: names of ranges of whole numbers, with the numbers.
        named: names of lists of named whole numbers, whose values constraints decide.
        views: lists over members that another sort has declared.
        functions: argument sorts and, last, the sort of the value; with their lines.
    """

    sorts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: dict[str, tuple[int, ...]] = field(default_factory=dict)
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)
    views: dict[str, tuple[str, ...]] = field(default_factory=dict)
    functions: dict[str, tuple[tuple[str, ...], Line]] = field(default_factory=dict)

    def is_number_sort(self, name: str) -> bool:
        """Whether things of a sort are whole numbers."""
        return name == "int" or name in self.ranges or name in self.named


def declares(line: Line) -> bool:
    """Whether a line declares something, and is no constraint."""
    return "Sort" in line.text or "Function" in line.text


def read_declarations(lines: Iterable[Line]) -> Declarations:
    """Read declarations in their order; lines that declare nothing are left out.

    Raises:
        LogicError: with the line of a declaration that cannot be read.
    """
    found = Declarations()
    for line in lines:
        if "EnumSort" in line.text:
            _enum(line, found)
        elif "IntSort" in line.text:
            _int(line, found)
        elif "Function" in line.text:
            _function(line, found)
    for signature, line in found.functions.values():
        known = {*found.sorts, *found.ranges, *found.named, *BUILT_IN}
        unknown = next((name for name in signature if name not in known), None)
        if unknown is not None:
            raise line.fault("declared sorts, bool or int", unknown, line.text.find(unknown))
    return found


def _match(line: Line, pattern: re.Pattern[str], form: str) -> tuple[str, str]:
    match = pattern.match(line.text)
    if match is None:
        raise line.fault(form, repr(line.text))
    return match[1], match[2]


def _members(line: Line, text: str) -> tuple[str, ...]:
    members = tuple(member.strip() for member in text.split(","))
    for member in members:
        if not _MEMBER.match(member):
            raise line.fault("names as members", repr(member), line.text.find(member))
    if len(set(members)) < len(members):
        raise line.fault("members that differ", text)
    return members


def _enum(line: Line, found: Declarations) -> None:
    name, text = _match(line, _ENUM, "NAME = EnumSort([A, B, ...])")
    values = [value.strip() for value in text.split(",")]
    if all(value.isdigit() for value in values):
        found.ranges[name] = tuple(map(int, values))
        return
    members = _members(line, text)
    known = {member for others in found.sorts.values() for member in others}
    if known.isdisjoint(members):
        found.sorts[name] = members
    else:
        found.views[name] = members


def _int(line: Line, found: Declarations) -> None:
    name, text = _match(line, _INT, "NAME = IntSort([A, B, ...])")
    found.named[name] = _members(line, text)


def _function(line: Line, found: Declarations) -> None:
    name, text = _match(line, _FUNCTION, "NAME = Function([A, B] -> [C])")
    sorts = [part.strip() for part in re.sub(r"[\[\]()]", "", text.replace("->", ",")).split(",")]
    if len(sorts) < 2 or not all(sorts):
        raise line.fault("argument sorts and the sort of the value", repr(text))
    found.functions[name] = (tuple(sorts), line)
