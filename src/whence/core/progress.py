"""Progress bars on long work, silent when nobody watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, runtime_checkable

from tqdm import tqdm

Item = TypeVar("Item")


@runtime_checkable
class Bar(Protocol):
    """What a piece of long work may do with its bar."""

    def update(self, n: float = 1) -> object:
        """Advance by n."""

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> object:
        """Show a short text behind the bar."""


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Pass items through, with a bar on standard error when it is a terminal."""
    yield from tqdm(items, desc=what, total=total, disable=None, leave=False)


@contextmanager
def bar(what: str, total: float | None, unit: str = "it") -> Iterator[Bar]:
    """A bar to advance by hand, shown when standard error is a terminal."""
    with tqdm(
        desc=what, total=total, unit=unit, unit_scale=True, disable=None, leave=False
    ) as shown:
        yield shown
