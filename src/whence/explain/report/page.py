"""The page: the behavior as its title, the answer in plain words, then the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from whence.core.errors import DamagedError
from whence.core.markup import Child, Markup, join, tag
from whence.core.page import html_page
from whence.core.records import writing
from whence.explain.reading import Record, nats, probability, summary, visible
from whence.explain.report.answer import answer_section
from whence.explain.report.checks import checks_section
from whence.explain.report.circuit import circuit_section
from whence.explain.report.components import components_section
from whence.explain.report.corpus import corpus_section
from whence.explain.report.documents import documents_section
from whence.explain.report.making import making_section
from whence.explain.report.prompt import prompt_section
from whence.explain.report.shaped import shaped_section


def write_report(record: dict[str, Any], path: Path) -> None:
    """Write the report of an explanation as one HTML file.

    Args:
        record: an explanation's record; it may be partial.
        path: of the file; written whole or not at all.

    Raises:
        DamagedError: the record is not an explanation.
        StorageError: the disk is full or the place cannot be written.
    """
    page = render(record)
    with writing(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8")


def render(record: Record) -> str:
    """The report as text.

    Raises:
        DamagedError: the record is not an explanation of a version that this code can read.
    """
    if record.get("whence") != "explanation" or record.get("version") != 1:
        raise DamagedError(
            "record",
            expected='an explanation of version 1 ("whence": "explanation", "version": 1)',
            got=f"{record.get('whence')!r}, version {record.get('version')!r}",
            fix="Give the record that `whence explain --json` printed.",
        )
    behavior = record["behavior"]
    sections = (
        prompt_section(record),
        answer_section(record),
        components_section(record),
        circuit_section(record),
        documents_section(record),
        shaped_section(record),
        checks_section(record),
        corpus_section(record),
        making_section(record),
    )
    title = f"{visible(behavior['prompt'])} → {visible(behavior.get('target') or '?')}"
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    return html_page(f"Why: {title}", tag("main", _top(record), *sections), _foot(), style=style)


def _top(record: Record) -> Markup:
    behavior = record["behavior"]
    target, foil = behavior.get("target") or "", behavior.get("foil")
    instead = tag("span", "rather than ", tag("s", _said(foil)), class_="foil") if foil else None
    question = tag(
        "h1",
        tag("span", behavior["prompt"], class_="prompt"),
        Markup(" "),
        tag("span", _said(target), class_="target"),
        Markup(" "),
        instead,
    )
    return tag(
        "header",
        tag("p", "Whence", class_="mark"),
        tag("p", "Why did the model continue like this?", class_="asks"),
        question,
        _figures(behavior),
        tag("p", " ".join(summary(record)), class_="summary"),
        class_="top",
    )


def _said(text: str) -> str:
    """A continuation as a person writes it: without the blank that tokenizers put before it."""
    return visible(text.strip(" ") or text)


def _figures(behavior: Mapping[str, Any]) -> Markup:
    formula = "log p(answer) − log p(foil)" if behavior.get("foil") else "log p(answer)"
    figures: list[Child] = [_figure(f"{nats(behavior['value'])} nats", formula)]
    for name, words in (("target", "the answer"), ("foil", "the foil")):
        log_probability = behavior.get(f"{name}_log_probability")
        if log_probability is not None:
            figures.append(_figure(probability(log_probability), f"probability of {words}"))
    if behavior.get("answer"):
        figures.append(_figure(tag("q", _said(behavior["answer"])), "the model's own answer"))
    return tag("dl", *figures)


def _figure(number: Child, words: str) -> Markup:
    return tag("div", tag("dd", number), tag("dt", words))


def _foot() -> Markup:
    return tag(
        "footer",
        join(
            "Every number is in nats: how far the behavior falls when the cause is taken away. ",
            "A cause that does no better than a random one is not verified.",
        ),
    )
