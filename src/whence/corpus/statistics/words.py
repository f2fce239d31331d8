"""Kinds of words: how their number grows with the text, how their frequencies fall.

Growth is fitted by Heaps' law, V(n) = k n^b, with least squares on logarithms. The tail of the
frequencies is fitted by a discrete power law, p(x) = x^-a / zeta(a, x_min) for x >= x_min, with
maximum likelihood; x_min is where the fitted and the observed distribution differ least
(Kolmogorov-Smirnov). Zipf's exponent, of frequency against rank, is then 1 / (a - 1).

References: Heaps, "Information Retrieval", 1978, section 7.5; Clauset, Shalizi and Newman,
"Power-law distributions in empirical data", SIAM Review 51(4), 2009, equations 3.5 and 3.9.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

_STEPS_A_DECADE = 8
_FEWEST_WORDS = 100  # before that, growth is that of the first sentence
_FEWEST_KINDS = 50  # a tail of fewer is no tail
_MOST_STARTS = 60


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """How the number of kinds grew with the number of words, and Heaps' law fitted to it.

    Attributes:
        read: words read, at the ends of documents, evenly spread over their logarithm.
        kinds: different words by then.
        k: factor of the law; None when there are fewer than three points to fit.
        b: its exponent.
        fitted_from: the law is fitted to points of at least this many words.
    """

    read: tuple[int, ...]
    kinds: tuple[int, ...]
    k: float | None
    b: float | None
    fitted_from: int


@dataclass(frozen=True, slots=True)
class Tail:
    """A power law fitted to the frequencies of the frequent kinds.

    Attributes:
        exponent: a, of the number of kinds against their frequency.
        error: its standard error, (a - 1) / sqrt(kinds in the tail).
        zipf: 1 / (a - 1), of frequency against rank.
        x_min: the law is fitted to kinds that occur at least this often.
        x_max: the largest frequency.
        kinds: how many kinds are in that range.
        distance: largest difference of the two cumulative distributions there.
    """

    exponent: float
    error: float
    zipf: float
    x_min: int
    x_max: int
    kinds: int
    distance: float


class WordCount:
    """Words counted while documents pass by; memory grows with their kinds."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.read = 0
        self.points: list[tuple[int, int]] = []
        self._next = 1.0

    def add(self, found: list[str]) -> None:
        """Count the words of one document."""
        self.kinds.update(found)
        self.read += len(found)
        if self.read >= self._next:
            self.points.append((self.read, len(self.kinds)))
            while self._next <= self.read:
                self._next *= 10 ** (1 / _STEPS_A_DECADE)

    def growth(self) -> Growth:
        """The growth so far, its last point included."""
        points = list(self.points)
        if self.read and (not points or points[-1][0] != self.read):
            points.append((self.read, len(self.kinds)))
        return fit_heaps([n for n, _ in points], [kinds for _, kinds in points])

    def frequencies(self) -> Int64[np.ndarray, " kind"]:
        """How often each kind occurs, most frequent first."""
        found = np.fromiter(self.kinds.values(), np.int64, len(self.kinds))
        return np.sort(found)[::-1]


def fit_heaps(read: Sequence[int], kinds: Sequence[int]) -> Growth:
    """Fit Heaps' law to points of at least 100 words.

    Args:
        read: words read.
        kinds: different words by then.
    """
    used = [(n, v) for n, v in zip(read, kinds, strict=True) if n >= _FEWEST_WORDS]
    if len(used) < 3:
        return Growth(tuple(read), tuple(kinds), None, None, _FEWEST_WORDS)
    x, y = (np.log(np.array(column, np.float64)) for column in zip(*used, strict=True))
    b = float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())
    k = float(np.exp(y.mean() - b * x.mean()))
    return Growth(tuple(read), tuple(kinds), k, b, _FEWEST_WORDS)


def fit_zipf(frequencies: Int64[np.ndarray, " kind"], x_min: int | None = None) -> Tail | None:
    """Fit a discrete power law to the tail of word frequencies, by maximum likelihood.

    Args:
        frequencies: how often each kind occurs, in any order.
        x_min: where the tail begins; by default where the fit is best.

    Returns:
        The fit, or None when no tail of at least 50 kinds with two frequencies is there.
    """
    values, counts = np.unique(frequencies[frequencies > 0], return_counts=True)
    above = np.cumsum(counts[::-1])[::-1]
    starts = [
        i
        for i in range(len(values) - 1)
        if above[i] >= _FEWEST_KINDS and x_min in (None, int(values[i]))
    ]
    if len(starts) > _MOST_STARTS:
        # Every start costs a fit; those far up the tail differ little from their neighbours.
        spread = np.geomspace(1, len(starts), _MOST_STARTS).astype(int) - 1
        starts = [starts[i] for i in sorted(set(spread.tolist()))]
    fits = [_fit_tail(values[i:], counts[i:]) for i in starts]
    return min(fits, key=lambda fit: (fit.distance, fit.x_min), default=None)


def _fit_tail(values: Int64[np.ndarray, " value"], counts: Int64[np.ndarray, " value"]) -> Tail:
    from scipy.optimize import minimize_scalar  # noqa: PLC0415
    from scipy.special import zeta  # noqa: PLC0415

    start, n = int(values[0]), int(counts.sum())
    logarithms = float((counts * np.log(values)).sum())

    def loss(a: float) -> Any:
        return n * np.log(zeta(a, start)) + a * logarithms

    a = float(minimize_scalar(loss, bounds=(1.0001, 12.0), method="bounded").x)
    model: Float64[np.ndarray, " value"] = 1 - zeta(a, values + 1) / zeta(a, start)
    distance = float(np.abs(np.cumsum(counts) / n - model).max())
    error = (a - 1) / n**0.5
    return Tail(a, error, 1 / (a - 1), start, int(values[-1]), n, distance)
