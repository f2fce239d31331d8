"""Orders of a prompt's tokens that know next to nothing, to stand beside methods that should.

last-first, first-first    by position
embedding-norm             by the length of a token's embedding, the longest of a cause's first
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from whence.core import Behavior, Cause, Scores
from whence.interventions import Tokens, token_numbers
from whence.models import encode_prompt


def by_position(
    behaviors: Sequence[Behavior], causes: Sequence[Cause], *, last: bool = True
) -> Scores:
    """By a cause's place (a token's position, a component's layer).

    Args:
        behaviors: about which nothing is asked.
        causes: what is ordered.
        last: the last first.

    Returns:
        Ranks.
    """
    sizes = np.array([cause.size for cause in causes])
    name = "last-first" if last else "first-first"
    return _ranks(name, behaviors, causes, sizes if last else -sizes)


def embedding_norm(intervention: Tokens, behaviors: Sequence[Behavior]) -> Scores:
    """By the length of the embedding, as the model scales it.

    Args:
        intervention: names the tokens and the model.
        behaviors: about which nothing is asked.

    Returns:
        Ranks.
    """
    model = intervention.model
    ids = torch.tensor(encode_prompt(model, intervention.prompt).ids, device=model.device)
    with torch.no_grad():
        lengths = model.sites.embedding(ids).double().norm(dim=-1).cpu().numpy()
    longest = [lengths[token_numbers(cause)].max() for cause in intervention.causes]
    return _ranks("embedding-norm", behaviors, intervention.causes, np.array(longest))


def _ranks(
    method: str, behaviors: Sequence[Behavior], causes: Sequence[Cause], row: np.ndarray
) -> Scores:
    return Scores(
        values=np.tile(row.astype(float), (len(behaviors), 1)),
        behaviors=tuple(behaviors),
        causes=tuple(causes),
        method=method,
        estimand="alone",
        unit="rank",
    )
