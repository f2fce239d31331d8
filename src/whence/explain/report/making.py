"""How the explanation was made, and how it can be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import section, table
from whence.explain.reading import Record
from whence.explain.report.parts import details


def making_section(record: Record) -> Markup:
    """Command, what it ran on, coverage, costs, versions, and the plan."""
    return section(
        "again",
        "Make it again",
        "Equal plans give equal records, times aside.",
        tag("pre", record["command"], class_="command") if record.get("command") else None,
        _made_of(record),
        _coverage(record),
        _costs(record),
        _notes(record),
        details("Plan and settings", tag("pre", _plain(record, "plan", "settings"))),
    )


def _made_of(record: Record) -> Markup:
    model, run = record.get("model") or {}, record.get("run")
    corpus = record.get("corpus")
    lines: list[tuple[Child, Child, Child]] = []
    if model:
        size = f", {model['parameters']:,} parameters" if model.get("parameters") else ""
        step = f", step {model['step']}" if model.get("step") is not None else ""
        words = f"{model.get('name', '')} ({model.get('architecture', '?')}{size}{step})"
        lines.append(("model", words, _digest(model)))
    run_words = f"{run.get('path', '')}" if run else "none: documents cannot be taken away"
    lines.append(("run", run_words, _digest(run or {})))
    if corpus:
        words = f"{corpus.get('path', '')} ({corpus['documents']:,} documents, "
        lines.append(("corpus", words + f"{corpus['tokens']:,} tokens)", _digest(corpus)))
    versions = record.get("versions") or {}
    if versions:
        lines.append(("versions", ", ".join(f"{k} {v}" for k, v in versions.items()), ""))
    timings = record.get("timings") or {}
    seconds = {k: v for k, v in timings.items() if isinstance(v, int | float)}
    if seconds:
        lines.append(("times", ", ".join(f"{k} {v:.1f} s" for k, v in seconds.items()), ""))
    return table(("", "", "digest"), lines, class_="made")


def _digest(part: Mapping[str, Any]) -> Markup | str:
    digest = str(part.get("digest") or "")
    return tag("code", digest.removeprefix("sha256:")[:12], title=digest) if digest else "–"


def _coverage(record: Record) -> Markup | None:
    rows = record.get("coverage") or []
    if not rows:
        return None
    lines = ((r["kind"], r["method"], r["what"], f"{100 * r['share']:.0f} %") for r in rows)
    return join(tag("h3", "What was looked at"), table(("kind", "method", "", "share"), lines))


def _costs(record: Record) -> Markup | None:
    rows = record.get("costs") or []
    if not rows:
        return None
    names = ("forwards", "backwards", "trainings")
    lines = (
        (r["kind"], r["method"], *(tag("span", f"{r.get(n) or 0:,}", class_="n") for n in names))
        for r in rows
    )
    head = ("kind", "method", "forward passes", "backward passes", "trainings")
    return join(tag("h3", "What it took"), table(head, lines, class_="costs"))


def _notes(record: Record) -> Markup | None:
    notes = record.get("notes") or []
    return tag("ul", (tag("li", str(n)) for n in notes), class_="notes") if notes else None


def _plain(record: Record, *names: str) -> str:
    part = {name: record[name] for name in names if record.get(name)}
    return json.dumps(part, indent=2, sort_keys=True, ensure_ascii=False)
