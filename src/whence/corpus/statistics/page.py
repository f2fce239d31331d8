"""The statistics of a corpus as one page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from whence.core.markup import Markup, join, tag
from whence.core.page import figures, html_page, page_top, section, table
from whence.core.plot import STYLE, Axis, Series, plot

Record = Mapping[str, Any]


def statistics_page(record: Record) -> str:
    """The page of what `describe` told.

    Args:
        record: as `describe` gave it, or read back from JSON.
    """
    whole = record["whole"]
    body = tag(
        "main",
        _top(record),
        section("lengths", "How long", "Documents by length.", _lengths(record)),
        section(
            "words",
            "Which words",
            "Words are runs of letters and digits, whatever their case.",
            _word_plots(whole["words"]),
            _top_words(whole["words"]),
        ),
        section(
            "ngrams",
            "Most frequent runs of tokens",
            "Exact counts; a run stays inside a document.",
            tag("div", *(_ngrams(n, r) for n, r in record["ngrams"].items()), class_="plots"),
        ),
        section(
            "copies",
            "What is there more than once",
            "Equal documents, near copies, long stretches of equal tokens.",
            _copies(record),
        ),
        section(
            "letters",
            "Which languages and characters",
            "Languages are told from pieces of a document: its beginning, middle and end.",
            _languages(whole),
            _shares("character", whole["characters"], "characters"),
        ),
        section(
            "personal",
            "Personal data",
            "Found by shape and check digits; examples are masked. Names have no shape.",
            _personal(record),
        ),
        _slices(record),
    )
    return html_page("What is in my corpus?", body, style=STYLE)


def _top(record: Record) -> Markup:
    whole = record["whole"]
    numbers = (
        (f"{whole['documents']:,}", "documents"),
        (f"{whole['tokens']:,}", "tokens"),
        (f"{whole['bytes']:,}", "bytes of text"),
        (f"{whole['words']['kinds']:,}", "different words"),
        (f"{_percent(whole['repeats']['copied'], whole['tokens'])}", "of tokens are copies"),
    )
    made = tag("p", record["corpus"]["path"], " ", record["corpus"]["digest"], class_="note")
    return page_top("What is in my corpus?", figures(numbers), made)


def _lengths(record: Record) -> Markup:
    lengths = record["whole"]["lengths"]
    quantiles = list(lengths["tokens"]["quantiles"])
    head = ["", "mean", *(f"{100 * float(q):g} %" for q in quantiles)]
    rows = [
        [unit, f"{told['mean']:,.1f}", *(f"{told['quantiles'][q]:,.0f}" for q in quantiles)]
        for unit, told in lengths.items()
    ]
    bins = [((low * high) ** 0.5, float(n)) for low, high, n in lengths["tokens"]["bins"]]
    drawn = plot(
        "Documents by length",
        [Series("", bins)],
        Axis("tokens of a document, in bins of a factor of two", log=True),
        Axis("documents", low=0.0),
    )
    return join(tag("div", tag("figure", drawn), class_="plots"), table(head, rows))


def _visible(text: str) -> str:
    """A text on one line, its line ends and tabs to be seen."""
    return text.replace("\n", "⏎").replace("\t", "⇥")


def _word_plots(words: Record) -> Markup:
    return tag("div", _growth_figure(words["growth"]), _rank_figure(words), class_="plots")


def _growth_figure(growth: Record) -> Markup:
    grown = list(zip(growth["read"], growth["kinds"], strict=True))
    series = [Series("seen", grown)]
    said = "Too few words to fit a law of growth."
    if growth["k"] is not None:
        fitted = [n for n, _ in grown if n >= growth["fitted_from"]]
        law = [(n, growth["k"] * n ** growth["b"]) for n in fitted]
        series.append(Series("Heaps' law", law, line=True))
        said = (
            f"Kinds = {growth['k']:.3g} × words^{growth['b']:.3f}, fitted to "
            f"{growth['fitted_from']:,} words and more."
        )
    drawn = plot(
        "Different words by words read",
        series,
        Axis("words read", log=True),
        Axis("different words", log=True),
    )
    return tag("figure", drawn, tag("figcaption", said))


def _rank_figure(words: Record) -> Markup:
    ranks, tail = [(r, n) for r, n in words["ranks"]], words["zipf"]
    series = [Series("seen", ranks)]
    said = "Too few frequent words to fit a power law."
    if tail is not None:
        last = tail["kinds"]
        top = next((n for r, n in ranks if r == 1), 1)
        anchor = tail["x_min"] * last ** tail["zipf"]
        spread = [(r, anchor / r ** tail["zipf"]) for r, _ in ranks if r <= last]
        series.append(Series("power law", [p for p in spread if p[1] <= 10 * top], line=True))
        said = (
            f"Frequency falls as 1 / rank^{tail['zipf']:.3f} (exponent {tail['exponent']:.3f} ± "
            f"{tail['error']:.3f}) among the {last:,} words that occur {tail['x_min']:,} to "
            f"{tail['x_max']:,} times; largest distance {tail['distance']:.3f}."
        )
    drawn = plot(
        "Frequency of words by rank",
        series,
        Axis("rank", log=True),
        Axis("frequency", log=True),
    )
    return tag("figure", drawn, tag("figcaption", said))


def _top_words(words: Record) -> Markup:
    said = (f"{row['word']} {row['count']:,}" for row in words["top"])
    once = f"{words['once']:,} of {words['kinds']:,} kinds occur once. Most frequent: "
    return tag("p", once, ", ".join(said), ".")


def _ngrams(n: str, rows: Sequence[Record]) -> Markup:
    shown = [[tag("q", _visible(row["text"])), f"{row['count']:,}"] for row in rows[:10]]
    title = tag("h3", f"{n} token" + "s" * (n != "1"))
    return tag("div", title, table(["run", "count"], shown))


def _copies(record: Record) -> Markup:
    whole, clusters = record["whole"], record["duplicate_clusters"]
    told, repeats = whole["duplicates"], whole["repeats"]
    lines = [
        ["equal to an earlier document", f"{told['equal']:,} documents"],
        [f"nearly so ({told['threshold']:g})", f"{told['near']:,} documents"],
        ["clusters of equal ones", f"{clusters['equal']['clusters']:,}"],
        ["clusters of near ones", f"{clusters['near']['clusters']:,}"],
        [
            f"in stretches of {repeats['length']} tokens or more that occur elsewhere too",
            f"{repeats['tokens']:,} tokens ({_percent(repeats['tokens'], whole['tokens'])})",
        ],
        [
            "of these, not the first occurrence",
            f"{repeats['copied']:,} tokens ({_percent(repeats['copied'], whole['tokens'])})",
        ],
    ]
    copies = [
        [f"{c['tokens']:,}", tag("q", _visible(c["text"])), c["document"], c["original"]]
        for c in record["longest_copies"]
    ]
    longest = table(["tokens", "longest copies begin", "in", "as before in"], copies)
    return join(table(["", ""], lines), longest if copies else None)


def _languages(whole: Record) -> Markup:
    languages = whole["languages"]
    if languages is None:
        return tag("p", "Nobody asked for languages.", class_="empty")
    rows = [
        [code, f"{n['documents']:,}", _percent(n["tokens"], whole["tokens"])]
        for code, n in languages.items()
    ]
    return table(["language", "documents", "of tokens"], rows)


def _shares(what: str, counts: Mapping[str, int], of: str) -> Markup:
    total = sum(counts.values())
    rows = [[name, f"{n:,}", _percent(n, total)] for name, n in counts.items()]
    return table([what, of, "share"], rows)


def _personal(record: Record) -> Markup:
    examples = record["personal_examples"]
    rows = [
        [kind, f"{n['matches']:,}", f"{n['documents']:,}", ", ".join(examples[kind])]
        for kind, n in record["whole"]["personal"].items()
    ]
    return table(["kind", "matches", "documents", "masked examples"], rows)


def _slices(record: Record) -> Markup | None:
    if not record["slices"]:
        return None
    rows = []
    for name, told in record["slices"].items():
        languages = told["languages"] or {}
        rows.append(
            [
                name or "(none)",
                f"{told['documents']:,}",
                f"{told['tokens']:,}",
                f"{told['lengths']['tokens']['quantiles']['0.5']:,.0f}",
                f"{told['words']['kinds']:,}",
                " ".join(list(languages)[:3]),
                f"{told['duplicates']['near']:,}",
                _percent(told["repeats"]["copied"], told["tokens"]),
                f"{sum(n['matches'] for n in told['personal'].values()):,}",
            ]
        )
    head = ["slice", "documents", "tokens", "median length", "words"]
    head += ["languages", "near copies", "copied", "personal"]
    title = f"By {record['by']}"
    return section("slices", title, "The same, slice by slice.", table(head, rows))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"
