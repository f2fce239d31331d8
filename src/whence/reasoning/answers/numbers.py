"""Values out of what a model said.

The part after the trigger phrase counts ("The answer is"), or without one the last number.
Texts are read, never run: plain arithmetic by a parser that knows numbers, signs and a few
functions, LaTeX by a library that parses it.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

from whence.core.errors import MissingExtraError

_TRIGGER = re.compile(r"(?:the\s+)?answer\s+is\s*:?|\banswer\s*:", re.IGNORECASE)
_TRUE, _FALSE = {"yes", "true"}, {"no", "false"}
_WORD = re.compile(r"[a-z]+")
_LETTER = re.compile(r"\(([a-e])\)|\b([a-e])\s*[).]|^\s*([a-e])\b\s*$", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?(?:\d+(?:,\d{3})+|\d+)?\.?\d+(?:e[-+]?\d+)?", re.IGNORECASE)
_LIST = re.compile(r"[\[({]([^\[\](){}]*,[^\[\](){}]*)[\])}]")
_LONGEST, _HUGE = 300, re.compile(r"\d{5,}\s*!|\^\s*\{?\s*-?\d{4,}|\*\*\s*-?\d{4,}")


def after_trigger(text: str) -> str | None:
    """What follows the last trigger phrase, up to the end of its sentence; None without one."""
    found = list(_TRIGGER.finditer(text))
    if not found:
        return None
    rest = text[found[-1].end() :].strip()
    return re.split(r"\n|\.\s|\.$", rest, maxsplit=1)[0].strip()


def read_truth(text: str) -> bool | None:
    """True or False by the first word that says so."""
    for word in _WORD.findall((after_trigger(text) or text).lower()):
        if word in _TRUE | _FALSE:
            return word in _TRUE
    return None


def read_option(text: str) -> str | None:
    """The letter of an option, in lower case."""
    found = _LETTER.search((after_trigger(text) or text).strip())
    return next(letter for letter in found.groups() if letter).lower() if found else None


def read_number(text: str) -> float | None:
    """One number: what is said after the trigger, evaluated; else the last one that is shown.

    Raises:
        MissingExtraError: there is LaTeX to read, and the extra for it is not installed.
    """
    said = after_trigger(text)
    value = evaluate(said if said is not None else text)
    if value is not None:
        return value
    shown = _NUMBER.findall(said or text)
    if not shown:
        return None
    # After the trigger the first number is meant ("3 apples in 2 bags"), before it the last.
    return float((shown[0] if said else shown[-1]).replace(",", ""))


def read_list(text: str) -> list[float] | None:
    """Several numbers: those in brackets, or all that are shown after the trigger."""
    said = after_trigger(text) or text
    found = _LIST.findall(said)
    parts = found[-1].split(",") if found else re.split(r",|\band\b", said.strip(" []()"))
    values = [read_number(part) for part in parts if part.strip()]
    known = [value for value in values if value is not None]
    return known if known and len(known) == len(values) else None


def evaluate(text: str) -> float | None:
    """The value of an expression; None where a text is none, or too large to work out.

    Raises:
        MissingExtraError: it is LaTeX, and the extra for it is not installed.
    """
    cleaned, percent = _clean(text)
    if not cleaned or len(cleaned) > _LONGEST or _HUGE.search(cleaned):
        return None
    value = _latex(cleaned) if "\\" in cleaned else _plain(cleaned)
    if value is None or not math.isfinite(value):
        return None
    return value / 100 if percent else value


def _clean(text: str) -> tuple[str, bool]:
    """An expression without what stands around it, and whether it is a percentage."""
    text = re.split(r"=|≈|\\approx|\\simeq", text)[-1]
    text = text.replace("\\$", "").replace("$", "").replace("°", "").replace("\\%", "%")
    for old, new in (("×", "*"), ("·", "*"), ("−", "-"), ("–", "-"), ("π", "pi"), ("√", "sqrt")):
        text = text.replace(old, new)
    percent = "%" in text
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.replace("%", " "))
    return _without_unit(text.strip().rstrip(".").strip()), percent


def _without_unit(text: str) -> str:
    """A number without the unit behind it ("3.2 m/s"); expressions stay."""
    if "\\" in text:
        return re.sub(r"\\(?:text|mathrm|,|;|!|left|right)\b\s*(?:\{[^}]*\})?", " ", text).strip()
    number = rf"{_NUMBER.pattern}(?:\s*(?:\*|x)\s*10\s*(?:\^|\*\*)\s*\{{?[-+]?\d+\}}?)?"
    found = re.match(rf"({number})\s*(?:[a-zA-ZΩμ][\w/^*·.\- ]*)?$", text)
    return found[1] if found and not re.match(r"\s*(?:pi|e)\b", text[found.end(1) :]) else text


def _latex(text: str) -> float | None:
    try:
        from latex2sympy2_extended import latex2sympy  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError(
            "an answer in LaTeX", package="latex2sympy2_extended", extra="reasoning"
        ) from error
    try:
        found: Any = latex2sympy(text)
        return float(found)
    except Exception:
        return None


_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt, "ln": math.log, "log": math.log, "exp": math.exp, "sin": math.sin,
    "cos": math.cos, "tan": math.tan, "abs": abs,
}  # fmt: skip
_NAMES = {"pi": math.pi, "e": math.e}


def _plain(text: str) -> float | None:
    text = re.sub(r"(?<=[\d\s])x(?=[\s\d(])", "*", text).replace("^", "**")
    text = text.replace("{", "(").replace("}", ")")
    text = re.sub(r"(\d|\))\s*(?=pi\b|sqrt|\()", r"\1*", text)
    text = re.sub(r"sqrt\s*(\d+(?:\.\d+)?)", r"sqrt(\1)", text)
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
        return None


def _value(node: Any) -> float:
    """The value of a parsed expression; anything but arithmetic is a KeyError."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return _NAMES[node.id]
    if isinstance(node, ast.BinOp):
        return float(_OPERATORS[type(node.op)](_value(node.left), _value(node.right)))
    if isinstance(node, ast.UnaryOp):
        return _OPERATORS[type(node.op)](_value(node.operand))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return _FUNCTIONS[node.func.id](_value(node.args[0]))
    raise KeyError(type(node).__name__)
