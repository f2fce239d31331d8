"""Texts drawn from models of the corpus.

The n-gram model forgets all but its last few tokens. The infinity-gram model looks back as far
as the corpus lets it: the next token is drawn from what follows the longest ending of the text
so far that occurs and goes on. Where that ending occurs once, it copies; with `fewest`, only
endings with that many continuations count, and the text wanders between documents.

Reference: Liu et al., "Infini-gram: Scaling Unbounded n-gram Language Models to a Trillion
Tokens", 2024, section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from whence.core.errors import CorpusError
from whence.core.seeds import generator
from whence.corpus.index import Index
from whence.corpus.ngrams.model import NgramModel
from whence.corpus.store import Corpus

END = -1


@dataclass(frozen=True, slots=True)
class Step:
    """What may come next: tokens or `END`, their weights, and how much context chose them."""

    tokens: Int64[np.ndarray, " choice"]
    weights: Float64[np.ndarray, " choice"]
    context: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A text that was drawn.

    Attributes:
        text: the prompt is not in it.
        tokens: of the text.
        ended: it ended as documents end, not for want of room.
        contexts: for each token, how many tokens before it chose it.
    """

    text: str
    tokens: tuple[int, ...]
    ended: bool
    contexts: tuple[int, ...]


def sample(
    corpus: Corpus,
    model: NgramModel | None = None,
    prompt: str = "",
    *,
    tokens: int = 100,
    seed: int = 0,
    temperature: float = 1.0,
    fewest: int = 1,
    index: Index | None = None,
) -> Sample:
    """Draw a text.

    Args:
        corpus: the documents.
        model: an n-gram model; without one, the infinity-gram model of the index.
        prompt: what the text goes on from; a document's beginning.
        tokens: at most this many.
        seed: equal seeds give equal texts.
        temperature: weights are raised to 1 / temperature; 0 takes the likeliest always.
        fewest: continuations that a context must have; for the infinity-gram model.
        index: of a slice of the corpus; for the infinity-gram model.

    Raises:
        CorpusError: a number cannot be.
    """
    for name, value, lowest in (
        ("tokens", tokens, 1),
        ("fewest", fewest, 1),
        ("temperature", temperature, 0),
    ):
        if not value >= lowest:
            raise CorpusError(
                name, expected=f"at least {lowest}", got=str(value), fix="Leave it out."
            )
    if model is not None:
        step = _of_ngrams(model)
    else:
        step = _of_infinity(corpus.index() if index is None else index, fewest)
    rng = generator(seed, "sample")
    before = corpus.encode(prompt).tolist() if prompt else []
    drawn: list[int] = []
    contexts: list[int] = []
    while len(drawn) < tokens:
        choice = step([*before, *drawn])
        token = _draw(choice, temperature, rng)
        if token == END:
            return Sample(_text(corpus, drawn), tuple(drawn), True, tuple(contexts))
        drawn.append(token)
        contexts.append(choice.context)
    return Sample(_text(corpus, drawn), tuple(drawn), False, tuple(contexts))


def _of_ngrams(model: NgramModel) -> Callable[[list[int]], Step]:
    choices = np.append(np.arange(model.symbols.vocabulary), END)

    def step(before: list[int]) -> Step:
        return Step(choices, model.distribution(before), min(len(before), model.order - 1))

    return step


def _of_infinity(index: Index, fewest: int) -> Callable[[list[int]], Step]:
    longest: int | None = None  # with one token more it can be longer by one at most

    def step(before: list[int]) -> Step:
        nonlocal longest
        longest = len(before) if longest is None else longest + 1
        while longest:
            context = before[len(before) - longest :]
            count = index.count(context)
            if count >= fewest:
                following = index.next(context)
                # What follows no token ends its document.
                ends = count - int(following.counts.sum())
                tokens = np.append(following.tokens, END) if ends else following.tokens
                counts = np.append(following.counts, ends) if ends else following.counts
                return Step(tokens.astype(np.int64), counts.astype(np.float64), longest)
            longest -= 1
        following = index.next([])
        return Step(following.tokens, following.counts.astype(np.float64), 0)

    return step


def _draw(step: Step, temperature: float, rng: np.random.Generator) -> int:
    if temperature == 0:
        return int(step.tokens[int(np.argmax(step.weights))])
    # In logarithms: a small temperature would take every weight to 0.
    with np.errstate(divide="ignore"):
        logs = np.log(step.weights) / temperature
    weights = np.exp(logs - logs.max())
    return int(rng.choice(step.tokens, p=weights / weights.sum()))


def _text(corpus: Corpus, tokens: list[int]) -> str:
    return corpus.decode(tokens) if tokens else ""
