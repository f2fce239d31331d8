"""Forward passes that begin in the middle: what lies before the first change is not done again.

Removing a head of layer 7 leaves layers 0 to 6 what they were. Their result, the residual stream
that enters layer 7, is computed once a row, kept, and put in the place of what they would give.
The module stays the user's own: for the length of one pass the skipped blocks hand on what they
are given, and the last of them gives the kept stream. Embeddings, masks and rotations are computed
as ever, since they cost little.

The result is that of the whole pass to rounding: kept streams come from batches of another shape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from whence.models import BATCH_SIZE, Model, Row, log_probabilities, plan

MOST_KEPT = 2**30
"""Bytes of kept streams; rows and layers that would need more are computed from the start."""


class Resuming:
    """The streams of some rows at the layers where passes begin."""

    def __init__(
        self, model: Model, rows: Sequence[Row], layers: Int[np.ndarray, " pass"], reuse: bool
    ) -> None:
        """Compute what will be needed.

        Args:
            model: the model.
            rows: every row that will be passed.
            layers: where passes begin; 0 is the start, and what is past the last needs nothing.
            reuse: whether to keep anything at all.
        """
        self._model = model
        self._kept: dict[Row, dict[int, Tensor]] = {}
        blocks = len(model.sites.layers)
        wanted = [layer for layer in np.unique(layers).tolist() if 0 < layer < blocks]
        different = list(dict.fromkeys(rows))
        size = sum(len(row.ids) for row in different) * model.config.hidden_size
        if not reuse or size * len(wanted) * model.dtype.itemsize > MOST_KEPT:
            wanted = []
        self._layers = wanted
        for batch in plan([len(row.ids) for row in different], BATCH_SIZE) if wanted else ():
            self._keep([different[i] for i in batch])

    def at(
        self, layers: Int[np.ndarray, " row"]
    ) -> Callable[[list[Row]], AbstractContextManager[None]]:
        """A context in which some rows begin at the first of these layers."""
        return partial(self._resumed, int(layers.min(initial=len(self._model.sites.layers))))

    def _resumed(self, layer: int, rows: list[Row]) -> AbstractContextManager[None]:
        if layer not in self._layers:
            return nullcontext()
        streams = [self._kept[row][layer] for row in rows]
        stream = nn.utils.rnn.pad_sequence(streams, batch_first=True)
        return skipping([site.block for site in self._model.sites.layers[:layer]], stream)

    def _keep(self, rows: list[Row]) -> None:
        def note(layer: int, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
            x = args[0] if args else kwargs["hidden_states"]
            for row, stream in zip(rows, x, strict=True):
                self._kept.setdefault(row, {})[layer] = stream[: len(row.ids)].clone()

        layers = self._model.sites.layers
        handles = [
            layers[i].block.register_forward_pre_hook(partial(note, i), with_kwargs=True)
            for i in self._layers
        ]
        try:
            with torch.no_grad():
                log_probabilities(self._model, rows)
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def skipping(
    blocks: Sequence[nn.Module], stream: Float[Tensor, "row position width"]
) -> Iterator[None]:
    """Let blocks hand on what they are given, and the last of them give a stream."""

    def handed_on(*args: Any, **kwargs: Any) -> Any:
        return args[0] if args else kwargs["hidden_states"]

    def resumed(*args: Any, **kwargs: Any) -> Any:
        del args, kwargs
        return stream

    # Other tools (accelerate) put a `forward` on an instance too; theirs comes back.
    before = [block.__dict__.get("forward") for block in blocks]
    try:
        for block in blocks:
            object.__setattr__(block, "forward", handed_on)
        object.__setattr__(blocks[-1], "forward", resumed)
        yield
    finally:
        for block, forward in zip(blocks, before, strict=True):
            if forward is None:
                object.__delattr__(block, "forward")
            else:
                object.__setattr__(block, "forward", forward)
