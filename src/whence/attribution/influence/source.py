"""SOURCE: influence along the recorded training, unrolled in a few segments.

A training need not have converged, and what is learned early is carried on, or undone, by all
later steps. For an update  p <- p - r P grad L(p)  with rate r and the optimiser's scaling P, a
small change q of the parameters before a step is  (1 - r P G) q  after it. Within a segment of
steps let P and the Gauss-Newton matrix G stay what they are on average. Then the segment, in
which rates add up to R, carries a change by S, and what the documents seen evenly in it have
moved arrives at its end times F:

    S = exp(-R P G),          F = (1 - exp(-R P G)) / (R P G)

    score[f, d] = - sum over segments k of  c[k, d] < F_k^T q_k, P_k grad loss_d(p_k) >
    q_last = grad f(final),   q_{k-1} = S_k^T q_k

    c[k, d]   recorded rate over the batch's token count, summed over the steps of segment k
              that saw d
    p_k       checkpoints of the segment; gradients are averaged over them

P G is not symmetric, but with s = P^(1/2) it is s^-1 (s G s) s, so gradients are multiplied with s
and EK-FAC is fitted to s G s. Decoupled weight decay adds to its eigenvalues. A rate counts less
where the gradient was clipped. Left out: that P depends on the gradients, and the lag of momentum.

Reference:
    Bae, Lin, Lorraine & Grosse 2024, "Training data attribution via approximate unrolled
    differentiation", sec. 3 and eq. 14 to 16. There rates and documents are averages over a
    segment; here they are the recorded ones.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.attribution.gradients import adam_scaling, behavior_gradients
from whence.attribution.influence.curvature import Curvature, Vectors, fit_curvature
from whence.attribution.influence.ekfac import coverage_of
from whence.attribution.influence.settings import InfluenceSettings
from whence.attribution.streaming import document_products, sample_of, stream_of_run
from whence.attribution.tracin import Preconditioner, seen_rates, spread
from whence.core import Behavior, Cost, Scores
from whence.core.errors import MethodError
from whence.core.progress import bar
from whence.interventions import Documents
from whence.training import Checkpoint, Run


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that are taken to be alike.

    Attributes:
        first: the number of its first step.
        last: of its last step.
        rate: the sum of their learning rates, each times what clipping left of the gradient.
        checkpoints: states in it that stand for all.
    """

    first: int
    last: int
    rate: float
    checkpoints: tuple[Checkpoint, ...]


def source(
    intervention: Documents,
    behaviors: Sequence[Behavior],
    *,
    segments: int = 3,
    checkpoints: int = 2,
    preconditioner: Preconditioner = "adam",
    settings: InfluenceSettings | None = None,
) -> Scores:
    """Unroll the recorded training in segments, each with EK-FAC curvature of its own.

    Costs about 3.3 forward-backward passes over the corpus for each checkpoint used, whatever
    the number of behaviors.

    Args:
        intervention: names the documents and the run.
        behaviors: what is explained.
        segments: how many stretches of as many steps the run is cut into.
        checkpoints: used in each of them at most.
        preconditioner: the optimiser's scaling; "none" takes the training for plain descent.
        settings: `sample`, `seed`, `rows` and `widest` of it count.

    Returns:
        Scores in nats, additive. A group's score is the sum over its documents.

    Raises:
        MethodError: a segment has no checkpoint.
        RunError: the run was recorded from somebody else's loop.
    """
    start = time.perf_counter()
    run, chosen = intervention.run, settings or InfluenceSettings()
    cut = cut_segments(run, segments, checkpoints)
    seen = seen_rates(run, _rates(run), [s.last for s in cut[:-1]])
    stream = stream_of_run(run, chosen.rows, np.flatnonzero(seen.sum(0) > 0))
    sample = sample_of(stream, chosen.sample, chosen.seed, "curvature")
    by_document = np.zeros((len(behaviors), intervention.corpus.n_documents))
    queries: Mapping[str, Tensor] = behavior_gradients(run.model(), behaviors)
    used = sum(len(s.checkpoints) for s in cut)
    rows = used * (2 * sample.n_rows + stream.n_rows)
    with bar("source", rows, "row") as shown:
        for segment, rates in zip(reversed(cut), seen[::-1], strict=True):
            models = [run.model(c.step) for c in segment.checkpoints]
            scaling = _scaling(run, segment) if preconditioner == "adam" else None
            curvature = fit_curvature(
                models, sample, seed=chosen.seed, widest=chosen.widest, shown=shown, scaling=scaling
            )
            directions, queries = carry(curvature, queries, segment.rate, _decays(run, queries))
            for model in models:
                found, _ = document_products(model, stream, directions, len(behaviors), shown)
                by_document -= found * rates / len(models)
    return Scores(
        values=intervention.sums(by_document),
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="source",
        estimand="additive",
        settings={
            "run": run.digest,
            "segments": [_told(s) for s in cut],
            "preconditioner": preconditioner,
            **{k: asdict(chosen)[k] for k in ("rows", "sample", "seed", "widest")},
        },
        cost=Cost(time.perf_counter() - start, forwards=rows, backwards=rows),
        coverage=coverage_of(run.model(), stream),
    )


def carry(
    curvature: Curvature, queries: Mapping[str, Tensor], rate: float, decays: Mapping[str, float]
) -> tuple[Vectors, Vectors]:
    """Take derivatives by the parameters at a segment's end back through it.

    Args:
        curvature: of the segment; its scaling is the root of the optimiser's.
        queries: derivatives by the parameters at its end.
        rate: the sum of its learning rates.
        decays: weight decay of each parameter.

    Returns:
        What to multiply the documents' gradients in the segment with, scaling included; and the
        derivatives by the parameters at its beginning.
    """
    scaling = curvature.scaling
    scaled = {
        name: vector if scaling is None else vector * scaling[name].to(vector)
        for name, vector in queries.items()
        if name in curvature.eigenvalues
    }

    def exponent(name: str, eigenvalues: Tensor) -> Tensor:
        return rate * (eigenvalues + decays[name])

    def average(name: str, eigenvalues: Tensor) -> Tensor:
        x = exponent(name, eigenvalues).clamp(min=1e-12)
        return -torch.expm1(-x) / x

    directions = curvature.apply(scaled, average)
    before = curvature.apply(scaled, lambda name, e: torch.exp(-exponent(name, e)))
    if scaling is not None:
        directions = {name: v * scaling[name].to(v) for name, v in directions.items()}
        before = {name: v / scaling[name].to(v) for name, v in before.items()}
    return directions, before


def cut_segments(run: Run, segments: int, checkpoints: int) -> list[Segment]:
    """Cut a run into stretches of as many steps, each with some of its checkpoints.

    Raises:
        MethodError: a number is out of range, or a segment has no checkpoint.
    """
    ends = [round(run.steps * (k + 1) / segments) for k in range(max(segments, 1))]
    rates, found, first = _rates(run), [], 1
    for last in ends:
        inside = [c for c in run.checkpoints if first <= c.step <= last]
        if not inside or checkpoints < 1 or segments < 1:
            raise MethodError(
                "segments and checkpoints",
                expected="a kept state in each of at least one segment",
                got=f"{segments} segments, none kept in steps {first} to {last}",
                fix="Cut the run into fewer segments, or train it with more checkpoints.",
            )
        total = float(rates[first - 1 : last].sum())
        found.append(Segment(first, last, total, tuple(_spread(inside, first, checkpoints))))
        first = last + 1
    return found


def _spread(inside: list[Checkpoint], first: int, count: int) -> list[Checkpoint]:
    """As evenly over the segment as its checkpoints allow."""
    from_its_beginning = [Checkpoint(c.step - first + 1, c.path, c.learning_rate) for c in inside]
    kept = {c.path for c in spread(from_its_beginning, count)}
    return [c for c in inside if c.path in kept]


def _rates(run: Run) -> Float[np.ndarray, " step"]:
    """The learning rate of every step, times what clipping left of its gradient."""
    limit = run.recipe.clip
    return np.array(
        [
            e["learning_rate"] * min(1.0, limit / max(e["gradient_norm"], 1e-12))
            for e in run.journal()
        ]
    )


def _scaling(run: Run, segment: Segment) -> dict[str, Tensor]:
    """The root of the optimiser's scaling, which is averaged over the checkpoints."""
    each = [adam_scaling(c, run) for c in segment.checkpoints]
    return {name: torch.stack([e[name] for e in each]).mean(0).sqrt() for name in each[0]}


def _decays(run: Run, parameters: Mapping[str, Tensor]) -> dict[str, float]:
    """Weight decay of each parameter; those of one axis have none."""
    decay = run.recipe.weight_decay
    return {name: decay if v.ndim > 2 else 0.0 for name, v in parameters.items()}


def _told(segment: Segment) -> dict[str, object]:
    return {
        "first": segment.first,
        "last": segment.last,
        "rate": segment.rate,
        "checkpoints": [c.step for c in segment.checkpoints],
    }
