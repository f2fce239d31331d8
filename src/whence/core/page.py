"""One HTML file that needs nothing else: no script, no network, light and dark, screen and paper.

The text on a page is anybody's. `markup` escapes every character of it, and the page forbids
scripts, frames and the network to itself, so that whatever a document's text tries, the browser
refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files

from whence.core.markup import Child, Markup, tag

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def html_page(title: str, *body: Child, style: str = "") -> str:
    """A whole page.

    Args:
        title: of the window.
        body: what stands on it.
        style: CSS after that which every page has; it is our own and not escaped.
    """
    shared = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content="whence"),
        tag("title", title),
        tag("style", Markup(shared + style)),
    )
    return f"<!doctype html>\n{tag('html', head, tag('body', *body), lang='en')}\n"


def page_top(title: Child, *below: Child) -> Markup:
    """What stands above everything: whose page it is, its title, and what else is given."""
    mark = tag("p", "Whence", class_="mark")
    return tag("header", mark, tag("h1", title), *below, class_="top")


def figures(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Numbers that stand large, each with the words that say what it is."""
    return tag("dl", *(tag("div", tag("dd", n), tag("dt", words)) for n, words in pairs))


def section(name: str, title: str, note: Child, *body: Child) -> Markup:
    """A section: heading and a line of explanation at the side, the body beside it."""
    side = tag("header", tag("h2", title), tag("p", note))
    return tag("section", side, tag("div", *body, class_="body"), id=name)


def table(head: Sequence[Child], rows: Iterable[Sequence[Child]], *, class_: str = "") -> Markup:
    """A table that scrolls sideways by itself where it does not fit."""
    cells = [tag("tr", *(tag("td", cell) for cell in row)) for row in rows]
    top = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head)))
    return tag("div", tag("table", top, tag("tbody", *cells), class_=class_ or None), class_="wide")
