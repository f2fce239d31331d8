"""TRAK: influence in a random space of few dimensions.

Each predicted token is taken for a logistic regression of its own: its output is the log-odds of
the true token, m = log(p / (1 - p)), linear in the parameters around a checkpoint with features
x = grad m. The Hessian of the loss is then sum_t p_t (1 - p_t) x_t x_t^T. It is
as large as the parameters squared, so parameters are projected to k dimensions by a random P,
and influence is

    score[f, d] = - < (P^T H P + damping)^-1 P^T grad f,  P^T grad loss_d >         nats

with the mean over checkpoints where there are several. The factors p (1 - p) are those that the
paper leaves out of H, for it only ranks; they give the unit. A row's tokens are summed with
random signs, whose squares are on average the sum of the tokens' own, so a row costs one backward
pass.

P is a folded permutation: the entries of a parameter are shuffled, given random signs, cut into
stretches of k, and the stretches added up. E < P^T a, P^T b > = < a, b >, with a variance of at
most about 2/k |a|^2 |b|^2, as for a dense Gaussian matrix, but at one addition an entry.
Permutation and signs follow from the seed and the parameter's name.

References:
    Park, Georgiev, Ilyas, Leclerc & Madry 2023, "TRAK: attributing model behavior at scale",
    sec. 3; Charikar, Chen & Farach-Colton 2002 (count sketch).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.attribution.gradients import behavior_gradients
from whence.attribution.influence.ekfac import coverage_of
from whence.attribution.influence.labels import uniform
from whence.attribution.layer_gradients import taking_row_gradients, uses_of
from whence.attribution.streaming import (
    Stream,
    document_products,
    member_sums,
    rows_of_run,
    stream_of,
)
from whence.core import Behavior, Cause, Cost, Scores
from whence.core.errors import MethodError
from whence.core.progress import Bar, bar
from whence.core.seeds import generator
from whence.corpus import Corpus
from whence.interventions import document_causes
from whence.models import Model
from whence.training import Batch, Run, token_losses

_SURE = 1e-6  # below, 1 - p is rounding


@dataclass(frozen=True, slots=True)
class TrakSettings:
    """How TRAK is computed.

    Attributes:
        dimensions: of the random space; below the number of documents.
        damping: added to the projected Hessian, as a share of its mean diagonal entry.
        seed: of projection and signs.
        context: tokens a row; None means as many as the model can see. Use the training's.
        rows: documents a batch. Changes time and memory, not the scores.
        masked: see `InfluenceSettings`.

    Raises:
        MethodError: a value is out of range.
    """

    dimensions: int = 1024
    damping: float = 0.1
    seed: int = 0
    context: int | None = None
    rows: int = 16
    masked: bool = True

    def __post_init__(self) -> None:
        if self.dimensions < 1 or self.rows < 1 or not self.damping > 0:
            raise MethodError(
                "settings of TRAK",
                expected="dimensions, rows and damping above 0",
                got=repr(self),
                fix="Choose another value.",
            )

    @classmethod
    def of_run(cls, run: Run, **others: Any) -> TrakSettings:
        """Settings that cut documents and call the model as a run's training did."""
        own = {"context": run.recipe.context, "masked": run.plan.packed, "rows": rows_of_run(run)}
        return cls(**{**own, **others})


@dataclass(eq=False, slots=True)
class Projection:
    """A random map from the parameters to few dimensions, and back.

    Attributes:
        dimensions: how many.
        seed: from which, with the name of a parameter, everything follows.
    """

    dimensions: int
    seed: int
    _drawn: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def project(
        self, name: str, vectors: Float[Tensor, " vector *shape"]
    ) -> Float[Tensor, "vector dimension"]:
        """One parameter's part of the projection; those of all parameters are to be added."""
        order, signs = self._draw(name, vectors[0].numel(), vectors)
        flat = vectors.flatten(1)[:, order] * signs
        missing = -flat.shape[1] % self.dimensions
        padded = torch.nn.functional.pad(flat, (0, missing))
        return padded.view(len(vectors), -1, self.dimensions).sum(1)

    def back(
        self, name: str, points: Float[Tensor, "vector dimension"], like: Tensor
    ) -> Float[Tensor, " vector *shape"]:
        """The transposed map, into one parameter of the shape of `like`."""
        order, signs = self._draw(name, like.numel(), points)
        times = -(-like.numel() // self.dimensions)
        wide = points.repeat(1, times)[:, : like.numel()] * signs
        found = torch.empty_like(wide)
        found[:, order] = wide
        return found.view(len(points), *like.shape)

    def _draw(self, name: str, size: int, like: Tensor) -> tuple[Tensor, Tensor]:
        if name not in self._drawn:
            draw = generator(self.seed, "projection", name)
            order = torch.from_numpy(draw.permutation(size))
            signs = torch.from_numpy(draw.integers(0, 2, size, dtype=np.int8) * 2 - 1)
            self._drawn[name] = order.to(like.device), signs.to(like.device)
        order, signs = self._drawn[name]
        return order, signs.to(like.dtype)


def trak(
    models: Model | Sequence[Model],
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    *,
    causes: Sequence[Cause] | None = None,
    settings: TrakSettings | None = None,
) -> Scores:
    """Influence of documents in a random space, averaged over checkpoints.

    Costs about 2.5 forward-backward passes over the corpus for each checkpoint.

    Args:
        models: a checkpoint, or several: of one training, or of trainings with other seeds.
        corpus: the documents that they were trained on.
        behaviors: what is explained.
        causes: documents or groups of them; None means every document.
        settings: see `TrakSettings`; for a run `TrakSettings.of_run(run)`.

    Returns:
        Scores in nats, additive. A group's score is the sum over its documents.

    Raises:
        MethodError: there is no model, or the context is longer than a model's.
        BehaviorError: a behavior cannot be measured.
    """
    start = time.perf_counter()
    chosen = settings or TrakSettings()
    several = [models] if isinstance(models, Model) else list(models)
    if not several:
        raise MethodError("models", expected="at least one", got="none", fix="Name a checkpoint.")
    named = document_causes(corpus) if causes is None else tuple(causes)
    total = np.zeros((len(behaviors), corpus.n_documents))
    rows = 0
    with bar("trak", None, "row") as shown:
        for model in several:
            stream = stream_of(
                model, corpus, context=chosen.context, rows=chosen.rows, masked=chosen.masked
            )
            directions = _directions(model, stream, behaviors, chosen, shown)
            found, _ = document_products(model, stream, directions, len(behaviors), shown)
            total -= found / len(several)
            rows += 2 * stream.n_rows
    return Scores(
        values=member_sums(corpus, named, total),
        behaviors=tuple(behaviors),
        causes=named,
        method="trak",
        estimand="additive",
        settings={
            **asdict(chosen),
            "context": stream.context,
            "models": [model.digest for model in several],
            "corpus": corpus.digest,
        },
        cost=Cost(time.perf_counter() - start, forwards=rows, backwards=rows),
        coverage=coverage_of(several[0], stream),
    )


def _directions(
    model: Model,
    stream: Stream,
    behaviors: Sequence[Behavior],
    settings: TrakSettings,
    shown: Bar,
) -> Mapping[str, Tensor]:
    """P (P^T H P + damping)^-1 P^T grad f: what documents' gradients are multiplied with."""
    projection = Projection(settings.dimensions, settings.seed)
    hessian = projected_hessian(model, stream, projection, shown)
    uses, _ = uses_of(model.module)
    names = dict.fromkeys(use.name for use in uses)
    gradients = behavior_gradients(model, behaviors)
    projected = [projection.project(name, gradients[name]) for name in names]
    wanted = torch.stack(projected).sum(0).double()
    hessian.diagonal().add_(settings.damping * hessian.diagonal().mean())
    solved = torch.cholesky_solve(wanted.T, torch.linalg.cholesky(hessian)).T
    return {
        name: projection.back(name, solved.to(gradients[name]), gradients[name][0])
        for name in names
    }


def projected_hessian(
    model: Model, stream: Stream, projection: Projection, shown: Bar
) -> Float[Tensor, "dimension dimension"]:
    """P^T H P of the loss summed over tokens, nats, each token a logistic regression."""
    uses, _ = uses_of(model.module)
    size = projection.dimensions
    total = torch.zeros(size, size, dtype=torch.float64, device=model.device)
    for batch in stream.batches(model):
        count = len(batch.ids)
        features = torch.zeros(count, size, dtype=torch.float64, device=model.device)

        def take(name: str, rows: Tensor, features: Tensor = features) -> None:
            features.add_(projection.project(name, rows))

        with taking_row_gradients(model.module, uses, count, take):
            _signed(model, batch, projection.seed).backward()  # type: ignore[no-untyped-call]
        total += features.T @ features
        shown.update(count)
    return total


def _signed(model: Model, batch: Batch, seed: int) -> Float[Tensor, ""]:
    """Sum over tokens of +-1 (p (1 - p))^(1/2) log-odds, its factors held fixed."""
    losses = token_losses(model.module, batch)[batch.predicts]
    p = torch.exp(-losses.detach())
    signs = torch.where(uniform(batch, seed, "signs") < 0.5, -1.0, 1.0).to(losses)
    # (p (1 - p))^(1/2) grad log-odds = (p / (1 - p))^(1/2) grad log p
    factors = (p / (1 - p).clamp(min=_SURE)).sqrt()
    return -(signs * factors * losses).sum()
