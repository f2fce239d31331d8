"""Pairs of n-grams, one of a task's input and one of its output, that mean much the same.

An n-gram here is a text: n words in a row as they stand, with what is between them. (A model's
tokens and a corpus's tokens differ; words are common to both.) A text of fewer words is one
n-gram. Which pairs belong together is told by vectors that the caller brings: the cosine of the
two must exceed a threshold, and the two texts must differ.

Reference: Wang et al., "Generalization v.s. Memorization: Tracing Language Models' Capabilities
Back to Pretraining Data", ICLR 2025, section 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

from whence.core.errors import CorpusError
from whence.corpus.tasks.examples import Example

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


class Gram(NamedTuple):
    """An n-gram where it stands.

    Attributes:
        text: its words and what is between them.
        start: its first character.
        end: one past its last.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class TaskGrams:
    """The n-grams of a task's examples.

    Attributes:
        examples: the examples.
        inputs: different n-grams of their inputs, in order of appearance.
        outputs: different n-grams of their outputs.
        input_of: for each example, its input's n-grams as positions in `inputs`.
        output_of: for each example, its output's n-grams as positions in `outputs`.
    """

    examples: tuple[Example, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_of: tuple[tuple[int, ...], ...]
    output_of: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Pairs of an input's and an output's n-gram that belong together.

    Attributes:
        inputs: the n-grams of inputs that are in some pair.
        outputs: the n-grams of outputs that are in some pair.
        pairs: positions in `inputs` and `outputs`.
        similarity: cosine of the two vectors of each pair.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    pairs: Int64[np.ndarray, "pair two"]
    similarity: Float64[np.ndarray, " pair"]

    def __len__(self) -> int:
        return len(self.pairs)


class Found(NamedTuple):
    """A pair of the table in an example.

    Attributes:
        example: position of the example.
        pair: position of the pair.
        start: first character of the output's n-gram in the output.
        end: one past its last.
    """

    example: int
    pair: int
    start: int
    end: int


def grams_of(text: str, n: int) -> list[Gram]:
    """The n-grams of a text, in order; the whole text when it has fewer words.

    Raises:
        CorpusError: n is not positive.
    """
    if n < 1:
        raise CorpusError("n", expected="at least one word", got=str(n), fix="Give one such as 3.")
    words = [match.span() for match in _WORD.finditer(text)]
    if not words:
        return []
    n = min(n, len(words))
    spans = ((words[i][0], words[i + n - 1][1]) for i in range(len(words) - n + 1))
    return [Gram(text[start:end], start, end) for start, end in spans]


def task_grams(examples: Sequence[Example], n: int, n_output: int | None = None) -> TaskGrams:
    """Collect the n-grams of a task.

    Args:
        examples: of the task.
        n: words in an n-gram of an input.
        n_output: words in an n-gram of an output; as many when not given.
    """
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    input_of, output_of = [], []
    for example in examples:
        own = dict.fromkeys(g.text for g in grams_of(example.input, n))
        input_of.append(tuple(inputs.setdefault(text, len(inputs)) for text in own))
        own = dict.fromkeys(g.text for g in grams_of(example.output, n_output or n))
        output_of.append(tuple(outputs.setdefault(text, len(outputs)) for text in own))
    return TaskGrams(
        tuple(examples), tuple(inputs), tuple(outputs), tuple(input_of), tuple(output_of)
    )


def mine_pairs(
    grams: TaskGrams,
    input_vectors: Float[np.ndarray, "input width"],
    output_vectors: Float[np.ndarray, "output width"],
    threshold: float,
) -> PairTable:
    """Pair what stands in one example and has similar vectors.

    Args:
        grams: of the task's examples.
        input_vectors: one for each of `grams.inputs`, from any encoder.
        output_vectors: one for each of `grams.outputs`, from the same encoder.
        threshold: pairs with a larger cosine belong together.

    Raises:
        CorpusError: there are more or fewer vectors than n-grams.
    """
    for name, vectors, texts in (
        ("input_vectors", input_vectors, grams.inputs),
        ("output_vectors", output_vectors, grams.outputs),
    ):
        if len(vectors) != len(texts) or not np.isfinite(vectors).all():
            raise CorpusError(
                name,
                expected=f"{len(texts)} finite vectors, one an n-gram",
                got=f"{len(vectors)} vectors" if len(vectors) != len(texts) else "nan or infinity",
                fix="Embed the n-grams in the order of the task's own list.",
            )
    left, right = _normalised(input_vectors), _normalised(output_vectors)
    found: dict[tuple[int, int], float] = {}
    for own_inputs, own_outputs in zip(grams.input_of, grams.output_of, strict=True):
        cosines = left[list(own_inputs)] @ right[list(own_outputs)].T
        for i, j in np.argwhere(cosines > threshold).tolist():
            pair = own_inputs[i], own_outputs[j]
            if grams.inputs[pair[0]] != grams.outputs[pair[1]]:
                found[pair] = float(cosines[i, j])
    return pair_table(
        [(grams.inputs[i], grams.outputs[j], similarity) for (i, j), similarity in found.items()]
    )


def pair_table(rows: Sequence[tuple[str, str, float]]) -> PairTable:
    """A table of pairs that are known already: input's n-gram, output's n-gram, similarity."""
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    pairs = [
        (inputs.setdefault(a, len(inputs)), outputs.setdefault(b, len(outputs))) for a, b, _ in rows
    ]
    return PairTable(
        tuple(inputs),
        tuple(outputs),
        np.array(pairs, np.int64).reshape(-1, 2),
        np.array([similarity for _, _, similarity in rows], np.float64),
    )


def find_pairs(
    table: PairTable, examples: Sequence[Example], n: int, n_output: int | None = None
) -> list[Found]:
    """The pairs of a table that stand in examples, each at its first place in the output."""
    of_input = {text: i for i, text in enumerate(table.inputs)}
    by_input: dict[int, list[tuple[int, str]]] = {}
    for k, (i, j) in enumerate(table.pairs.tolist()):
        by_input.setdefault(i, []).append((k, table.outputs[j]))
    found = []
    for number, example in enumerate(examples):
        there: dict[str, Gram] = {}
        for gram in grams_of(example.output, n_output or n):
            there.setdefault(gram.text, gram)
        for text in dict.fromkeys(g.text for g in grams_of(example.input, n)):
            for k, output in by_input.get(of_input.get(text, -1), ()):
                if output in there:
                    found.append(Found(number, k, there[output].start, there[output].end))
    return found


def _normalised(vectors: Float[np.ndarray, "gram width"]) -> Float64[np.ndarray, "gram width"]:
    wide = np.asarray(vectors, np.float64)
    unit: Float64[np.ndarray, "gram width"] = wide / np.maximum(
        np.linalg.norm(wide, axis=1, keepdims=True), 1e-300
    )
    return unit
