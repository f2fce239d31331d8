"""Proof, before training starts, that packed pieces do not see one another.

Whether a mask keeps pieces apart depends on the architecture, the attention kernel and the
version of transformers, and a leak is silent. So it is tried: in a packed row the tokens
of one piece are changed, and every other piece's logits must stay as they were; and each
piece's logits must be those it has when it stands alone in a row. The second trial also
catches windows and positions that packing would change.

The trial runs on a copy with freshly drawn matrices, because a module whose output layers
begin at zero would hide any leak; that the changed piece's own logits move shows that the
trial can see.
"""

from __future__ import annotations

import copy
import inspect
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from whence.core.seeds import generator
from whence.models import check_causal
from whence.training.batch import NOTHING, Batch
from whence.training.losses import logits

LEAK = 1e-6
SEEN = 1e-3
ALONE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2}


@dataclass(frozen=True, slots=True)
class Isolation:
    """What the trial found.

    Attributes:
        packed: whether pieces can share rows.
        leak: largest change of another piece's logits, relative to the largest logit.
        alone: largest difference between a piece's logits packed and alone, same unit.
        seen: largest change of the changed piece's own logits, same unit.
        reason: in words.
    """

    packed: bool
    leak: float | None
    alone: float | None
    seen: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The record of the trial."""
        return asdict(self)


def try_isolation(module: nn.Module, context: int) -> Isolation:
    """Find out whether a module keeps packed pieces apart.

    Args:
        module: of the architecture, dtype and attention kernel that will be trained.
        context: tokens a row.
    """
    accepted = inspect.signature(module.forward).parameters
    missing = [n for n in ("attention_mask", "position_ids") if n not in accepted]
    if missing:
        reason = f"the module takes no {' and no '.join(missing)}: one piece a row"
        return Isolation(False, None, None, None, reason)
    if context < 8:
        return Isolation(False, None, None, None, "rows too short to share: one piece a row")
    trial = _redrawn(module)
    config: Any = module.config
    with torch.no_grad():
        leak, alone, seen = _measure(trial, context, int(config.vocab_size))
    if not seen > SEEN:
        return Isolation(False, leak, alone, seen, "a change was not seen at all: one piece a row")
    if not leak < LEAK:
        return Isolation(False, leak, alone, seen, "pieces see one another: one piece a row")
    if not alone < ALONE[next(module.parameters()).dtype]:
        reason = "a piece differs when it stands alone: one piece a row"
        return Isolation(False, leak, alone, seen, reason)
    return Isolation(True, leak, alone, seen, "pieces do not see one another")


def check_order_of_sight(module: nn.Module) -> None:
    """See that tokens see only earlier ones, whatever the module's weights are.

    Raises:
        ModelError: they see later ones: the module would learn to copy them.
    """
    check_causal(_redrawn(module))


def _redrawn(module: nn.Module) -> nn.Module:
    trial = copy.deepcopy(module).eval()
    with torch.no_grad():
        for parameter in trial.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, parameter.shape[-1] ** -0.5)
    return trial


def _measure(module: nn.Module, context: int, vocabulary: int) -> tuple[float, float, float]:
    rng = generator(0, "isolation")
    cuts = [0, context // 4, context // 4 + context // 3, context]
    device = next(module.parameters()).device
    ids = rng.integers(0, vocabulary, (2, context))
    shared = _packed(ids, [cuts, [0, context]]).to(device)
    before = logits(module, shared).float()
    scale = float(before.abs().max())
    leak, seen = 0.0, 1.0
    spans = list(pairwise(cuts))
    for start, stop in spans:
        changed = ids.copy()
        changed[0, start:stop] = (changed[0, start:stop] + 1 + rng.integers(vocabulary - 1)) % (
            vocabulary
        )
        after = logits(module, _packed(changed, [cuts, [0, context]]).to(device)).float()
        moved = (after - before)[0].abs().amax(-1)
        inside = torch.zeros(context, dtype=torch.bool, device=device)
        inside[start:stop] = True
        leak = max(leak, float(moved[~inside].max()) / scale)
        seen = min(seen, float(moved[inside].min()) / scale)
    alone = _difference(module, ids[1], before[1]) / scale
    for start, stop in spans:
        alone = max(alone, _difference(module, ids[0, start:stop], before[0, start:stop]) / scale)
    return leak, alone, seen


def _difference(
    module: nn.Module,
    ids: Int[np.ndarray, " position"],
    packed: Float[Tensor, "position vocabulary"],
) -> float:
    row = torch.from_numpy(ids)[None].to(packed.device)
    alone: Tensor = module(input_ids=row, use_cache=False).logits[0].float()
    return float((alone - packed).abs().max())


def _packed(ids: Int[np.ndarray, "row position"], cuts: list[list[int]]) -> Batch:
    segments = np.stack(
        [np.searchsorted(c, np.arange(ids.shape[1]), side="right") - 1 for c in cuts]
    )
    positions = np.stack(
        [np.arange(ids.shape[1]) - np.asarray(c)[s] for c, s in zip(cuts, segments, strict=True)]
    )
    tensors = [torch.from_numpy(a) for a in (ids, segments, positions)]
    nothing = torch.full_like(tensors[0], NOTHING)
    return Batch(tensors[0], nothing, nothing, tensors[1], tensors[2], tensors[2], packed=True)
