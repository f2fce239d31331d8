"""Direct logit attribution: what each part says to the vocabulary itself, past all other parts.

The last norm, frozen at the scale that it has in this pass, makes the logits linear in the
residual stream, and the stream is a sum of what the embedding, heads and MLPs add, c_s:

    score_s  =  < dv/dn , N(c_s) >        n the norm's output, N the frozen norm, positions summed

For one token against another the first factor is the difference of two rows of the unembedding,
and scores of all parts, with the constants of projections, add up to the value exactly; otherwise
the softmax is linearised at this pass. Effects through later parts are not seen, however strong:
that is what the exact sweep is for. One forward pass, and a backward pass through the vocabulary.

References: nostalgebraist, "interpreting GPT: the logit lens", 2020; Elhage et al., "A
Mathematical Framework for Transformer Circuits", 2021 (direct paths).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from whence.attribution.stream_parts import by_cause, check_adds_to_stream
from whence.core import Behavior, Cost, Coverage, Scores
from whence.interventions import Components, direct_parts
from whence.models import encode, log_probabilities, rows_of


def direct_logit_attribution(intervention: Components, behaviors: Sequence[Behavior]) -> Scores:
    """What each head, MLP or layer adds to the value directly.

    Args:
        intervention: names the components; at all positions. What stands in their place plays no
            part: a direct contribution is taken against none.
        behaviors: what is explained.

    Returns:
        Scores in nats, additive. The settings hold the same of the embedding, under "embedding".

    Raises:
        MethodError: components other than heads, MLPs and layers, or at chosen positions.
        ModelError: the model's stream is not a sum.
    """
    check_adds_to_stream(intervention)
    start = time.perf_counter()
    found = [_direct(intervention, behavior) for behavior in behaviors]
    return Scores(
        values=by_cause(intervention, found),
        behaviors=tuple(behaviors),
        causes=intervention.causes,
        method="direct-logit-attribution",
        estimand="additive",
        settings={
            "intervention": intervention.describe(),
            "norm": "frozen",
            "embedding": [parts["embedding"] for parts in found],
        },
        cost=Cost(time.perf_counter() - start, forwards=len(behaviors), backwards=len(behaviors)),
        coverage=Coverage(f"all {len(intervention.causes)} components, direct paths alone", 1.0),
    )


def _direct(intervention: Components, behavior: Behavior) -> dict[str, float]:
    """For each part what it adds to one value, nats."""
    model = intervention.model
    rows = rows_of(encode(model, behavior))
    seen: dict[str, Tensor] = {}

    def keep(_: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen["x"], seen["y"] = args[0].detach(), output.detach().requires_grad_()
        return seen["y"]

    norm = model.sites.final_norm
    names, sent = direct_parts(model, rows)
    assert norm is not None  # a stream that is a sum has one
    handle = norm.register_forward_hook(keep)
    try:
        with torch.enable_grad():
            scores = log_probabilities(model, rows)
    finally:
        handle.remove()
    signs = torch.tensor([s.sign for row in rows for s in row.scores]).to(scores)
    (slope,) = torch.autograd.grad((scores * signs).sum(), seen["y"])
    through = frozen(norm, seen["x"], seen["y"].detach(), sent)
    found = (through * slope[:, None]).double().sum(dim=(0, 2, 3))
    return dict(zip(names, found.tolist(), strict=True))


def frozen(
    norm: nn.Module,
    x: Float[Tensor, "row position width"],
    y: Float[Tensor, "row position width"],
    parts: Float[Tensor, "row part position width"],
) -> Float[Tensor, "row part position width"]:
    """A norm with the scale that takes x to y, applied to parts of x.

    A LayerNorm also subtracts the mean, of each part its own, and adds a constant, which belongs
    to no part.
    """
    if isinstance(norm, nn.LayerNorm):
        x = x - x.mean(-1, keepdim=True)
        y = y if norm.bias is None else y - norm.bias
        parts = parts - parts.mean(-1, keepdim=True)
    scale = torch.where(x == 0, 0, y / torch.where(x == 0, 1, x))
    return parts * scale[:, None]
