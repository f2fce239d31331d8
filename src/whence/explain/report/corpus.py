"""What the corpus itself says: its probabilities beside the model's, its spans, its counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import section, table
from whence.explain.reading import Record, visible
from whence.explain.report.parts import details

_BARS = 120  # tokens with bars of their own; longer texts would drown in them


def corpus_section(record: Record) -> Markup | None:
    """Counts, probabilities, spans and the next token; None without a corpus."""
    says = record.get("corpus_says")
    if not says:
        return None
    return section(
        "corpus",
        "What the corpus says",
        "The text alone, without any model: was this written, how often, where, and what comes "
        "next. It is a look-up: what is there need not be why.",
        _match(says.get("match")),
        _asked(says.get("asked") or ()),
        _tokens(says.get("tokens") or ()),
        _spans(says.get("spans") or ()),
        _next(says.get("next")),
    )


def _match(match: Mapping[str, Any] | None) -> Markup | None:
    if not match or not match.get("tokens"):
        return tag("p", "No stretch of prompt and answer occurs in the corpus.", class_="empty")
    count = match["count"]
    where = ", ".join(d["id"] for d in match.get("documents") or ())
    more = ", …" if count > len(match.get("documents") or ()) else ""
    return join(
        tag("p", "The longest stretch of prompt and answer that was written word for word:"),
        tag("blockquote", match["text"]),
        tag(
            "p",
            f"{match['tokens']} tokens, {_times(count)}",
            f": {where}{more}" if where else None,
            class_="note",
        ),
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _asked(rows: Sequence[Mapping[str, Any]]) -> Markup | None:
    if not rows:
        return None
    lines = (
        (row["what"], tag("q", visible(row["text"])), tag("span", f"{row['count']:,}", class_="n"))
        for row in rows
    )
    return join(
        tag("h3", "How often it was written"),
        table(("", "", "occurrences"), lines, class_="asked"),
    )


def _tokens(tokens: Sequence[Mapping[str, Any]]) -> Markup | None:
    """Every token over two bars: what the corpus gives it, and what the model does."""
    if not tokens or len(tokens) > _BARS:
        return None
    both = any(token["model"] is not None for token in tokens)
    return join(
        tag("h3", "Token by token"),
        tag(
            "p",
            "How probable each token is after those before it: ",
            tag("i", class_="key corpus"),
            " in the corpus, after the longest ending of the text so far that occurs in it",
            join("; ", tag("i", class_="key model"), " by the model") if both else None,
            ".",
            class_="note",
        ),
        tag("p", *(_token(token, both=both) for token in tokens), class_="both"),
    )


def _token(token: Mapping[str, Any], *, both: bool) -> Markup:
    bars = [_bar(token["corpus"], "corpus")]
    if both:
        bars.append(_bar(token["model"], "model"))
    place = "goal" if token["part"] == "target" else None
    shown = visible(token["text"]) if not token["text"].strip() else token["text"]
    word = tag("span", shown.replace("\n", "⏎"), class_="w")
    tip = tag("span", _tip(token, both=both), class_="tip", role="tooltip")
    names = f"t {place}" if place else "t"
    return tag("span", word, tag("span", *bars, class_="pair"), tip, class_=names, tabindex=0)


def _bar(value: float | None, kind: str) -> Markup:
    return tag("i", class_=kind, style=f"--w:{min(value or 0.0, 1.0):.4f}")


def _tip(token: Mapping[str, Any], *, both: bool) -> Markup:
    context = visible(token["context"])[-60:] if token["context"] else "nothing before it"
    lines: list[Child] = [
        tag("b", visible(token["text"])),
        tag("br"),
        f"corpus {_percent(token['corpus'])}: {token['count']:,} of {token['context_count']:,} "
        f"after “{context}”",
    ]
    if both:
        lines += [tag("br"), f"model {_percent(token['model'])}"]
    return join(*lines)


def _spans(spans: Sequence[Mapping[str, Any]]) -> Markup | None:
    if not spans:
        return None
    return join(
        tag("h3", "Where its words stand"),
        tag("p", "Stretches that documents hold word for word, the rarest first.", class_="note"),
        *(_span(span) for span in spans),
    )


def _span(span: Mapping[str, Any]) -> Markup:
    documents = span["documents"]
    title = join(tag("q", visible(span["text"])), f" {_times(span['count'])}")
    lines = (
        tag(
            "li",
            tag(
                "div",
                tag("header", tag("b", d["id"])),
                tag("p", d["before"], tag("mark", d["match"]), d["after"], class_="text"),
            ),
        )
        for d in documents
    )
    return details(title, tag("ol", lines, class_="documents"))


def _next(found: Mapping[str, Any] | None) -> Markup | None:
    if not found:
        return None
    rows = found.get("top") or []
    if not rows:
        return None
    return join(
        tag("h3", "What comes next"),
        tag("p", "After ", tag("q", found.get("context") or ""), ", as a share:", class_="note"),
        table(
            ("next token", "in the corpus", "by the model"),
            ((tag("q", visible(r["text"])), _share(r["corpus"]), _share(r["model"])) for r in rows),
            class_="next",
        ),
    )


def _percent(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if value >= 0.001 or value == 0 else "< 0.1 %"


def _share(value: float | None) -> Child:
    if value is None:
        return "–"
    fill = tag("i", class_="heat for", style=f"--w:{min(value, 1.0):.3f}")
    return tag(
        "span",
        tag("span", _percent(value), class_="n"),
        tag("span", fill, class_="track"),
        class_="bars",
    )
