"""HTML and SVG elements. Plain text is escaped; only what `tag` made is not."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_EMPTY = frozenset({"meta", "br", "hr", "col"})
# Characters that HTML forbids or that would end a file's encoding: C0 and C1 controls
# except tab and newline, and halves of surrogate pairs.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def escape(text: str) -> Markup:
    """Text as HTML; characters that HTML cannot hold become the replacement character."""
    return Markup(html.escape(_UNFIT.sub("\ufffd", text), quote=True))


def join(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(_pieces(children)))


def tag(element: str, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """An element.

    Args:
        element: its name.
        children: text (escaped), elements, or any nesting of them; None is left out.
        attributes: a trailing underscore is dropped and others become hyphens; None and False
            leave the attribute out.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if element in _EMPTY:
        return Markup(f"<{element}{said}>")
    return Markup(f"<{element}{said}>{''.join(_pieces(children))}</{element}>")


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str | int):
            yield escape(str(child))
        else:
            yield from _pieces(child)
