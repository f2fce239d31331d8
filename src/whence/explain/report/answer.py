"""The whole answer: a row for each of its tokens, a column for each cause before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from whence.core.markup import Child, Markup, tag
from whence.core.page import section
from whence.explain.reading import Record, nats, visible
from whence.explain.report.parts import legend, shade


def answer_section(record: Record) -> Markup | None:
    """The heat map of an answer; None where the tokens of one were not explained together."""
    answer = record.get("answer")
    if not answer:
        return None
    values = [x for row in answer["values"] for x in row if x is not None]
    largest = max(map(abs, values), default=0.0)
    what = "nats" if answer["unit"] == "nats" else "ranks"
    return section(
        "answer",
        "The whole answer",
        f"What each token of the answer (rows) owes to the prompt and to the tokens before it "
        f"(columns), in {what}, by {answer['method']}.",
        tag("div", _map(answer, record["behavior"], largest), class_="wide"),
        legend(largest) if largest and what == "nats" else None,
    )


def _map(answer: Mapping[str, Any], behavior: Mapping[str, Any], largest: float) -> Markup:
    said = next(
        (i for i, c in enumerate(answer["causes"]) if c["id"] == "A0"), len(answer["causes"])
    )
    heads: list[Child] = [
        tag(
            "th",
            tag("span", visible(cause["text"])),
            scope="col",
            class_="first" if i == said else None,
        )
        for i, cause in enumerate(answer["causes"])
    ]
    lines = [
        tag(
            "tr",
            tag("th", visible(token), scope="row"),
            *(
                _cell(token, cause, value, largest, first=i == said)
                for i, (cause, value) in enumerate(zip(answer["causes"], row, strict=True))
            ),
            class_="here" if token == behavior.get("target") else None,
        )
        for token, row in zip(answer["tokens"], answer["values"], strict=True)
    ]
    top = tag("thead", tag("tr", tag("th", "answer", scope="col"), *heads))
    return tag("table", top, tag("tbody", *lines), class_="shaped")


def _cell(
    token: str, cause: Mapping[str, Any], value: float | None, largest: float, *, first: bool
) -> Markup:
    colour = shade(value, largest)
    colour["class_"] += " first" if first else ""
    told = "comes later" if value is None else nats(value, sign=True)
    words = f"{visible(token)} after {visible(cause['text'])}: {told}"
    return tag("td", tag("span", words, class_="tip"), title=words, **colour)
