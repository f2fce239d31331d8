"""Counterfactual memorisation: a document's own log-likelihood with and without it.

    mem(d) = mean over subsets with d of  log p(d)  -  mean over subsets without d

in nats, over models trained on random subsets such as a bank holds. What any model would say of
the document is in both means and goes; what is left is what seeing *it* did. The standard error
is that of a difference of two means with variances of their own (Welch).

Reference:
    Zhang et al. 2023, "Counterfactual memorization in neural language models", definition 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from whence.core.errors import MethodError

_FEWEST = 2


@dataclass(frozen=True, eq=False, slots=True)
class Memorization:
    """What seeing each document did to its own likelihood.

    Attributes:
        effects: nats; positive where the model knows the document better for having seen it.
        errors: standard errors, nats.
        seen: mean log-likelihood over models that saw it, nats.
        unseen: the same over models that did not.
    """

    effects: Float[np.ndarray, " document"]
    errors: Float[np.ndarray, " document"]
    seen: Float[np.ndarray, " document"]
    unseen: Float[np.ndarray, " document"]


def counterfactual(
    likelihoods: Float[np.ndarray, "subset document"], keep: Bool[np.ndarray, "subset document"]
) -> Memorization:
    """Compare models that saw a document with models that did not.

    Args:
        likelihoods: log-likelihood of each document under each subset's model, nats; for
            example `bank.likelihoods()`.
        keep: which documents each model saw.

    Raises:
        MethodError: the shapes differ, or some document has fewer than two models either way.
    """
    if likelihoods.shape != keep.shape:
        raise MethodError(
            "keep",
            expected=f"the shape of the likelihoods, {likelihoods.shape}",
            got=str(keep.shape),
            fix="Where causes are groups, give which documents each subset kept.",
        )
    fewest = int(np.minimum(keep.sum(0), (~keep).sum(0)).min(initial=len(keep)))
    if fewest < _FEWEST:
        raise MethodError(
            "subsets",
            expected=f"at least {_FEWEST} models with and {_FEWEST} without every document",
            got=f"{fewest} for one of them",
            fix="Make more subsets.",
        )
    seen, with_error = _mean(likelihoods, keep)
    unseen, without_error = _mean(likelihoods, ~keep)
    errors = np.sqrt(with_error + without_error)
    return Memorization(seen - unseen, errors, seen, unseen)


def _mean(
    values: Float[np.ndarray, "subset document"], among: Bool[np.ndarray, "subset document"]
) -> tuple[Float[np.ndarray, " document"], Float[np.ndarray, " document"]]:
    """Mean of each column over some rows, and the variance of that mean."""
    count = among.sum(0)
    mean = np.where(among, values, 0).sum(0) / count
    square = np.where(among, values - mean, 0) ** 2
    return mean, square.sum(0) / (count - 1) / count
