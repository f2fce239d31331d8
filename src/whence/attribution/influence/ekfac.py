"""Influence functions: what one document's weight does to where training ends.

Let training end at a minimum of the mean loss per predicted token, with a weight on every
document:

    L(p, w) = 1/T sum_d w_d loss_d(p),        loss_d: sum over the document's tokens, nats

Where the minimum goes when w_d changes follows from its gradient staying 0 (Cauchy; Cook 1977).
With G in the place of the Hessian and damping, which both say that only the neighbourhood of the
present parameters is believed:

    d p / d w_d = - (G + damping)^-1 grad loss_d / T
    score[f, d] = f with d  -  f without d  =  - 1/T < (G + damping)^-1 grad f, grad loss_d >

to first order in the weight. It is in nats, positive where the document supports the behavior,
and the scores of a group add up. The denominator T stays when a weight goes to 0, as in a
replay. Assumed: that training has converged, that every document was seen equally often, and
that neither the optimiser nor the order matters. `through_run` and `source` assume less.

References:
    Koh & Liang 2017, "Understanding black-box predictions via influence functions", sec. 2;
    Grosse et al. 2023, "Studying large language model generalization with influence functions",
    sec. 3 (EK-FAC, query batching, low rank, damping of 0.1 of the mean eigenvalue).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from whence.attribution.gradients import behavior_gradients
from whence.attribution.influence.curvature import Curvature, Vectors, fit_curvature
from whence.attribution.influence.low_rank import stacked, thinned
from whence.attribution.influence.settings import InfluenceSettings
from whence.attribution.layer_gradients import uses_of
from whence.attribution.row_gradients import Directions, covered_share
from whence.attribution.streaming import (
    Stream,
    document_products,
    member_sums,
    sample_of,
    stream_of,
)
from whence.core import Behavior, Cause, Cost, Coverage, Scores
from whence.core.progress import Bar, bar
from whence.corpus import Corpus
from whence.interventions import document_causes
from whence.models import Model

Report = dict[str, list[float]]
"""What there is to report of each behavior, by name."""

Solve = Callable[[Mapping[str, Tensor], Curvature, Bar], tuple[Vectors, Report]]
"""From behaviors' gradients to the directions that documents are multiplied with."""


def ekfac(
    model: Model,
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    *,
    causes: Sequence[Cause] | None = None,
    settings: InfluenceSettings | None = None,
) -> Scores:
    """Influence of documents with the curvature in eigenvalue-corrected Kronecker factors.

    Costs two forward-backward passes over the documents the curvature is fitted on and about
    1.3 over the corpus, whatever the number of behaviors.

    Args:
        model: a checkpoint; no recorded run is needed.
        corpus: the documents that it was trained on.
        behaviors: what is explained.
        causes: documents or groups of them; None means every document.
        settings: see `InfluenceSettings`; for a run `InfluenceSettings.of_run(run)`.

    Returns:
        Scores in nats, additive. A group's score is the sum over its documents.

    Raises:
        MethodError: the context is longer than the model's.
        BehaviorError: a behavior cannot be measured.
    """
    chosen = settings or InfluenceSettings()

    def solve(
        gradients: Mapping[str, Tensor], curvature: Curvature, _: Bar
    ) -> tuple[Vectors, Report]:
        return damped_inverse(curvature, gradients, chosen.damping), {}

    return influence(model, corpus, behaviors, causes, chosen, method="ekfac", solve=solve)


def damped_inverse(curvature: Curvature, vectors: Mapping[str, Tensor], damping: float) -> Vectors:
    """(G + damping)^-1 times vectors; the damping is a share of each block's mean eigenvalue."""

    def inverse(name: str, eigenvalues: Tensor) -> Tensor:
        # A parameter that never has a gradient has no say either.
        mean = curvature.mean(name)
        return 1 / (eigenvalues + damping * mean) if mean else torch.zeros_like(eigenvalues)

    return curvature.apply(vectors, inverse)


def influence(
    model: Model,
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    causes: Sequence[Cause] | None,
    settings: InfluenceSettings,
    *,
    method: str,
    solve: Solve,
) -> Scores:
    """Scores of any influence function: they differ in how they solve for directions."""
    start = time.perf_counter()
    named = document_causes(corpus) if causes is None else tuple(causes)
    stream = stream_of(
        model, corpus, context=settings.context, rows=settings.rows, masked=settings.masked
    )
    sample = sample_of(stream, settings.sample, settings.seed, "curvature")
    with bar(method, None, "row") as shown:
        curvature = fit_curvature(
            [model], sample, seed=settings.seed, widest=settings.widest, shown=shown
        )
        prepared = _directions(model, behaviors, settings, curvature, solve, shown)
        parts, notes, passes = [], [], 0
        for directions in prepared:
            products, _ = document_products(
                model, stream, directions.by_name, directions.count, shown
            )
            parts.append(-products / stream.tokens)
            notes.append(directions.report)
            passes += 1
    rows = 2 * sample.n_rows + passes * stream.n_rows
    return Scores(
        values=member_sums(corpus, named, np.concatenate(parts)),
        behaviors=tuple(behaviors),
        causes=named,
        method=method,
        estimand="additive",
        settings={
            **settings.to_json(),
            "context": stream.context,
            "model": model.digest,
            "corpus": corpus.digest,
            "dampings": dampings(curvature, settings.damping),
            "report": _merged(notes),
        },
        cost=Cost(time.perf_counter() - start, forwards=rows, backwards=rows),
        coverage=coverage_of(model, stream),
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Prepared:
    """Directions for some behaviors, ready to be multiplied with documents' gradients."""

    by_name: Directions
    count: int
    report: Report


def _directions(
    model: Model,
    behaviors: Sequence[Behavior],
    settings: InfluenceSettings,
    curvature: Curvature,
    solve: Solve,
    shown: Bar,
) -> Iterator[_Prepared]:
    """Directions of all behaviors, as many at a time as the settings say.

    With a rank they are small, so all of them go together after they were made in turn.
    """
    at_once = settings.at_once or len(behaviors)
    thin: list[_Prepared] = []
    for first in range(0, len(behaviors), at_once):
        some = behaviors[first : first + at_once]
        solved, report = solve(behavior_gradients(model, some), curvature, shown)
        if settings.rank is None:
            yield _Prepared(solved, len(some), report)
        else:
            thinner, kept = thinned(solved, settings.rank)
            thin.append(_Prepared(thinner, len(some), {**report, "kept": kept}))
    if thin:
        yield _Prepared(
            {name: stacked([t.by_name[name] for t in thin]) for name in thin[0].by_name},
            len(behaviors),
            _merged([t.report for t in thin]),
        )


def _merged(reports: Sequence[Report]) -> Report:
    return {key: [x for r in reports for x in r[key]] for key in reports[0]}


def dampings(curvature: Curvature, damping: float) -> dict[str, float]:
    """What is added to the eigenvalues of each block, nats per squared unit."""
    return {name: damping * curvature.mean(name) for name in sorted(curvature.eigenvalues)}


def coverage_of(model: Model, stream: Stream) -> Coverage:
    """The documents and the parameters that a method over gradients looks at."""
    _, missing = uses_of(model.module)
    share = covered_share(model.module, missing)
    without = f" (without {', '.join(missing)})" if missing else ""
    return Coverage(
        f"{len(stream.documents)} documents, {share:.1%} of the parameters{without}", share
    )
