"""ThinkSum: ask a model many small things, and do the reasoning over its probabilities outside.

"Think" makes prompts (a fact about each thing, a rewording, an association); "sum" combines
the probability of each choice over them. A mixture asks for any prompt that speaks for a
choice; a product for a choice that fits all of them.

References:
    Ozturkler et al. 2022, "ThinkSum" (arXiv:2210.01293).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from whence.core.errors import ClientError
from whence.reasoning.clients import Scorer


def think_sum(
    scorer: Scorer,
    prompts: Sequence[str],
    choices: Sequence[str],
    how: Literal["mixture", "product"] = "mixture",
    weights: Sequence[float] | None = None,
    among_choices: bool = True,
) -> Float[np.ndarray, " choice"]:
    """The logarithm of each choice's combined probability; the choices add up to 1.

    Args:
        scorer: a model that says how probable texts are.
        prompts: what was thought of.
        choices: continuations to decide between.
        how: "mixture" for log sum_k w_k P_k(choice), "product" for sum_k w_k log P_k(choice).
        weights: one a prompt; equal, adding up to 1, by default.
        among_choices: make the probabilities of each prompt add up to 1 over the choices
            before they are combined, so that a prompt after which all are unlikely counts too.

    Raises:
        ClientError: there is no prompt or choice, or the weights do not fit.
    """
    if weights is None:
        weights = [1 / max(len(prompts), 1)] * len(prompts)
    if not prompts or not choices or len(weights) != len(prompts) or min(weights) < 0:
        raise ClientError(
            "think_sum",
            expected="prompts, choices, and a weight of at least 0 for each prompt",
            got=f"{len(prompts)} prompts, {len(choices)} choices, {len(weights)} weights",
            fix="Give at least one of each.",
        )
    pairs = [(prompt, choice) for prompt in prompts for choice in choices]
    found = scorer.log_probabilities([p for p, _ in pairs], [c for _, c in pairs])
    table = np.array(found).reshape(len(prompts), len(choices))
    if among_choices:
        table = table - np.logaddexp.reduce(table, axis=1, keepdims=True)
    share = np.array(weights)[:, None]
    if how == "product":
        combined = (share * table).sum(axis=0)
    else:
        with np.errstate(divide="ignore"):
            combined = np.logaddexp.reduce(table + np.log(share), axis=0)
    return np.asarray(combined - np.logaddexp.reduce(combined))
