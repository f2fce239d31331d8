"""How fast values change with what goes along every edge, from one backward pass.

With v a value, x_r what receiver r reads, and a change c_s of what sender s adds:

    product of edge s -> r    =    < dv/dx_r , c_s >        summed over positions

The derivative by what *one* head reads is not in the graph of a forward pass, in which all heads
of a layer read the same; it is made from the derivative by the projection's output, column by
column, back through the module's own norm.

Sums over positions and columns are what is kept, layer by layer, so that memory follows the width
of one layer and not the number of edges.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from whence.interventions.listeners import projected
from whence.interventions.wiring import Columns, Reading, Sent, Stream, Wiring, listening
from whence.models import Row, log_probabilities


class Watching:
    """Keeps what is read, with its graph.

    Attributes:
        readings: each projection with the stream it read and its output.
        reads: each other receiver with what it read.
    """

    def __init__(self, start: Stream | None) -> None:
        self.readings: list[tuple[Reading, Stream, Columns]] = []
        self.reads: list[tuple[int, Stream]] = []
        self._start = start

    def start(self, x: Stream) -> Stream:
        """The stream as it is, or another to begin with; the graph begins here."""
        return (x if self._start is None else self._start).detach().requires_grad_()

    def sent(self, first: int, contributions: Sent) -> None:
        """Not kept."""

    def project(self, reading: Reading, x: Stream, y: Columns) -> Columns:
        """Kept."""
        self.readings.append((reading, x.detach(), y))
        return y

    def read(self, receiver: int, x: Stream) -> Stream:
        """Kept; a view, so that the derivative is this receiver's and not the whole stream's."""
        x = x.view_as(x)
        self.reads.append((receiver, x))
        return x


def edge_products(
    wiring: Wiring, rows: Sequence[Row], change: Sent, start: Stream | None = None
) -> Float[Tensor, "row receiver sender"]:
    """The product of every edge, nats; 0 where a receiver does not see a sender.

    Args:
        wiring: of the model.
        rows: whose values are differentiated.
        change: of what each sender adds.
        start: the stream to begin with, in place of the rows' embeddings.
    """
    watching = Watching(start)
    with torch.enable_grad(), listening(wiring, watching, len(rows)):
        found = log_probabilities(wiring.model, rows)
    signs = torch.tensor([s.sign for row in rows for s in row.scores]).to(found)
    watched = [y for *_, y in watching.readings] + [x for _, x in watching.reads]
    gradients = torch.autograd.grad((found * signs).sum(), watched)
    shape = (len(rows), len(wiring.graph.receivers), len(wiring.graph.senders))
    products = torch.zeros(shape, dtype=torch.float64, device=wiring.model.device)

    def add(receivers: Sequence[int], gradient: Float[Tensor, "row receiver p w"]) -> None:
        seen = wiring.graph.receivers[receivers[0]].upstream
        found = torch.bmm(gradient.flatten(2), change[:, :seen].flatten(2).transpose(1, 2))
        products[:, list(receivers), :seen] = found.double()

    split = len(watching.readings)
    for (reading, x, _), gradient in zip(watching.readings, gradients[:split], strict=True):
        add(reading.receivers, _by_receiver(reading, x, gradient))
    for (receiver, _), gradient in zip(watching.reads, gradients[split:], strict=True):
        add([receiver], gradient[:, None])
    return products


def _by_receiver(
    reading: Reading, x: Stream, gradient: Columns
) -> Float[Tensor, "row receiver position width"]:
    """The derivative by what each head reads, from that by the projection's output."""
    count = len(reading.receivers)
    with torch.enable_grad():
        own = x[:, None].expand(-1, count, -1, -1).clone().requires_grad_()
        outputs = projected(reading, range(count), own)
    columns = [gradient[..., a:b] for a, b in reading.columns]
    return torch.autograd.grad(outputs, own, columns)[0]
