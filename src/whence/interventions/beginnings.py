"""Where passes with cut edges begin: nothing before the first receiver that changes is done again.

Cutting an edge into layer 7 leaves layers 0 to 6 what they were: the stream that enters layer 7,
and what every sender before it adds. Both are computed once a row and kept, in place of a pass
through those layers; for edges into the vocabulary that is all layers. What is kept for the other
prompt spares a pass in every batch.

The result is that of the whole pass to rounding: what is kept comes from batches of another shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from whence.interventions.listeners import Cutting, Noting
from whence.interventions.resuming import MOST_KEPT, skipping
from whence.interventions.wiring import Columns, Reading, Sent, Stream, Wiring, listening
from whence.models import Row, log_probabilities, plan


@dataclass(frozen=True, eq=False, slots=True)
class Kept:
    """What one row leaves behind.

    Attributes:
        sent: what every sender adds.
        streams: the stream that enters each layer, and last what the final norm reads.
    """

    sent: Float[Tensor, "sender position width"]
    streams: Float[Tensor, "layer position width"]


@dataclass(eq=False)
class _Keeping(Noting):
    """Notes what is sent, and the stream at every layer."""

    wiring: Wiring
    streams: dict[int, Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.wiring)

    def project(self, reading: Reading, x: Stream, y: Columns) -> Columns:
        """The stream as the layer gets it."""
        self.streams[self.wiring.graph.receivers[reading.receivers[0]].layer] = x
        return y

    def read(self, receiver: int, x: Stream) -> Stream:
        """The stream as the final norm gets it."""
        if self.wiring.graph.receivers[receiver].role == "logits":
            self.streams[len(self.wiring.layers)] = x
        return x


def keep_beginnings(wiring: Wiring, rows: Sequence[Row], batch_size: int) -> dict[Row, Kept]:
    """What some rows leave behind; nothing where that would take more than `MOST_KEPT` bytes."""
    model, different = wiring.model, list(dict.fromkeys(rows))
    tokens = sum(len(row.ids) for row in different)
    numbers = len(wiring.graph.senders) + len(wiring.layers) + 1
    size = tokens * numbers * int(model.config.hidden_size) * model.dtype.itemsize
    kept: dict[Row, Kept] = {}
    if size > MOST_KEPT:
        return kept
    for batch in plan([len(row.ids) for row in different], batch_size):
        chosen = [different[i] for i in batch]
        keeping = _Keeping(wiring)
        with torch.no_grad(), listening(wiring, keeping, len(chosen)):
            log_probabilities(model, chosen)
        streams = torch.stack([keeping.streams[i] for i in range(len(wiring.layers) + 1)], dim=1)
        for k, (row, sent) in enumerate(zip(chosen, keeping.contributions, strict=True)):
            n = len(row.ids)
            kept[row] = Kept(sent[:, :n].clone(), streams[k, :, :n].clone())
    return kept


def sent_by(kept: Mapping[Row, Kept], rows: Sequence[Row]) -> Sent:
    """What every sender adds in some kept rows, padded with zeros on the right."""
    swapped = [kept[row].sent.transpose(0, 1) for row in rows]
    return pad_sequence(swapped, batch_first=True).transpose(1, 2)


@contextmanager
def cutting_from(
    wiring: Wiring, cutting: Cutting, rows: Sequence[Row], kept: Mapping[Row, Kept], layer: int
) -> Iterator[None]:
    """Let edges be cut in a pass that begins at a layer; the number of layers is the final norm."""
    if not layer or any(row not in kept for row in rows):
        with listening(wiring, cutting, len(rows)):
            yield
        return
    before = wiring.layers[layer].heads if layer < len(wiring.layers) else None
    cutting.assume(sent_by(kept, rows)[:, :before])
    stream = pad_sequence([kept[row].streams[layer] for row in rows], batch_first=True)
    blocks = [part.streams.sites.block for part in wiring.layers[:layer]]
    with skipping(blocks, stream), listening(wiring, cutting, len(rows), begin=layer):
        yield
