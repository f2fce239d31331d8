"""Was this document trained on? Published baselines, from likelihoods alone.

    loss         mean log-likelihood a token
    zlib         the same, over the number of bytes that zlib needs for the text
    min-k        mean log-likelihood of the 20 % least likely tokens
    min-k++      the same, each token's log-likelihood standardised by what the model expected
    reference    log-likelihood a token, less that under a model that did not see the document

Each gives one number a document, higher for a document that was trained on, and is judged by the
area under its ROC curve: the probability that a training document scores higher than another.
None knows the training, which is why they are baselines beside retraining and profiles; where
training documents and others differ in kind, they tell kinds apart and not membership.

The order test asks something else: did a model train on documents *in this order*? Training leaves
later documents a little likelier. Under the null hypothesis that the order has nothing to do with
the model, every permutation of it is equally likely, so the p-value is exact whatever the model.

References:
    Yeom et al. 2018 (loss); Carlini et al. 2021, "Extracting training data from large language
    models", sec. 5 (zlib, reference); Shi et al. 2024, "Detecting pretraining data" (Min-K %);
    Zhang et al. 2025, "Min-K%++", eq. 4.
    Kuditipudi et al. 2025, "Blackbox model provenance via palimpsestic membership inference".
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy.stats import rankdata

from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.training import Likelihoods

LOWEST = 0.2
"""Share of the tokens that Min-K % looks at."""

_MOST_PERMUTATIONS = 10_000

PerDocument = Float[np.ndarray, " document"]


def detection_scores(
    own: Likelihoods, texts: Sequence[str], reference: Likelihoods | None = None
) -> dict[str, PerDocument]:
    """Every baseline's number for every document, higher for one that was trained on.

    Args:
        own: what the model says of the documents.
        texts: theirs.
        reference: what a model says of them that did not see them; None leaves that one out.

    Raises:
        MethodError: the texts or the reference are of other documents, or a document predicts
            no token.
    """
    others = [len(texts)] + ([] if reference is None else [len(reference.documents)])
    if any(n != len(own.documents) for n in others) or not own.tokens.all():
        raise MethodError(
            "documents",
            expected="the same documents everywhere, each of two tokens or more",
            got=f"{len(own.documents)} and {others}, {int((own.tokens == 0).sum())} too short",
            fix="Leave the short ones out.",
        )
    standard = np.zeros_like(own.log_probability)
    expects = own.deviation > 0
    np.divide(own.log_probability - own.mean, own.deviation, out=standard, where=expects)
    packed = np.array([len(zlib.compress(text.encode())) for text in texts])
    found = {
        "loss": own.means,
        "zlib": own.means / packed,
        "min-k": _lowest(own, own.log_probability),
        "min-k++": _lowest(own, standard),
    }
    if reference is not None:
        found["reference"] = own.means - reference.means
    return found


def _lowest(own: Likelihoods, values: Float[np.ndarray, " token"]) -> PerDocument:
    """Mean over the lowest share of each document's values, one at least."""
    ends = np.cumsum(own.tokens)[:-1]
    parts = np.split(values, ends)
    return np.array([np.sort(part)[: max(1, int(LOWEST * len(part)))].mean() for part in parts])


@dataclass(frozen=True, slots=True)
class Detection:
    """How well one baseline tells training documents from others.

    Attributes:
        method: its name.
        auc: 0.5 is chance.
        interval: of it, by drawing documents of both kinds again.
    """

    method: str
    auc: float
    interval: tuple[float, float]


def auc(scores: PerDocument, trained: Bool[np.ndarray, " document"]) -> float:
    """The probability that a training document scores higher than another; ties count half.

    Raises:
        MethodError: all documents are of one kind.
    """
    n, m = int(trained.sum()), int((~trained).sum())
    if not n or not m:
        raise MethodError(
            "trained",
            expected="documents of both kinds",
            got=f"{n} trained on and {m} not",
            fix="Hold some documents out.",
        )
    ranks = rankdata(scores)[trained].sum()
    return float((ranks - n * (n + 1) / 2) / (n * m))


def detect(
    scores: dict[str, PerDocument],
    trained: Bool[np.ndarray, " document"],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Detection]:
    """Area under the ROC curve of every baseline, with its interval.

    Args:
        scores: of `detection_scores`, or anybody's.
        trained: which documents were trained on.
        resamples: of the bootstrap.
        level: of the interval.
        seed: of the bootstrap; all baselines see the same draws.

    Raises:
        MethodError: all documents are of one kind.
    """
    members, others = np.flatnonzero(trained), np.flatnonzero(~trained)
    found = []
    for name, values in scores.items():
        value = auc(values, trained)
        rng = generator(seed, "detection")
        draws = []
        for _ in range(resamples):
            rows = np.concatenate([rng.choice(part, len(part)) for part in (members, others)])
            draws.append(auc(values[rows], trained[rows]))
        low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
        found.append(Detection(name, value, (float(low), float(high))))
    return found


@dataclass(frozen=True, slots=True)
class OrderTest:
    """Whether likelihoods remember an order.

    Attributes:
        correlation: Spearman's, of likelihood with place in the order.
        p_value: probability of one as high, if the order had nothing to do with the model.
        permutations: that it rests on; all there are, for a few documents.
    """

    correlation: float
    p_value: float
    permutations: int


def order_test(
    likelihoods: PerDocument, place: Integer[np.ndarray, " document"], *, seed: int = 0
) -> OrderTest:
    """Test whether a model trained on documents in an order, from their likelihoods under it.

    Args:
        likelihoods: of the documents under the model, nats; less those under a reference model,
            where there is one, which takes away what makes some texts easier than others.
        place: of each document in the order: the last step that saw it.
        seed: of the permutations, where there are too many to try all.

    Raises:
        MethodError: fewer than three documents, or likelihoods that are not finite.
    """
    n = len(likelihoods)
    if n < 3 or not np.isfinite(likelihoods).all():
        raise MethodError(
            "documents", expected="three or more, finite", got=str(n), fix="Take more documents."
        )
    x, y = (rankdata(v) - (n + 1) / 2 for v in (likelihoods, place))
    observed = float(x @ y)
    if factorial(min(n, 12)) <= _MOST_PERMUTATIONS:
        sums = np.array([x @ np.array(order) for order in permutations(y)])
        # A hair below, so that the order itself is counted whatever the rounding.
        p_value = float((sums >= observed - 1e-9).mean())
        count = len(sums)
    else:
        rng, count = generator(seed, "order-test"), _MOST_PERMUTATIONS
        sums = np.array([x @ rng.permutation(y) for _ in range(count)])
        p_value = (1 + int((sums >= observed - 1e-9).sum())) / (1 + count)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return OrderTest(observed / scale if scale else 0.0, p_value, count)
