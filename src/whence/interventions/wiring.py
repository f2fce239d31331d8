"""Hooks on the residual stream of an unmodified module: every writing and every reading.

A *listener* is told what each sender adds, and may change what each receiver reads, while the
stream itself stays what it is. That is what sets an edge apart from a part: replacing what the
MLP of layer 0 sends to the query of one head leaves everybody else's input alone.

A reading is changed *before* its norm, and the norm is the module's own, computed anew on the
changed stream (nothing is frozen), as in path patching. Only behind a norm at the end of an
attention (Gemma, OLMo 2) the share of one head needs a convention, since a norm of a sum is no
sum: each head gets the scale that the norm had for all heads together, so that the shares add up
to what the attention adds.

The constant of an output projection belongs to no head, and stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from whence.core.errors import InterventionError
from whence.interventions.graph import EdgeGraph, graph_of
from whence.models import LayerStreams, Model, Projection, as_matrix

Stream = Float[Tensor, "row position width"]
Columns = Float[Tensor, "row position columns"]
Sent = Float[Tensor, "row sender position width"]


@dataclass(frozen=True, eq=False)
class Reading:
    """One projection of one layer, and which receivers are its columns.

    Attributes:
        norm: before it, or None.
        projection: its modules.
        receivers: numbers of the receivers in it.
        columns: where each of them is in its output.
        matrix: what it multiplies with.
        constant: what it adds.
    """

    norm: nn.Module | None
    projection: Projection
    receivers: tuple[int, ...]
    columns: tuple[tuple[int, int], ...]
    matrix: Float[Tensor, "width columns"]
    constant: Float[Tensor, " columns"]


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer's modules, with the numbers of its senders and receivers.

    Attributes:
        streams: its modules.
        readings: its projections.
        heads: number of its first head among the senders; the others follow, then the MLP.
        mlp: number of its MLP among the receivers.
        output: what each head's result is multiplied with.
    """

    streams: LayerStreams
    readings: tuple[Reading, ...]
    heads: int
    mlp: int
    output: Float[Tensor, "head size width"]


@dataclass(frozen=True, eq=False)
class Wiring:
    """A model's layers, ready to be listened to.

    Attributes:
        model: the model.
        graph: its senders and receivers.
        layers: its modules, by layer.
    """

    model: Model
    graph: EdgeGraph
    layers: tuple[Layer, ...]


@runtime_checkable
class Listener(Protocol):
    """What is told of a forward pass; numbers are those of the graph."""

    def start(self, x: Stream) -> Stream:
        """The stream as the first layer gets it: what goes on instead."""

    def sent(self, first: int, contributions: Sent) -> None:
        """What some senders, `first` and those behind it, add to the stream."""

    def project(self, reading: Reading, x: Stream, y: Columns) -> Columns:
        """The stream x became the projection's output y: what goes on instead of y."""

    def read(self, receiver: int, x: Stream) -> Stream:
        """An MLP or the vocabulary reads x: what it reads instead."""


def wire(model: Model) -> Wiring:
    """Find a model's streams and what its projections multiply with.

    Raises:
        ModelError: its architecture is not known, or its stream is not a sum.
    """
    graph = graph_of(model.streams)
    like = torch.zeros((), dtype=model.dtype, device=model.device)
    width = int(model.config.hidden_size)
    number = {receiver.id: i for i, receiver in enumerate(graph.receivers)}
    where = {sender.id: i for i, sender in enumerate(graph.senders)}
    layers = []
    for layer, streams in enumerate(model.streams):
        sites = streams.sites
        output, _ = as_matrix(sites.attention_out, sites.n_heads * sites.head_size, like)
        layers.append(
            Layer(
                streams=streams,
                readings=tuple(
                    _reading(streams, projection, number, width, like)
                    for projection in streams.projections
                ),
                heads=where[f"L{layer}.H0"],
                mlp=number[f"L{layer}.MLP"],
                output=output.reshape(sites.n_heads, sites.head_size, -1),
            )
        )
    return Wiring(model, graph, tuple(layers))


def _reading(
    streams: LayerStreams, projection: Projection, number: dict[str, int], width: int, like: Tensor
) -> Reading:
    matrix, constant = as_matrix(projection.module, width, like)
    names = {"query": "L{}.H{}.Q", "key": "L{}.K{}", "value": "L{}.V{}"}
    found = [
        (number[names[role].format(streams.sites.layer, head)], columns)
        for role, parts in projection.parts.items()
        for head, columns in enumerate(parts)
    ]
    receivers, columns = zip(*found, strict=True)
    return Reading(streams.norm, projection, receivers, columns, matrix, constant)


@contextmanager
def listening(wiring: Wiring, listener: Listener, n_rows: int, begin: int = 0) -> Iterator[None]:
    """Let a listener take part in a forward pass.

    Args:
        wiring: of the model.
        listener: told of every sender and receiver.
        n_rows: rows of the batch (some modules see rows and positions as one axis).
        begin: the first layer of the pass, whose stream is put in from outside; the number of
            layers means the final norm. What is sent before it is not told.

    Raises:
        InterventionError: the block ended and some part had not been passed.
    """
    hooks = _Hooks(wiring, listener, n_rows, begin)
    handles = hooks.attach()
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    silent = [
        r.id
        for i, r in enumerate(wiring.graph.receivers)
        if r.layer >= begin and i not in hooks.passed
    ]
    if silent:
        raise InterventionError(
            ", ".join(silent[:4]),
            expected="a part of the model that its forward pass uses",
            got="a hook that never ran",
            fix="Whence did not find this architecture's streams; please report it.",
        )


class _Hooks:
    """The hooks of one forward pass, and what they hand to one another."""

    def __init__(self, wiring: Wiring, listener: Listener, n_rows: int, begin: int) -> None:
        self.wiring = wiring
        self.listener = listener
        self.n_rows = n_rows
        self.begin = begin
        self.passed: set[int] = set()
        self._stream: Stream | None = None
        self._heads: Sent | None = None

    def attach(self) -> list[Any]:
        handles: list[Any] = []
        for layer in self.wiring.layers[self.begin :]:
            sites = layer.streams.sites
            enters = partial(self._enters, layer)
            handles.append(sites.block.register_forward_pre_hook(enters, with_kwargs=True))
            for reading in layer.readings:
                last = reading.projection.last
                handles.append(last.register_forward_hook(partial(self._projects, reading)))
            heads = partial(self._heads_add, layer)
            handles.append(sites.attention_out.register_forward_hook(heads))
            if layer.streams.attention_after is not None:
                scaled = partial(self._heads_scaled, layer)
                handles.append(layer.streams.attention_after.register_forward_hook(scaled))
            reads = partial(self._reads, layer.mlp)
            handles.append(layer.streams.mlp_in.register_forward_pre_hook(reads))
            adds = partial(self._mlp_adds, layer)
            handles.append(sites.mlp.register_forward_hook(adds))
        norm = self.wiring.model.sites.final_norm
        assert norm is not None  # `find_streams` would have complained
        if self.begin == len(self.wiring.layers):
            handles.append(norm.register_forward_pre_hook(self._starts))
        logits = len(self.wiring.graph.receivers) - 1
        handles.append(norm.register_forward_pre_hook(partial(self._reads, logits)))
        return handles

    def _rows(self, x: Tensor) -> Tensor:
        return x.reshape(self.n_rows, -1, x.shape[-1])

    def _starts(self, _: nn.Module, args: Any) -> Any:
        x = args[0]
        return (self.listener.start(self._rows(x)).reshape(x.shape), *args[1:])

    def _enters(self, layer: Layer, _: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        x = args[0] if args else kwargs["hidden_states"]
        if layer is self.wiring.layers[self.begin]:
            x = self.listener.start(x)
            if not self.begin:
                self.listener.sent(0, x[:, None])
        self._stream = x
        if args:
            return (x, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": x}

    def _projects(self, reading: Reading, _: nn.Module, __: Any, y: Tensor) -> Tensor:
        self.passed.update(reading.receivers)
        assert self._stream is not None
        return self.listener.project(reading, self._stream, self._rows(y)).reshape(y.shape)

    def _heads_add(self, layer: Layer, _: nn.Module, args: Any, __: Any) -> None:
        z = self._rows(args[0])
        z = z.reshape(*z.shape[:2], *layer.output.shape[:2])
        sent = torch.einsum("rphs,hsw->rhpw", z, layer.output)
        if layer.streams.attention_after is None:
            self.listener.sent(layer.heads, sent)
        else:
            self._heads = sent

    def _heads_scaled(self, layer: Layer, _: nn.Module, args: Any, y: Tensor) -> None:
        x = self._rows(args[0])
        assert self._heads is not None
        # Where the input is exactly 0, so is the output, and no share of it.
        scale = torch.where(x == 0, 0, self._rows(y) / torch.where(x == 0, 1, x))
        self.listener.sent(layer.heads, self._heads * scale[:, None])

    def _mlp_adds(self, layer: Layer, _: nn.Module, __: Any, output: Any) -> None:
        x = output[0] if isinstance(output, tuple) else output
        number = layer.heads + layer.streams.sites.n_heads
        self.listener.sent(number, self._rows(x)[:, None])

    def _reads(self, receiver: int, _: nn.Module, args: Any) -> Any:
        self.passed.add(receiver)
        x = args[0]
        return (self.listener.read(receiver, self._rows(x)).reshape(x.shape), *args[1:])
