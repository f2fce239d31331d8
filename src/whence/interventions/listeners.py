"""What listens to a residual stream: one that notes what is sent, one that cuts edges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from whence.interventions.wiring import Columns, Reading, Sent, Stream, Wiring, listening, wire
from whence.models import Model, Row, log_probabilities


class Noting:
    """Notes what every sender adds, and changes nothing.

    Attributes:
        sent: what each sender added, in the order of the graph, when the pass is over.
    """

    def __init__(self, wiring: Wiring) -> None:
        self._parts: list[Sent | None] = [None] * len(wiring.graph.senders)

    @property
    def contributions(self) -> Sent:
        """What each sender added."""
        found = [part for part in self._parts if part is not None]
        return torch.stack(found, dim=1)

    def start(self, x: Stream) -> Stream:
        """The stream as it is."""
        return x

    def sent(self, first: int, contributions: Sent) -> None:
        """Noted."""
        for i, part in enumerate(contributions.unbind(dim=1)):
            self._parts[first + i] = part

    def project(self, reading: Reading, x: Stream, y: Columns) -> Columns:
        """Nothing changes."""
        del reading, x
        return y

    def read(self, receiver: int, x: Stream) -> Stream:
        """Nothing changes."""
        del receiver
        return x


class Cutting:
    """Replaces what goes along some edges.

    A receiver whose edges from senders S are cut reads

        x + sum over s in S of (instead_s - sent_s)

    with sent_s what s adds *in this pass*, in which other edges may have been cut before.
    """

    def __init__(
        self,
        wiring: Wiring,
        cut: Bool[Tensor, "row receiver sender"],
        instead: Float[Tensor, "#row #sender #position #width"],
        where: Bool[Tensor, "row position"] | None = None,
    ) -> None:
        """Prepare one forward pass.

        Args:
            wiring: of the model.
            cut: which edges, for each row of the batch.
            instead: what goes along them, for each sender.
            where: the positions at which they are cut; None means all.
        """
        self._graph = wiring.graph
        self._cut = cut
        self._instead = instead
        self._where = where
        self._senders: list[bool] = cut.any(dim=0).any(dim=0).tolist()
        self._receivers: list[bool] = cut.any(dim=0).any(dim=1).tolist()
        self._rows = cut.any(dim=2)
        self._change: Sent | None = None
        self._before: Sent | None = None

    def assume(self, before: Sent) -> None:
        """Let the pass begin behind some senders, of which this is what they add."""
        self._before = before

    def start(self, x: Stream) -> Stream:
        """Make room for the changes of all senders."""
        self._change = x.new_zeros(len(x), len(self._senders), *x.shape[1:])
        if self._before is not None:
            self.sent(0, self._before)
        return x

    def sent(self, first: int, contributions: Sent) -> None:
        """Note by how much each sender's contribution would change."""
        assert self._change is not None
        count = contributions.shape[1]
        if not any(self._senders[first : first + count]):
            return
        some = self._instead.shape[1] > 1
        instead = self._instead[:, first : first + count] if some else self._instead
        change = instead - contributions
        if self._where is not None:
            change = change * self._where[:, None, :, None]
        self._change[:, first : first + count] = change

    def read(self, receiver: int, x: Stream) -> Stream:
        """An MLP or the vocabulary reads its own stream."""
        if not self._receivers[receiver]:
            return x
        new = self._streams([receiver], x)[:, 0]
        return torch.where(self._rows[:, receiver, None, None], new, x)

    def project(self, reading: Reading, x: Stream, y: Columns) -> Columns:
        """Each head reads its own stream; columns of the others stay what they were."""
        chosen = [k for k, r in enumerate(reading.receivers) if self._receivers[r]]
        if not chosen:
            return y
        receivers = [reading.receivers[k] for k in chosen]
        heads = projected(reading, chosen, self._streams(receivers, x))
        y = y.clone()
        for k, (receiver, head) in enumerate(zip(receivers, heads, strict=True)):
            columns = slice(*reading.columns[chosen[k]])
            there = self._rows[:, receiver, None, None]
            y[..., columns] = torch.where(there, head, y[..., columns])
        return y

    def _streams(
        self, receivers: Sequence[int], x: Stream
    ) -> Float[Tensor, "row receiver position width"]:
        """What some receivers that see the same senders read."""
        assert self._change is not None
        upstream = self._graph.receivers[receivers[0]].upstream
        cut = self._cut[:, receivers, :upstream].to(x.dtype)
        change = self._change[:, :upstream]
        moved = torch.bmm(cut, change.flatten(2))
        return x[:, None] + moved.reshape(len(x), len(receivers), *x.shape[1:])


def projected(
    reading: Reading, chosen: Sequence[int], x: Float[Tensor, "row receiver position width"]
) -> list[Float[Tensor, "row position size"]]:
    """The columns of some receivers of one projection, each from a stream of its own."""
    normed = x if reading.norm is None else reading.norm(x)
    columns = [reading.columns[k] for k in chosen]
    after = reading.projection.after
    if after is None:
        return [
            normed[:, k] @ reading.matrix[:, a:b] + reading.constant[a:b]
            for k, (a, b) in enumerate(columns)
        ]
    # A norm over all heads: each head's stream makes all of them, and its own columns are taken.
    # Its hook is not to see this, so its function is called.
    whole = after.forward(normed @ reading.matrix + reading.constant)
    return [whole[:, k, :, a:b] for k, (a, b) in enumerate(columns)]


def contributions(wiring: Wiring, rows: Sequence[Row]) -> Sent:
    """What every sender adds to the stream, nothing cut."""
    noting = Noting(wiring)
    with torch.no_grad(), listening(wiring, noting, len(rows)):
        log_probabilities(wiring.model, rows)
    return noting.contributions


def direct_parts(model: Model, rows: Sequence[Row]) -> tuple[tuple[str, ...], Sent]:
    """The names of all senders of a model, and what each adds to the stream of some rows.

    Raises:
        ModelError: the model's streams are not known, or no sum.
    """
    wiring = wire(model)
    return tuple(s.id for s in wiring.graph.senders), contributions(wiring, rows)
