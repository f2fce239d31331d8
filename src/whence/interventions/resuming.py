"""Forward passes that begin in the middle: what lies before the first change is not done again.

Removing a head of layer 7 leaves layers 0 to 6 what they were. Their result, the residual stream
that enters layer 7, is computed once a row, kept, and put in the place of what they would give.
The module stays the user's own: for the length of one pass the skipped blocks hand on what they
are given, and the last of them gives the kept stream. Embeddings, masks and rotations are computed
as ever, since they cost little.

Removing it at token 40 alone leaves tokens 0 to 39 what they were, in every layer, because a token
sees only earlier ones. What later ones need of them, their keys and values, is kept too, and the
pass begins at token 40. Of L layers and T tokens, a sweep over all computes about a quarter.

The result is that of the whole pass to rounding: kept streams come from batches of another shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import DynamicCache

from whence.models import (
    BATCH_SIZE,
    Model,
    Row,
    keys_and_values,
    log_probabilities,
    past_of,
    plan,
)

MOST_KEPT = 2**30
"""Bytes of kept streams, keys and values; what would need more is computed from the start."""


class Resuming:
    """What some rows leave behind at the layers and tokens where passes begin."""

    def __init__(
        self,
        model: Model,
        rows: Sequence[Row],
        layers: Int[np.ndarray, " pass"],
        *,
        reuse: bool,
        within: bool = False,
    ) -> None:
        """Compute what will be needed.

        Args:
            model: the model.
            rows: every row that will be passed.
            layers: where passes begin; 0 is the start, and what is past the last needs nothing.
            reuse: whether to keep anything at all.
            within: whether passes begin within rows, and not only at their first tokens.
        """
        self._model = model
        self._kept: dict[Row, dict[int, Tensor]] = {}
        self._pasts: dict[Row, list[tuple[Tensor, Tensor]]] = {}
        blocks = len(model.sites.layers)
        wanted = [layer for layer in np.unique(layers).tolist() if 0 < layer < blocks]
        within = within and reuse and model.goes_on
        different = list(dict.fromkeys(rows))
        size = sum(len(row.ids) for row in different) * model.dtype.itemsize
        if not reuse or size * len(wanted) * model.config.hidden_size > MOST_KEPT:
            wanted = []
        size *= sum(2 * site.n_heads * site.head_size for site in model.sites.layers)
        self._within = within and size <= MOST_KEPT
        self._layers = wanted
        work = plan([len(row.ids) for row in different], BATCH_SIZE)
        for batch in work if wanted or self._within else ():
            self._keep([different[i] for i in batch])

    @contextmanager
    def begun(self, rows: Sequence[Row], layer: int, token: int) -> Iterator[DynamicCache | None]:
        """A context in which some rows begin at a layer and a token, or before.

        Args:
            rows: of one pass.
            layer: the first that changes; all layers before it are skipped if it was asked for.
            token: the first that changes.

        Yields:
            The past that the pass goes on from; None where it begins at the first token.
        """
        layer = layer if layer in self._layers else 0
        begin = token if self._within else 0
        blocks = [site.block for site in self._model.sites.layers[:layer]]
        if not layer:
            skipped: AbstractContextManager[None] = nullcontext()
        else:
            streams = [self._kept[row][layer][begin:] for row in rows]
            skipped = skipping(blocks, nn.utils.rnn.pad_sequence(streams, batch_first=True))
        with skipped:
            yield self._past(rows, layer, begin) if begin else None

    def _past(self, rows: Sequence[Row], layer: int, begin: int) -> DynamicCache:
        """Keys and values of the first tokens; skipped layers get a shape and nothing in it."""
        found = []
        for i, (keys, values) in enumerate(self._pasts[rows[0]]):
            if i < layer:
                empty = keys.new_zeros(()).expand(len(rows), len(keys), begin, keys.shape[-1])
                found.append((empty, values.new_zeros(()).expand(empty.shape)))
                continue
            own = [self._pasts[row][i] for row in rows]
            both = (torch.stack([pair[k][:, :begin] for pair in own]) for k in (0, 1))
            found.append((next(both), next(both)))
        return past_of(found)

    def _keep(self, rows: list[Row]) -> None:
        def note(layer: int, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
            x = args[0] if args else kwargs["hidden_states"]
            for row, stream in zip(rows, x, strict=True):
                self._kept.setdefault(row, {})[layer] = stream[: len(row.ids)].clone()

        layers = self._model.sites.layers
        past = DynamicCache() if self._within else None
        handles = [
            layers[i].block.register_forward_pre_hook(partial(note, i), with_kwargs=True)
            for i in self._layers
        ]
        try:
            with torch.no_grad():
                log_probabilities(self._model, rows, past=past)
        finally:
            for handle in handles:
                handle.remove()
        if past is None:
            return
        found = keys_and_values(past)
        for k, row in enumerate(rows):
            n = len(row.ids)
            self._pasts[row] = [(keys[k, :, :n], values[k, :, :n]) for keys, values in found]


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
