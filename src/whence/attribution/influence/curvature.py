"""The curvature of the training loss, in a form that can be inverted: EK-FAC.

The Gauss-Newton matrix of the mean loss per predicted token is, for a softmax, the Fisher
matrix with labels drawn from the model:

    G = 1/T sum over tokens t  E_{y ~ p_t} [ grad log p_t(y)  grad log p_t(y)^T ]

It is kept as one block a parameter. For a matrix W that maps x to W x, with gradient g at
the output, K-FAC takes the block to be  E[g g^T] (x) E[x x^T]. EK-FAC keeps the eigenvectors of
both and measures the eigenvalues instead: in the rotated axes, entry (i, j) is the mean square
of the gradient itself, summed over the tokens of a row. (Labels of different tokens are drawn
independently, so the square of a row's sum is, on average, the sum of its tokens' squares.)

What goes beyond the papers:

- A parameter of one axis (bias, norm) has its block whole: the eigenvectors of E[g g^T].
- An embedding is a matrix whose input is one-hot: that axis needs no rotation.
- An axis longer than `widest`, or much longer than the parameter's other one (the vocabulary's,
  mostly), keeps its own directions; its eigenvalues are still measured. To rotate the vocabulary
  as well took twice the time and changed no score's worth (docs/log.md).
- A tied matrix has two uses; each axis takes the sum over uses of its partial traces.
- Both passes draw the same labels. Then no gradient leaves the span of the axes' own moments, and
  directions that were never seen, whose basis is a matter of rounding, have eigenvalue 0 all.
- Gradients may be scaled by an optimiser's preconditioner (for SOURCE).

References:
    Martens & Grosse 2015, "Optimizing neural networks with Kronecker-factored approximate
    curvature", sec. 3; George et al. 2018, "Fast approximate natural gradient descent in a
    Kronecker-factored eigenbasis", sec. 3; Grosse et al. 2023, "Studying large language model
    generalization with influence functions", sec. 2.2 and 3.1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from whence.attribution.influence.labels import send_back_draws
from whence.attribution.layer_gradients import (
    Use,
    embedding_gradient,
    hearing,
    is_embedding,
    is_linear,
    row_gradient,
    taking_row_gradients,
    uses_of,
)
from whence.attribution.streaming import Stream
from whence.core.progress import Bar
from whence.models import Model
from whence.training import Batch

Vectors = dict[str, Float[Tensor, " vector *shape"]]
"""Vectors over all covered parameters, by name, several at once."""

Axes = tuple[Float[Tensor, "_ _"] | None, ...]
"""For each axis of a parameter its eigenvectors as columns; None where it keeps its own."""

LOPSIDED = 8
"""How many times as long as the other an axis is at most that is rotated: an MLP's are 4 times."""


@dataclass(frozen=True, eq=False, slots=True)
class Curvature:
    """The Gauss-Newton matrix of the mean loss per token, one block a parameter.

    Attributes:
        axes: directions in which a block is diagonal, by parameter.
        eigenvalues: along them; of each parameter's shape, nats per squared unit.
        scaling: what gradients are multiplied with, entry by entry, before everything else.
    """

    axes: Mapping[str, Axes]
    eigenvalues: Mapping[str, Float[Tensor, ...]]
    scaling: Mapping[str, Float[Tensor, ...]] | None = None

    def apply(
        self,
        vectors: Mapping[str, Tensor],
        function: Callable[[str, Float[Tensor, " *shape"]], Float[Tensor, " *shape"]],
    ) -> Vectors:
        """Multiply vectors with a function of the matrix.

        Args:
            vectors: those of other parameters than the covered ones are left out.
            function: from a parameter's name and eigenvalues to those of the result.
        """
        found = {}
        for name, eigenvalues in self.eigenvalues.items():
            axes, vector = self.axes[name], vectors[name].to(eigenvalues)
            turned = _rotate(vector, axes) * function(name, eigenvalues)
            found[name] = _rotate(turned, tuple(q if q is None else q.T for q in axes))
        return found

    def mean(self, name: str) -> float:
        """The mean eigenvalue of a block."""
        return float(self.eigenvalues[name].mean())


def fit_curvature(
    models: Sequence[Model],
    stream: Stream,
    *,
    seed: int,
    widest: int,
    shown: Bar,
    scaling: Mapping[str, Tensor] | None = None,
) -> Curvature:
    """Measure axes and eigenvalues in two passes over documents.

    Args:
        models: one model, or states of one training to average over.
        stream: the documents.
        seed: of the drawn labels.
        widest: the longest axis that is rotated.
        shown: told of every row, twice.
        scaling: what gradients are multiplied with, entry by entry; for example the root of an
            optimiser's preconditioner.
    """
    axes = _fit_axes(models, stream, seed, widest, scaling, shown)
    tokens = stream.tokens * len(models)
    sums: dict[str, Tensor] = {}

    def take(name: str, rows: Tensor) -> None:
        scaled = rows if scaling is None else rows * scaling[name].to(rows)
        squares = _rotate(scaled, _like(axes[name], scaled)).square().sum(0)
        sums[name] = sums.get(name, 0) + squares.double()

    for model in models:
        uses, _ = uses_of(model.module)
        for batch in stream.batches(model):
            with taking_row_gradients(model.module, uses, len(batch.ids), take):
                send_back_draws(model.module, batch, seed)
            shown.update(len(batch.ids))
    eigenvalues = {name: (total / tokens).to(_dtype(models)) for name, total in sums.items()}
    return Curvature(
        {name: _like(axes[name], eigenvalues[name]) for name in eigenvalues}, eigenvalues, scaling
    )


def _fit_axes(
    models: Sequence[Model],
    stream: Stream,
    seed: int,
    widest: int,
    scaling: Mapping[str, Tensor] | None,
    shown: Bar,
) -> dict[str, Axes]:
    moments = second_moments(models, stream, seed=seed, widest=widest, shown=shown)
    return {
        name: tuple(
            _eigenvectors(moment, None if scaling is None else _along(scaling[name], axis))
            for axis, moment in enumerate(each)
        )
        for name, each in moments.items()
    }


def second_moments(
    models: Sequence[Model], stream: Stream, *, seed: int, widest: int, shown: Bar
) -> dict[str, tuple[Tensor, ...]]:
    """The Kronecker factors of every parameter, one an axis.

    Returns:
        For each parameter and each of its axes the mean over tokens of x x^T, with x the input
        or the gradient at the output; only its diagonal where the axis is longer than `widest`,
        more than `LOPSIDED` times as long as the other, or one-hot. For a parameter of one axis
        E[g g^T], g its gradient in a row, per token. The factors of a tied matrix are sums over
        its uses, each weighed with the trace of that use's other factor.
    """
    sums: dict[int, list[Tensor]] = {}  # by the place of a use among all
    for model in models:
        uses, _ = uses_of(model.module)
        for batch in stream.batches(model):
            with _summing_moments(model.module, uses, batch, widest, sums):
                send_back_draws(model.module, batch, seed)
            shown.update(len(batch.ids))
    tokens = stream.tokens * len(models)
    by_name: dict[str, list[list[Tensor]]] = defaultdict(list)
    for place, each in sums.items():
        by_name[uses[place].name].append([moment / tokens for moment in each])
    return {name: _joined(uses) for name, uses in by_name.items()}


def _summing_moments(
    module: nn.Module, uses: Sequence[Use], batch: Batch, widest: int, sums: dict[int, list[Tensor]]
) -> AbstractContextManager[None]:
    """Add up the second moments of every use while a pass goes by."""
    here: dict[nn.Module, list[int]] = defaultdict(list)
    for place, use in enumerate(uses):
        here[use.layer].append(place)

    def hear(layer: nn.Module, given: Tensor, gradient: Tensor) -> None:
        for place in here[layer]:
            new = _moments(uses[place], given, gradient, batch.predicts, widest)
            old = sums.get(place)
            sums[place] = new if old is None else [a + b for a, b in zip(old, new, strict=True)]

    return hearing(module, uses, len(batch.ids), hear)


def _moments(
    use: Use, given: Tensor, gradient: Tensor, predicts: Tensor, widest: int
) -> list[Tensor]:
    """Sums of x x^T over tokens that predict something, one an axis of the parameter."""
    layer = use.layer
    shape = layer.get_parameter(use.key).shape
    longest = min(widest, LOPSIDED * min(shape)) if len(shape) == 2 else widest
    if is_embedding(layer):
        counts = torch.bincount(given.reshape(predicts.shape)[predicts], minlength=shape[0])
        outputs = embedding_gradient(layer, gradient)[predicts]
        return [counts.double(), _outer(outputs, longest)]
    if is_linear(layer) and use.key == "weight":
        inputs = _outer(given.reshape(*predicts.shape, -1)[predicts], longest)
        outputs = _outer(gradient[predicts], longest)
        return [inputs, outputs] if isinstance(layer, Conv1D) else [outputs, inputs]
    return [_outer(row_gradient(layer, use.key, given, gradient), longest)]


def _outer(vectors: Float[Tensor, "n size"], longest: int) -> Float[Tensor, " size ..."]:
    if vectors.shape[1] > longest:
        return vectors.square().sum(0).double()
    return (vectors.T @ vectors).double()


def _joined(uses: Sequence[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """One set of factors out of those of every use of a parameter."""
    if len(uses) == 1:
        return tuple(uses[0])
    # The partial trace of A (x) B over the second is tr(B) A; those of a sum add up.
    first = [_trace(b) * a for a, b in uses]
    second = [_trace(a) * b for a, b in uses]
    return _added(first), _added(second)


def _added(moments: Sequence[Tensor]) -> Tensor:
    full = any(m.ndim == 2 for m in moments)
    total: Tensor = sum(torch.diag(m) if full and m.ndim == 1 else m for m in moments)  # type: ignore[assignment]
    return total


def _trace(moment: Tensor) -> Tensor:
    return moment.sum() if moment.ndim == 1 else moment.trace()


def _along(scaling: Tensor, axis: int) -> Tensor:
    """The best scaling of one axis alone: the root mean square over the others."""
    rows = scaling.double().movedim(axis, 0).reshape(scaling.shape[axis], -1)
    return rows.square().mean(1).sqrt()


def _eigenvectors(moment: Tensor, scaling: Tensor | None) -> Tensor | None:
    if moment.ndim == 1:
        return None
    scaled = moment if scaling is None else scaling[:, None] * moment * scaling
    vectors: Tensor = torch.linalg.eigh(scaled)[1]
    return vectors


def _rotate(
    vectors: Float[Tensor, " vector *shape"], axes: Axes
) -> Float[Tensor, " vector *shape"]:
    """Components of vectors along the columns of every axis's matrix."""
    first, *rest = axes
    if not rest:
        return vectors if first is None else vectors @ first
    (second,) = rest
    turned = vectors if second is None else vectors @ second
    return turned if first is None else first.T @ turned


def _like(axes: Axes, tensor: Tensor) -> Axes:
    return tuple(q if q is None else q.to(tensor) for q in axes)


def _dtype(models: Sequence[Model]) -> torch.dtype:
    return torch.promote_types(models[0].dtype, torch.float32)
