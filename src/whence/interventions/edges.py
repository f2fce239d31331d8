"""Edges between components, taken away by replacing what goes along them.

An edge runs from what a head, an MLP or the embedding adds to the residual stream, to one reading
of it: the query of a head, the key or value of a key head, an MLP, or the vocabulary. Cutting it
changes what this one receiver reads and nothing else; everything behind the receiver is computed
anew. Cutting many at once is computed in one forward pass, in which what a sender adds may itself
be the result of cuts before it: path patching for any set of edges (Goldowsky-Dill et al. 2023,
sec. 3; Wang et al. 2022, app. B).

What goes along a cut edge, as for `Components`:

    zero     nothing
    mean     what the sender adds on average over reference texts
    other    what it adds at the same position of another prompt, followed by the same continuation
    resample the same of stretches drawn from reference texts; values are means over the draws

Chosen `senders` and `receivers` leave only the edges between them, and `positions` only those
places of the prompt at which edges are cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from whence.core import Behavior, Kind
from whence.core.errors import InterventionError
from whence.core.records import digest
from whence.interventions.beginnings import Kept, cutting_from, keep_beginnings, sent_by
from whence.interventions.graph import EdgeGraph
from whence.interventions.groups import grouped, kept_singles, membership
from whence.interventions.instead import DRAWS, Instead, Others, with_other
from whence.interventions.interface import ValueOf, about_passes, check_keep, mean_draw, measured
from whence.interventions.listeners import Cutting, contributions
from whence.interventions.positions import places_in
from whence.interventions.replacements import mean_activations
from whence.interventions.slopes import edge_products
from whence.interventions.wiring import Sent, Wiring, wire
from whence.models import BATCH_SIZE, Model, Row, encode, rows_of


class Edges:
    """Takes edges between components away.

    Attributes:
        model: the model.
        causes: its edges, or the groups that were given.
        graph: senders and receivers.
        pairs: each edge as (receiver, sender), numbers in the graph.
    """

    kind: Kind = "component"
    scope = "this model"
    cheap = True

    def __init__(
        self,
        model: Model,
        *,
        senders: Sequence[str] | None = None,
        receivers: Sequence[str] | None = None,
        replacement: str = "mean",
        reference: Sequence[str] | None = None,
        other_prompt: str | Mapping[str, str] | None = None,
        draws: int = DRAWS,
        seed: int = 0,
        positions: Sequence[int] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        reuse: bool = True,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """Make the edges of a model removable.

        Args:
            model: the model.
            senders: ids of the senders whose edges these are ("embedding", "L0.H1", "L0.MLP");
                None means all.
            receivers: ids of the receivers ("L1.H2.Q", "L1.K0", "L1.V0", "L1.MLP", "logits").
            replacement: what goes along an edge instead: "zero", "mean", "other", "resample".
            reference: texts for "mean" and "resample".
            other_prompt: the prompt for "other": one for all behaviors, or one for each prompt.
            draws: for "resample": how often.
            seed: of the draws.
            positions: tokens of the prompt (special ones counted, -1 the last) at which edges are
                cut; None means all, the target's included.
            groups: name -> ids of edges ("L0.H1->L1.H2.Q").
            reuse: begin each pass at the first receiver that changes, with what the model itself
                has there.
            batch_size: rows in one forward pass.

        Raises:
            InterventionError: an unknown sender, receiver or replacement, or no edge between
                those chosen.
            ModelError: the model's streams are not known, or no sum.
        """
        self.model = model
        self.instead = Instead(replacement, tuple(reference or ()), other_prompt, draws, seed)
        self.positions = None if positions is None else tuple(positions)
        self.reuse = reuse
        self.batch_size = batch_size
        self.wiring: Wiring = wire(model)
        graph = self.graph
        _check_names("senders", senders, [s.id for s in graph.senders])
        _check_names("receivers", receivers, [r.id for r in graph.receivers])
        self.pairs = graph.edges(senders, receivers)
        if not self.pairs:
            raise InterventionError(
                "edges",
                expected="receivers that see one of the senders",
                got=f"senders {senders} and receivers {receivers}",
                fix="A receiver sees what was added in front of it: earlier layers.",
            )
        singles = tuple(graph.cause(r, s) for r, s in self.pairs)
        self.causes = grouped(singles, groups)
        self._table = None if groups is None else membership(self.causes, [c.id for c in singles])

    @property
    def graph(self) -> EdgeGraph:
        """Senders and receivers."""
        return self.wiring.graph

    def describe(self) -> dict[str, Any]:
        """How edges are taken away; everything that can change a number."""
        return {
            "kind": self.kind,
            "removal": f"what goes along an edge replaced ({self.instead.replacement})",
            "positions": "all of prompt and target"
            if self.positions is None
            else list(self.positions),
            "reuse": self.reuse,
            "edges": digest([cause.id for cause in self.causes]),
            "groups": None if self._table is None else {c.id: list(c.members) for c in self.causes},
            **about_passes(self.model, self.batch_size),
            **self.instead.to_json(),
        }

    def measure(
        self,
        behaviors: Sequence[Behavior],
        keep: Bool[np.ndarray, "subset cause"],
        *,
        value: ValueOf | None = None,
    ) -> Float[np.ndarray, "behavior subset"]:
        """Values of behaviors without the removed edges.

        Args:
            behaviors: what is measured.
            keep: one row a removal; False marks a cause that is taken away.
            value: what is measured instead of the behavior's value (see `Divergence`).

        Returns:
            Nats. A row that keeps everything gives the model's own values, to the last bit.

        Raises:
            InterventionError: `keep` has another shape, a position is outside of a prompt, or the
                other prompt has another length.
            BehaviorError: a behavior cannot be measured.
        """
        return mean_draw(self.measure_draws(behaviors, keep, value=value))

    @property
    def draws(self) -> int:
        """How often what goes along a cut edge is drawn; 1 where nothing is."""
        return self.instead.turns

    def measure_draws(
        self,
        behaviors: Sequence[Behavior],
        keep: Bool[np.ndarray, "subset cause"],
        *,
        value: ValueOf | None = None,
    ) -> Float[np.ndarray, "behavior subset draw"]:
        """The same for every draw."""
        check_keep(keep, self.causes)
        rows = [rows_of(encode(self.model, behavior)) for behavior in behaviors]
        others = self.others(behaviors, rows)
        first = self._first_layers(keep)
        order = np.argsort(first, kind="stable")
        stays, first = keep[order], first[order]
        passes = len(keep) * self.draws
        kept = self._keep([row for own in rows for row in own], others) if passes > 1 else {}

        def editing(
            removals: Int[np.ndarray, " row"], batch: list[Row]
        ) -> AbstractContextManager[None]:
            number, turns = np.divmod(removals, self.draws)
            if stays[number].all():
                return nullcontext()
            instead, where = self.sent_instead(batch, turns, others, kept), self.where(batch)
            cutting = Cutting(self.wiring, self.cut(stays[number]), instead, where)
            return cutting_from(self.wiring, cutting, batch, kept, int(first[number].min()))

        found = measured(
            self.model,
            len(behaviors),
            np.repeat(stays, self.draws, axis=0),
            lambda behavior, _: rows[behavior],
            batch_size=self.batch_size,
            editing=editing,
            value=value,
        ).reshape(len(behaviors), len(keep), self.draws)
        return found[:, np.argsort(order, kind="stable")]

    def _first_layers(self, keep: Bool[np.ndarray, "subset cause"]) -> Int[np.ndarray, " subset"]:
        """The layer of the first receiver of a cut edge; one past the last for none."""
        layers = np.array([self.graph.receivers[r].layer for r, _ in self.pairs])
        stays = keep if self._table is None else kept_singles(keep, self._table)
        past = len(self.model.sites.layers)
        first: Int[np.ndarray, " subset"]
        first = np.where(stays, past, layers[None]).min(axis=1, initial=past)
        return first

    def _keep(self, rows: Sequence[Row], others: Others) -> dict[Row, Kept]:
        """What rows leave behind at every layer, and their other prompts' too where that fits."""
        if not self.reuse:
            return {}
        patched = [with_other(row, others, k) for row in rows if others for k in range(self.draws)]
        both = keep_beginnings(self.wiring, [*rows, *patched], self.batch_size)
        return both or keep_beginnings(self.wiring, rows, self.batch_size)

    def cut(self, keep: Bool[np.ndarray, "row cause"]) -> Bool[Tensor, "row receiver sender"]:
        """Which edges of the graph are cut, for rows that keep some causes."""
        stays = keep if self._table is None else kept_singles(keep, self._table)
        shape = (len(keep), len(self.graph.receivers), len(self.graph.senders))
        cut = np.zeros(shape, dtype=bool)
        receivers, senders = np.array(self.pairs).T
        cut[:, receivers, senders] = ~stays
        return torch.from_numpy(cut).to(self.model.device)

    def others(self, behaviors: Sequence[Behavior], rows: Sequence[Sequence[Row]]) -> Others:
        """The tokens of the other prompts by those of the prompt, where they are needed.

        Raises:
            InterventionError: there is none, it has another length, or the reference texts have
                fewer stretches of that length than are drawn.
        """
        return self.instead.others(self.model, behaviors, rows)

    def sent_instead(
        self,
        batch: Sequence[Row],
        turns: Int[np.ndarray, " row"],
        others: Others,
        kept: Mapping[Row, Kept] = MappingProxyType({}),
    ) -> Float[Tensor, "#row #sender #position #width"]:
        """What every sender would add instead in each row's turn, to broadcast over a batch."""
        if self.instead.replacement == "zero":
            return torch.zeros(1, 1, 1, 1, dtype=self.model.dtype, device=self.model.device)
        if self.instead.replacement == "mean":
            return self._means
        pairs = zip(batch, turns.tolist(), strict=True)
        patched = [with_other(row, others, turn) for row, turn in pairs]
        different = list(dict.fromkeys(patched))
        known = bool(kept) and all(row in kept for row in different)
        sent = sent_by(kept, different) if known else contributions(self.wiring, different)
        if len(different) == 1:
            return sent
        where = torch.tensor([different.index(row) for row in patched], device=self.model.device)
        return sent[where]

    def where(self, batch: Sequence[Row]) -> Bool[Tensor, "row position"] | None:
        """The positions at which edges are cut; None means all.

        Raises:
            InterventionError: a prompt does not have one of them.
        """
        if self.positions is None:
            return None
        width = max(len(row.ids) for row in batch)
        there = torch.zeros(len(batch), width, dtype=torch.bool)
        for k, at in enumerate(places_in(batch, self.positions)):
            there[k, list(at)] = True
        return there.to(self.model.device)

    def change(
        self, batch: Sequence[Row], turns: Int[np.ndarray, " row"], others: Others
    ) -> tuple[Sent, Float[Tensor, "row sender position width"], Sent]:
        """What every sender adds, what would stand instead, and the first minus the second.

        The difference is 0 at positions at which no edge is cut.
        """
        own = contributions(self.wiring, batch)
        instead = self.sent_instead(batch, turns, others).expand_as(own)
        change = own - instead
        where = self.where(batch)
        return own, instead, change if where is None else change * where[:, None, :, None]

    def products(
        self, batch: Sequence[Row], change: Sent, start: Tensor | None = None
    ) -> Float[Tensor, "row receiver sender"]:
        """Slope of each row's value along every edge, times a change of what is sent."""
        return edge_products(self.wiring, batch, change, start)

    def per_cause(
        self, products: Float[Tensor, "row receiver sender"]
    ) -> Float[np.ndarray, "row cause"]:
        """Sum a quantity of edges over what each cause holds."""
        receivers, senders = np.array(self.pairs).T
        singles = products.cpu().numpy()[:, receivers, senders]
        return singles if self._table is None else singles @ self._table.T

    @cached_property
    def _means(self) -> Float[Tensor, "1 sender 1 width"]:
        def read(batch: list[Row]) -> list[Tensor]:
            sent: Sent = contributions(self.wiring, batch)
            return list(sent.unbind(dim=1))

        means = mean_activations(self.model, read, self.instead.reference, self.batch_size)
        return torch.stack(means)[None, :, None]


def _check_names(place: str, given: Sequence[str] | None, known: Sequence[str]) -> None:
    unknown = [name for name in given or () if name not in known]
    if unknown:
        raise InterventionError(
            place,
            expected=f"ids such as {', '.join(known[:3])}, ..., {known[-1]}",
            got=", ".join(unknown[:4]),
            fix="Choose among the parts that the model has.",
        )
