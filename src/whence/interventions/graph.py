"""The graph of a decoder's parts: who writes to the residual stream, who reads it, every edge.

    senders      embedding, L0.H0, L0.H1, ..., L0.MLP, L1.H0, ...     in the order of the sum
    receivers    L0.H0.Q, ..., L0.K0, ..., L0.V0, ..., L0.MLP, ..., logits

A receiver sees a beginning of the list of senders: everything that was added before it reads.
Queries are read once a head; keys and values once a key head, which several query heads share in
models with grouped queries. GPT-2 small has 32,491 edges, the number that the field knows.

An edge is written "L0.H1->L2.H3.Q".

References: the graph is that of Wang et al., "Interpretability in the Wild", 2022, sec. 2, with
the inputs of a head told apart by query, key and value as in Conmy et al., "Towards Automated
Circuit Discovery", 2023, sec. 2.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from whence.core import Cause
from whence.models import LayerStreams

Role = Literal["query", "key", "value", "mlp", "logits"]

EMBEDDING, LOGITS = "embedding", "logits"


@dataclass(frozen=True, slots=True)
class Sender:
    """One part that adds to the stream.

    Attributes:
        id: "embedding", "L1.H2" or "L1.MLP".
        layer: its layer; -1 for the embedding.
        kind: "embedding", "head" or "mlp".
    """

    id: str
    layer: int
    kind: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """One reading of the stream.

    Attributes:
        id: "L1.H2.Q", "L1.K0", "L1.V0", "L1.MLP" or "logits".
        layer: its layer; the number of layers for the logits.
        role: what is read.
        head: its number among those of this role and layer.
        upstream: how many senders it sees, counted from the first.
    """

    id: str
    layer: int
    role: Role
    head: int
    upstream: int


@dataclass(frozen=True, slots=True)
class EdgeGraph:
    """All senders and receivers of a model.

    Attributes:
        senders: in the order of the sum.
        receivers: in the order of the forward pass.
    """

    senders: tuple[Sender, ...]
    receivers: tuple[Receiver, ...]

    def edges(
        self, senders: Sequence[str] | None = None, receivers: Sequence[str] | None = None
    ) -> list[tuple[int, int]]:
        """Edges as (receiver, sender), receiver by receiver; None stands for all of them."""
        return [
            (r, s)
            for r, receiver in enumerate(self.receivers)
            if receivers is None or receiver.id in receivers
            for s in range(receiver.upstream)
            if senders is None or self.senders[s].id in senders
        ]

    def cause(self, receiver: int, sender: int) -> Cause:
        """An edge as a cause; controls match it in both ends' kinds and the receiver's layer."""
        tail, head = self.senders[sender], self.receivers[receiver]
        return Cause(
            kind="component",
            id=f"{tail.id}->{head.id}",
            text=f"from {_said(tail.id)} to {_said(head.id)}",
            stratum=f"{tail.kind} to {head.role}",
            size=float(head.layer),
        )


def graph_of(streams: Sequence[LayerStreams]) -> EdgeGraph:
    """The graph of a model whose layers read and write as `streams` says."""
    senders, receivers = [Sender(EMBEDDING, -1, "embedding")], []
    for layer, stream in enumerate(streams):
        name, before = f"L{layer}", len(senders)
        heads = {"query": stream.sites.n_heads, "key": stream.n_keys, "value": stream.n_keys}
        names = {"query": "{}.H{}.Q", "key": "{}.K{}", "value": "{}.V{}"}
        roles: tuple[Role, ...] = ("query", "key", "value")
        for role in roles:
            receivers += [
                Receiver(names[role].format(name, h), layer, role, h, before)
                for h in range(heads[role])
            ]
        senders += [Sender(f"{name}.H{h}", layer, "head") for h in range(heads["query"])]
        seen = before if stream.parallel else len(senders)
        receivers.append(Receiver(f"{name}.MLP", layer, "mlp", 0, seen))
        senders.append(Sender(f"{name}.MLP", layer, "mlp"))
    receivers.append(Receiver(LOGITS, len(streams), "logits", 0, len(senders)))
    return EdgeGraph(tuple(senders), tuple(receivers))


def _said(name: str) -> str:
    """A part as a person says it: "head 2 of layer 1, its query"."""
    if name in (EMBEDDING, LOGITS):
        return f"the {name}"
    layer, _, rest = name.partition(".")
    of = f"of layer {layer[1:]}"
    if rest == "MLP":
        return f"the MLP {of}"
    if rest[0] in "KV":
        return f"the {'key' if rest[0] == 'K' else 'value'} {rest[1:]} {of}"
    head, _, query = rest.partition(".")
    return f"{'the query of ' if query else ''}head {head[1:]} {of}"
