"""A trace as one page: the text with its stretches marked, then each span with its documents."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from whence.core.markup import Child, Markup, join, tag
from whence.core.page import figures, html_page, page_top, section
from whence.core.records import writing
from whence.corpus.trace.near import NearMatch
from whence.corpus.trace.relevance import level
from whence.corpus.trace.settings import HIGH, MEDIUM
from whence.corpus.trace.trace import Source, Span, Trace

_NEAR_SHOWN = 20


def write_page(trace: Trace, path: Path) -> None:
    """Write the page; whole or not at all.

    Raises:
        StorageError: the disk is full or the place cannot be written.
    """
    page = render(trace)
    with writing(Path(path)) as temporary:
        temporary.write_text(page, encoding="utf-8")


def render(trace: Trace) -> str:
    """The page as text."""
    style = files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    body = tag("main", _top(trace), _text(trace), _spans(trace), _near(trace), _making(trace))
    foot = tag(
        "footer",
        "A span is shown because it is there, word for word. Whether it is why a model said so is "
        "another question: only taking the document away answers it.",
    )
    return html_page("Where does this text come from?", body, foot, style=style)


def _top(trace: Trace) -> Markup:
    numbers = (
        (f"{100 * trace.covered:.0f} %", "of the text stands in the corpus, in some span"),
        (f"{trace.found:,}", "spans that cannot be made longer"),
        (f"{len(trace.spans):,}", "of them shown, the rarest"),
        (f"{len(trace.documents):,}", "documents hold these"),
    )
    return page_top("Where does this text come from?", figures(numbers))


def _text(trace: Trace) -> Markup:
    pieces: list[Child] = []
    at = 0
    for start, end, numbers in trace.stretches:
        pieces.append(trace.text[at:start])
        best = max(trace.spans[n].relevance for n in numbers)
        links = (tag("a", f"{n + 1}", href=f"#s{n + 1}") for n in numbers)
        pieces.append(tag("mark", trace.text[start:end], class_=level(best)))
        pieces.append(tag("sup", *([" ", link] for link in links)))
        at = end
    pieces.append(trace.text[at:])
    prompt = tag("p", trace.prompt, class_="asked") if trace.prompt else None
    return section(
        "text",
        "The text",
        join(
            "Marked: what some document holds word for word. The colour is the relevance of the "
            "best such document: ",
            tag("mark", "high", class_="high"),
            " ",
            tag("mark", "medium", class_="medium"),
            " ",
            tag("mark", "low", class_="low"),
        ),
        prompt,
        tag("p", *pieces, class_="traced"),
    )


def _spans(trace: Trace) -> Markup:
    if not trace.spans:
        return section(
            "spans",
            "Spans",
            "The rarest first.",
            tag("p", "No stretch of the text stands in the corpus.", class_="empty"),
        )
    return section(
        "spans",
        "Spans",
        "The rarest first: rarity is how improbable the words would be if each were drawn by its "
        "frequency alone. Documents are ordered by what they have to do with the whole text.",
        *(_span(trace, number, span) for number, span in enumerate(trace.spans, 1)),
    )


def _span(trace: Trace, number: int, span: Span) -> Markup:
    times = "once" if span.count == 1 else f"{span.count:,} times"
    more = span.count - sum(source.copies for source in span.documents)
    return tag(
        "article",
        tag("h3", tag("span", number, class_="number"), tag("q", span.text)),
        tag(
            "p",
            f"{span.tokens} tokens, {times} in the corpus, rarity {-span.log_probability:.1f} nats",
            class_="note",
        ),
        tag("ol", (_source(trace, span, source) for source in span.documents), class_="documents"),
        tag("p", f"and {more:,} more occurrences", class_="note") if more > 0 else None,
        id=f"s{number}",
    )


def _source(trace: Trace, span: Span, source: Source) -> Markup:
    before, match, after = trace.context(span, source)
    name = level(source.relevance)
    copies = f"{source.copies} documents with these words" if source.copies > 1 else None
    head = tag(
        "header",
        tag("b", source.id),
        tag("small", copies),
        tag("span", tag("span", f"{name}, {source.relevance:.2f}", class_=name), class_="facts"),
    )
    return tag("li", tag("div", head, tag("p", before, tag("mark", match), after, class_="text")))


def _near(trace: Trace) -> Markup | None:
    if not trace.settings.near:
        return None
    shown = trace.near[:_NEAR_SHOWN]
    body = (
        tag("ol", (_near_match(match) for match in shown), class_="documents")
        if shown
        else tag("p", "None.", class_="empty")
    )
    return section(
        "near",
        "Nearly the same",
        f"Up to {trace.settings.edits} words changed; case, blanks and punctuation count nothing.",
        body,
    )


def _near_match(match: NearMatch) -> Markup:
    edits = "no word changed" if not match.edits else f"{match.edits} changed"
    head = tag(
        "header",
        tag("b", match.id),
        tag("span", f"{match.words} words, {edits}", class_="facts"),
    )
    here = tag("p", tag("small", "text"), " ", match.text, class_="text")
    there = tag("p", tag("small", "document"), " ", tag("mark", match.document_text), class_="text")
    return tag("li", tag("div", head, here, there))


def _making(trace: Trace) -> Markup:
    settings = trace.settings
    limit = min(len(trace.spans), trace.found)
    bounds = [
        f"spans of at least {settings.shortest} tokens",
        "beginning and ending where words do" if settings.whole_words else "parts of words too",
        "none past a sentence's end" if settings.within_sentences else "across sentences",
    ]
    return section(
        "making",
        "How it was made",
        "The steps and thresholds of OLMoTrace, differences named.",
        tag(
            "ul",
            tag("li", "Looked for: ", ", ".join(bounds), "."),
            tag(
                "li",
                f"Shown: the {limit} rarest, that is at most {100 * settings.keep:g} % as many as "
                f"the text has tokens ({trace.tokens:,}).",
            ),
            tag(
                "li",
                "Relevance: BM25 of prompt and text, as a share of what they would score "
                f"themselves. High from {HIGH}, medium from {MEDIUM}.",
            ),
            tag("li", f"Corpus: {trace.corpus.path}, {trace.corpus.digest[:19]}"),
        ),
    )
