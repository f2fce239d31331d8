"""Gradient similarity at one checkpoint: the plainest look at training gradients.

    dot       score[f, d] = - < grad f, P grad loss_d >
    cosine    the same over the lengths of both, in the norm that P makes

With P the optimiser's scaling or 1. Neither predicts a size; both only rank. The cosine takes
from a document what makes its gradient long (its length, its surprise), which the dot product
rewards. A document in several pieces has the sum over its pieces.

References:
    Charpiat et al. 2019, "Input similarity from the neural network perspective"; Xia et al. 2024,
    "LESS: selecting influential data for targeted instruction tuning", sec. 3.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from whence.attribution.gradients import behavior_gradients
from whence.attribution.influence.ekfac import coverage_of
from whence.attribution.layer_gradients import taking_row_gradients, uses_of
from whence.attribution.streaming import Stream, document_products, member_sums, stream_of
from whence.core import Behavior, Cause, Cost, Scores
from whence.core.progress import Bar, bar
from whence.corpus import Corpus
from whence.interventions import document_causes
from whence.models import Model
from whence.training import token_losses

Similarity = Literal["cosine", "dot"]


def gradient_similarity(
    model: Model,
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    *,
    causes: Sequence[Cause] | None = None,
    kind: Similarity = "cosine",
    scaling: Mapping[str, Tensor] | None = None,
    context: int | None = None,
    rows: int = 16,
    masked: bool = True,
) -> Scores:
    """How alike the gradients of documents and behaviors are.

    Costs about 1.3 forward-backward passes over the corpus.

    Args:
        model: a checkpoint; no recorded run is needed.
        corpus: the documents.
        behaviors: what is explained.
        causes: documents or groups of them; None means every document.
        kind: "cosine" or "dot".
        scaling: the diagonal of P, by parameter; `adam_scaling` reads it from a checkpoint.
        context: tokens a row; None means as many as the model can see.
        rows: documents a batch.
        masked: see `InfluenceSettings`.

    Returns:
        Scores that rank, additive.

    Raises:
        MethodError: the context is longer than the model's.
    """
    start = time.perf_counter()
    named = document_causes(corpus) if causes is None else tuple(causes)
    stream = stream_of(model, corpus, context=context, rows=rows, masked=masked)
    gradients = behavior_gradients(model, behaviors)
    scaled = {
        name: g if scaling is None else g * scaling[name].to(g) for name, g in gradients.items()
    }
    with bar("gradient similarity", stream.n_rows, "row") as shown:
        if kind == "dot":
            found, _ = document_products(model, stream, scaled, len(behaviors), shown)
        else:
            found = _cosines(model, stream, gradients, scaled, scaling, shown)
    return Scores(
        values=member_sums(corpus, named, -found),
        behaviors=tuple(behaviors),
        causes=named,
        method=f"gradient-{kind}",
        estimand="additive",
        unit="rank",
        settings={
            "model": model.digest,
            "corpus": corpus.digest,
            "scaled": scaling is not None,
            "context": stream.context,
            "rows": rows,
            "masked": masked,
        },
        cost=Cost(time.perf_counter() - start, forwards=stream.n_rows, backwards=stream.n_rows),
        coverage=coverage_of(model, stream),
    )


def _cosines(
    model: Model,
    stream: Stream,
    gradients: Mapping[str, Tensor],
    scaled: Mapping[str, Tensor],
    scaling: Mapping[str, Tensor] | None,
    shown: Bar,
) -> Float[np.ndarray, "behavior document"]:
    uses, _ = uses_of(model.module)
    covered = dict.fromkeys(use.name for use in uses)
    squares = sum((gradients[n] * scaled[n]).double().flatten(1).sum(1) for n in covered)
    lengths = torch.as_tensor(squares).sqrt().cpu()
    found = np.zeros((stream.corpus.n_documents, len(lengths)))
    for batch in stream.batches(model):
        count = len(batch.ids)
        products = torch.zeros(count, len(lengths), dtype=torch.float64)
        own = torch.zeros(count, dtype=torch.float64)

        def take(name: str, rows: Tensor, products: Tensor = products, own: Tensor = own) -> None:
            flat = rows.flatten(1)
            weighed = flat if scaling is None else flat * scaling[name].flatten().to(flat)
            products.add_((flat @ scaled[name].flatten(1).T).to(products))
            own.add_((flat * weighed).sum(1).to(own))

        with taking_row_gradients(model.module, uses, count, take):
            torch.autograd.backward(token_losses(model.module, batch).sum())
        # A piece that the model predicts without any error has no direction, and no share.
        cosines = products / (own.sqrt()[:, None] * lengths).clamp(min=torch.finfo().tiny)
        np.add.at(found, batch.documents[:, 0].cpu().numpy(), cosines.numpy())
        shown.update(count)
    return found.T
