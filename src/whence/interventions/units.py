"""What a prompt is cut into: tokens, words, sentences, demonstrations, chat turns, or spans.

Each unit is a list of spans of characters, which then take the tokens that begin in them; so
every token belongs to one cause at most, whatever the tokenizer's borders are. Spans that a user
gives take every token that they touch instead, and may overlap.

    token           "T5": each token of the prompt's own
    word            "W2": a run without blanks
    sentence        "sentence 1": up to a full stop, question or exclamation mark, or a line's end
    demonstration   "demonstration 0": what stands between separators, the last of them left out:
                    it is the question, which stays. The separator is given, or found: blank lines
                    where there are any, else line ends
    turn            "turn 0": header, text and end of what one speaker says. Headers are those of
                    the tokenizer's chat template; a prompt without them is cut at role markers at
                    the beginning of lines ("User:", "Assistant:", "### Response:")
    spans           "S0": characters [start, end)

The headers of a chat template are found by asking it: a conversation of known texts is written
out with it, and what stands between the texts is what it adds.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from whence.core import Cause
from whence.core.errors import InterventionError
from whence.models import EncodedPrompt

UNITS = ("token", "word", "sentence", "demonstration", "turn")

Span = tuple[int, int]
Unit = str | Sequence[Span]

_SENTENCE = re.compile(r"[^\n]*?(?:[.!?]+[\"'”’)\]]*(?=\s|$)|[。！？]+[”’」』）]*|(?=\n)|$)")
_ROLES = re.compile(
    r"^(?:#+ *)?(?:system|user|assistant|human|ai|bot|model|instruction|input|response) *:",
    re.IGNORECASE | re.MULTILINE,
)
_PROBES = ("QXJ", "VKZ", "JWQ", "ZXV")


def prompt_causes(
    tokenizer: PreTrainedTokenizerBase,
    prompt: EncodedPrompt,
    unit: Unit,
    separator: str | None = None,
) -> tuple[Cause, ...]:
    """Cut a prompt into causes.

    Args:
        tokenizer: the prompt's; its chat template says what a turn is.
        prompt: the prompt.
        unit: one of `UNITS`, or spans of characters [start, end).
        separator: between demonstrations; None means that it is found.

    Raises:
        InterventionError: an unknown unit, a span outside of the prompt or without a token, a
            separator without demonstrations, a prompt without demonstrations or turns.
    """
    if separator is not None and unit != "demonstration":
        raise InterventionError(
            "separator",
            expected="the unit demonstration",
            got=f"the unit {unit!r}",
            fix="Leave one of the two out.",
        )
    if not isinstance(unit, str):
        return _given(prompt, unit)
    if unit == "token":
        return tuple(
            Cause("token", f"T{i}", prompt.text[slice(*span)], (), "token", float(i))
            for i, span in enumerate(prompt.spans)
            if span is not None
        )
    cut: dict[str, Callable[[], list[Span]]] = {
        "word": lambda: [match.span() for match in re.finditer(r"\S+", prompt.text)],
        "sentence": lambda: _stripped(prompt.text, _ends(_SENTENCE, prompt.text)),
        "demonstration": lambda: _demonstrations(prompt.text, separator),
        "turn": lambda: _turns(tokenizer, prompt.text),
    }
    if unit not in cut:
        raise InterventionError(
            "unit",
            expected=f"{', '.join(UNITS)}, or a list of spans (start, end) of characters",
            got=repr(unit),
            fix="Say what a cause is.",
        )
    prefix = "W" if unit == "word" else f"{unit} "
    return _partition(prompt, cut[unit](), prefix, unit)


def token_numbers(cause: Cause) -> list[int]:
    """The places, in its prompt, of the tokens that a cause is made of."""
    return [int(member.removeprefix("T")) for member in cause.members]


def _partition(
    prompt: EncodedPrompt, spans: Sequence[Span], prefix: str, unit: str
) -> tuple[Cause, ...]:
    """Causes of spans in order; a token goes to the span that its first letter falls into.

    A token of blanks alone, or between two spans, goes with the span behind it; what stands behind
    the last span (a question behind demonstrations) belongs to none, unless only blanks do.
    """
    members: list[list[str]] = [[] for _ in spans]
    all_taken = not prompt.text[spans[-1][1] :].strip() if spans else False
    for i, span in enumerate(prompt.spans):
        if span is None:
            continue
        inside = prompt.text[slice(*span)]
        first = span[0] + len(inside) - len(inside.lstrip())
        number = next((k for k, (_, end) in enumerate(spans) if first < end), None)
        if number is None and all_taken:
            number = len(spans) - 1
        if number is not None:
            members[number].append(f"T{i}")
    return tuple(
        _of_tokens(f"{prefix}{k}", prompt.text[start:end], own, unit)
        for k, ((start, end), own) in enumerate(zip(spans, members, strict=True))
        if own
    )


def _given(prompt: EncodedPrompt, spans: Iterable[Span]) -> tuple[Cause, ...]:
    """Spans of the user's, each with every token that it touches."""
    causes = []
    for number, (start, end) in enumerate(spans):
        members = [
            f"T{i}"
            for i, span in enumerate(prompt.spans)
            if span is not None and span[0] < end and start < span[1]
        ]
        if not members or start < 0 or end > len(prompt.text) + len(prompt.blanks):
            raise InterventionError(
                f"span {(start, end)}",
                expected=f"characters of the prompt, between 0 and {len(prompt.text)}",
                got="a span without a token" if not members else "a span that leaves it",
                fix="Count characters from 0; the end is not included.",
            )
        causes.append(_of_tokens(f"S{number}", prompt.text[start:end], members, "span"))
    return tuple(causes)


def _of_tokens(name: str, text: str, members: Sequence[str], stratum: str) -> Cause:
    return Cause("token", name, text, tuple(members), stratum, float(members[0][1:]))


def _ends(pattern: re.Pattern[str], text: str) -> list[Span]:
    """Everything up to each end that a pattern finds."""
    spans, start = [], 0
    for match in pattern.finditer(text):
        if match.end() > start:
            spans.append((start, match.end()))
            start = match.end()
    return spans


def _stripped(text: str, spans: Iterable[Span]) -> list[Span]:
    """Spans without the blanks around them; those of blanks alone are left out."""
    found = []
    for start, end in spans:
        inside = text[start:end]
        if inside.strip():
            found.append((start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip())))
    return found


def _demonstrations(text: str, separator: str | None) -> list[Span]:
    """What stands before the last separator, cut at all of them."""
    if separator is None:
        blank = re.search(r"\n[^\S\n]*\n", text.strip())
        pattern = re.compile(r"\n(?:[^\S\n]*\n)+" if blank else r"\n")
    else:
        pattern = re.compile(re.escape(separator))
    borders = [match.span() for match in pattern.finditer(text)] if separator != "" else []
    starts = [0, *(end for _, end in borders)]
    ends = [*(start for start, _ in borders), len(text)]
    parts = _stripped(text, zip(starts, ends, strict=True))
    if len(parts) < 2:
        raise InterventionError(
            "unit demonstration",
            expected="demonstrations and a question, with a separator between them",
            got=f"one piece, cut at {separator!r}" if separator else "a prompt of one line",
            fix="Give the text that stands between demonstrations as the separator.",
        )
    return parts[:-1]


def _turns(tokenizer: PreTrainedTokenizerBase, text: str) -> list[Span]:
    """What each speaker says, from one header to the next; what comes before is no turn."""
    starts = _header_places(tokenizer, text)
    starts = starts or [match.start() for match in _ROLES.finditer(text)]
    if not starts:
        raise InterventionError(
            "unit turn",
            expected="the headers of the tokenizer's chat template, or lines that begin with "
            '"User:" or "Assistant:"',
            got="a prompt without them",
            fix="Write the prompt with the chat template, or give the turns as spans.",
        )
    turns = _stripped(text, zip(starts, [*starts[1:], len(text)], strict=True))
    said = [text[start:end] for start, end in turns]
    # A header with nothing behind it is where the answer goes: it stays.
    closed = not turns or said[-1] not in {*_bare_headers(tokenizer), *_ROLES.findall(said[-1])}
    return turns if closed or len(turns) == 1 else turns[:-1]


def _header_places(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    headers = _bare_headers(tokenizer)
    found = {m.start() for header in headers for m in re.finditer(re.escape(header), text)}
    return sorted(found)


def _bare_headers(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Headers without blanks around them, which a prompt's end may lack; none without template."""
    if not getattr(tokenizer, "chat_template", None):
        return ()
    return tuple(header.strip() for header in template_headers(tokenizer))


def template_headers(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """What a chat template writes before a turn of the system, the user and the assistant.

    Raises:
        InterventionError: the template puts nothing between turns that could be told.
    """
    return _headers(tokenizer, str(tokenizer.chat_template))


@lru_cache(maxsize=16)
def _headers(tokenizer: PreTrainedTokenizerBase, template: str) -> tuple[str, ...]:
    del template  # part of the key: a tokenizer may be given another one
    a, b, c, d = _PROBES
    talk = [("user", a), ("assistant", b), ("user", c), ("assistant", d)]
    written = [_render(tokenizer, talk[:n]) for n in range(1, 5)]
    # Between two texts stand the end of one turn and the header of the next; the end is what the
    # shorter conversation closes with.
    gaps = [_between(written[3], x, y) for (_, x), (_, y) in itertools.pairwise(talk)]
    closes = [text.rpartition(x)[2] for text, (_, x) in zip(written, talk, strict=False)]
    headers = [_without(gap, close) for gap, close in zip(gaps, closes, strict=False)]
    try:
        system = _render(tokenizer, [("system", d), ("user", a)])
    except TemplateError:  # many templates refuse a system's turn
        system = ""
    first = _without(system.partition(d)[0], str(tokenizer.bos_token or "")) if d in system else ""
    found = tuple(dict.fromkeys(h for h in (*headers, first) if h.strip()))
    if not found:
        raise InterventionError(
            "chat template",
            expected="a header before each turn",
            got=repr("".join(gaps)),
            fix="Give the turns as spans.",
        )
    return found


def _render(tokenizer: PreTrainedTokenizerBase, talk: Sequence[tuple[str, str]]) -> str:
    messages = [{"role": role, "content": text} for role, text in talk]
    written = tokenizer.apply_chat_template(messages, tokenize=False)
    assert isinstance(written, str)
    return written


def _between(text: str, first: str, second: str) -> str:
    return text.partition(first)[2].partition(second)[0]


def _without(text: str, beginning: str) -> str:
    return text.removeprefix(beginning)
