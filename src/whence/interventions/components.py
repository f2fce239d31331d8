"""Components, taken away by replacing their activation.

    head     its columns of the input of the attention's output projection
    mlp      what the MLP adds to the residual stream
    layer    what the whole layer adds (its output minus its input)
    neuron   its column of the input of the MLP's last matrix
    stream   the residual stream as it enters the layer

What stands in its place:

    zero     nothing
    mean     its mean over reference texts: over all positions of all of them, tokens that the
             tokenizer adds by itself (a start token) left out, because activations there are
             unlike any others
    other    its value at the same position of another prompt of equal length, followed by the
             same continuation (activation patching)
    resample the same of stretches drawn from reference texts; values are means over the draws,
             and `measure_draws` gives each (resampling ablation; see `instead`)

The replacement holds at every position, the target's included, or at chosen tokens of the prompt,
together or each as a component of its own. With "other" the usual direction is to spoil a pass
with what another prompt gives (noising); with the prompts exchanged, causes are what restores the
behavior (denoising), and their scores are falls of the other's value. The module is the Hugging
Face one, seen through hooks that are removed after each forward pass; a row of the batch
that keeps a component gets its activation back bit by bit, so many removals share a pass.

References: mean ablation and patching as compared by Zhang and Nanda, "Towards best practices
of activation patching in language models" (2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache

from whence.core import Behavior, Cause, Kind
from whence.core.errors import InterventionError
from whence.interventions.groups import grouped, kept_singles, membership
from whence.interventions.hooks import Place, Unit, attached, places_of
from whence.interventions.instead import DRAWS, Instead, Others, with_other
from whence.interventions.interface import ValueOf, about_passes, check_keep, mean_draw, measured
from whence.interventions.positions import places_in
from whence.interventions.replacements import OtherActivations, activations, mean_activations
from whence.interventions.resuming import Resuming
from whence.interventions.watched import Watched
from whence.models import (
    BATCH_SIZE,
    Model,
    Row,
    encode,
    log_probabilities,
    rows_of,
)


class Components:
    """Takes heads, MLPs and layers away by replacing their activations.

    Attributes:
        model: the model.
        causes: its components, or the groups that were given.
        singles: its components.
    """

    kind: Kind = "component"
    scope = "this model"
    cheap = True

    def __init__(
        self,
        model: Model,
        *,
        units: Sequence[str] = ("head", "mlp"),
        replacement: str = "mean",
        reference: Sequence[str] | None = None,
        other_prompt: str | Mapping[str, str] | None = None,
        draws: int = DRAWS,
        seed: int = 0,
        positions: Sequence[int] | None = None,
        apart: bool = False,
        groups: Mapping[str, Sequence[str]] | None = None,
        reuse: bool = True,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """Make the components of a model removable.

        Args:
            model: the model.
            units: which components: "head", "mlp", "layer", "neuron", "stream".
            replacement: what stands in their place: "zero", "mean", "other", "resample".
            reference: texts for "mean" and "resample".
            other_prompt: the prompt for "other": one for all behaviors, or one for each prompt.
            draws: for "resample": how often.
            seed: of the draws.
            positions: tokens of the prompt (special ones counted, -1 the last) at which they are
                replaced; None means all, the target's included.
            apart: let each of those positions be a component of its own ("L3.H2@5").
            groups: name -> ids of components ("L3.H2", "L3.MLP", "L3", "L3.N17", "L3.stream").
            reuse: begin each pass at the first layer in which something changes, with the stream
                that the model itself has there.
            batch_size: rows in one forward pass.

        Raises:
            InterventionError: an unknown unit or replacement, an unknown component in a group,
                or reference texts or another prompt missing where they are needed.
            ModelError: the model's parts were not found.
        """
        _check_units(units)
        _check_positions(positions, apart)
        self.model = model
        self.units: tuple[Unit, ...] = tuple(unit for unit in get_args(Unit) if unit in units)
        self.instead = Instead(replacement, tuple(reference or ()), other_prompt, draws, seed)
        self.batch_size = batch_size
        self.positions = None if positions is None else tuple(positions)
        self.apart = apart
        self.reuse = reuse
        self.places = places_of(model, self.units)
        slots = self.positions if apart else None
        self.singles = tuple(c for place in self.places for c in _causes(place, slots))
        self.causes = grouped(self.singles, groups)
        self._groups = groups
        names = [c.id for c in self.singles]
        self._table = None if groups is None else membership(self.causes, names)

    def on(self, model: Model) -> Components:
        """The same components of another model, taken away in the same way.

        Args:
            model: of the same architecture; reference texts are read again by it.
        """
        return Components(
            model,
            units=self.units,
            replacement=self.instead.replacement,
            reference=self.instead.reference,
            other_prompt=self.instead.other_prompt,
            draws=self.instead.draws,
            seed=self.instead.seed,
            positions=self.positions,
            apart=self.apart,
            groups=self._groups,
            reuse=self.reuse,
            batch_size=self.batch_size,
        )

    def describe(self) -> dict[str, Any]:
        """How components are taken away; everything that can change a number."""
        return {
            "kind": self.kind,
            "removal": f"activation replaced ({self.instead.replacement})",
            "positions": "all of prompt and target"
            if self.positions is None
            else list(self.positions),
            "reuse": self.reuse,
            "units": list(self.units),
            "groups": None
            if self._groups is None
            else {c.id: list(c.members) for c in self.causes},
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
        """Values of behaviors without the removed components.

        Args:
            behaviors: what is measured.
            keep: one row a removal; False marks a cause that is taken away.
            value: what is measured instead of the behavior's value (see `Divergence`).

        Returns:
            Nats. A row that keeps everything gives the model's own values, to the last bit.

        Raises:
            InterventionError: `keep` has another shape, or the other prompt another length.
            BehaviorError: a behavior cannot be measured.
        """
        return mean_draw(self.measure_draws(behaviors, keep, value=value))

    @property
    def draws(self) -> int:
        """How often what stands in the place of a component is drawn; 1 where nothing is."""
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
        others = self.instead.others(self.model, behaviors, rows)
        singles = keep if self._table is None else kept_singles(keep, self._table)
        first = self._first_layers(singles)
        flat = [row for own in rows for row in own]
        # Removals that begin alike share a pass; where one begins in the first row says enough.
        begin = self._first_tokens(singles, flat[:1] * len(singles)) if flat else first
        order = np.lexsort((begin, first))
        back = np.argsort(order, kind="stable")
        stays, first = singles[order], first[order]
        resuming = Resuming(
            self.model, flat, first, reuse=self.reuse, within=self.positions is not None
        )
        instead = self._instead(flat, others)

        def editing(
            removals: Int[np.ndarray, " row"], batch: list[Row]
        ) -> AbstractContextManager[DynamicCache | None]:
            number, turns = np.divmod(removals, self.draws)
            layer = first[number].min()
            token = self._first_tokens(stays[number], batch).min()
            begun = partial(resuming.begun, batch, int(layer), int(token))
            return self._editing(stays[number], batch, partial(instead, batch, turns), begun)

        found = measured(
            self.model,
            len(behaviors),
            np.repeat(keep[order], self.draws, axis=0),
            lambda behavior, _: rows[behavior],
            batch_size=self.batch_size,
            editing=editing,
            value=value,
        ).reshape(len(behaviors), len(keep), self.draws)
        return found[:, back]

    @contextmanager
    def _editing(
        self,
        stays: Bool[np.ndarray, "row single"],
        batch: list[Row],
        replacements: Callable[[Sequence[int]], list[Tensor]],
        begun: Callable[[], AbstractContextManager[DynamicCache | None]],
    ) -> Iterator[DynamicCache | None]:
        """Replace what does not stay, at the places where something does not."""
        slots = len(self.positions or ()) if self.apart else 1
        ends = np.cumsum([len(place.ids) * slots for place in self.places])
        by_place = np.split(stays, ends[:-1], axis=1)
        touched = [i for i, part in enumerate(by_place) if not part.all()]
        if not touched:
            yield None
            return
        chosen = [self.places[i] for i in touched]
        instead = replacements(touched)
        masks = [self._mask(by_place[i], batch) for i in touched]

        def edit(i: int, x: Tensor, base: Tensor | None) -> Tensor:
            # The pass may have begun within the rows: the last positions are those of x.
            there = masks[i][:, -x.shape[1] :]
            there = there.repeat_interleave(x.shape[-1] // there.shape[2], dim=2)
            new = instead[i] if instead[i].ndim < 3 else instead[i][:, -x.shape[1] :]
            return torch.where(there, x, new if base is None else base + new)

        with begun() as past, attached(chosen, len(batch), edit):
            yield past

    def _mask(
        self, stays: Bool[np.ndarray, "row single"], batch: Sequence[Row]
    ) -> Bool[Tensor, "row _ part"]:
        """Which parts of one place stay where."""
        device = self.model.device
        if self.positions is None:
            return torch.from_numpy(stays)[:, None].to(device)
        slots = len(self.positions) if self.apart else 1
        by_slot = torch.from_numpy(stays).reshape(len(batch), -1, slots).transpose(1, 2)
        width = max(len(row.ids) for row in batch)
        mask = torch.ones(len(batch), width, by_slot.shape[2], dtype=torch.bool)
        for k, at in enumerate(places_in(batch, self.positions)):
            mask[k, list(at)] = by_slot[k]
        return mask.to(device)

    def _first_layers(self, stays: Bool[np.ndarray, "subset single"]) -> Int[np.ndarray, " subset"]:
        """The first layer in which a removal changes something; one past the last for none."""
        layers = np.array([int(cause.size) for cause in self.singles])
        past = len(self.model.sites.layers)
        first: Int[np.ndarray, " subset"]
        first = np.where(stays, past, layers[None]).min(axis=1, initial=past)
        return first

    def _first_tokens(
        self, stays: Bool[np.ndarray, "row single"], rows: Sequence[Row]
    ) -> Int[np.ndarray, " row"]:
        """The first token of each row at which something changes; its last one for nothing."""
        if self.positions is None:
            return np.zeros(len(rows), dtype=np.int64)
        places = np.array(places_in(rows, self.positions))
        slots = len(self.positions) if self.apart else 1
        goes = ~stays.reshape(len(rows), -1, slots).all(axis=1)
        last = np.array([[row.prompt - 1] for row in rows])
        first: Int[np.ndarray, " row"] = np.where(goes, places, last).min(axis=1)
        return first

    def watch(self, behavior: Behavior) -> Watched:
        """A behavior's value with activations and their replacements, for gradients.

        Raises:
            InterventionError: the other prompt has another length.
            BehaviorError: the behavior cannot be measured.
        """
        rows = rows_of(encode(self.model, behavior))
        instead = self._instead(rows, self.instead.others(self.model, [behavior], [rows]))
        places, each = range(len(self.places)), np.zeros(len(rows), dtype=np.int64)
        # Turn after turn: each place's own.
        turns = [instead(rows, each + turn, places) for turn in range(self.draws)]
        activations: dict[int, Tensor] = {}
        drawn: dict[int, list[Tensor]] = {}

        def edit(i: int, x: Tensor, base: Tensor | None) -> Tensor:
            # With frozen parameters nothing before the first place has a graph.
            activations[i] = x if x.requires_grad else x.detach().requires_grad_()
            new = [own[i] if base is None else base.detach() + own[i] for own in turns]
            drawn[i] = [one.expand_as(x) for one in new]
            return activations[i]

        with torch.enable_grad(), attached(self.places, len(rows), edit):
            found = log_probabilities(self.model, rows)
        signs = torch.tensor([s.sign for row in rows for s in row.scores], device=found.device)
        return Watched(
            value=(found * signs).sum(),
            activations=tuple(activations[i] for i in places),
            drawn=tuple(zip(*(drawn[i] for i in places), strict=True)),
            table=self._table,
            parts=tuple(len(place.ids) for place in self.places),
            where=None if self.positions is None else places_in(rows, self.positions),
            apart=self.apart,
        )

    def _instead(
        self, rows: Sequence[Row], others: Others
    ) -> Callable[[Sequence[Row], Int[np.ndarray, " row"], Sequence[int]], list[Tensor]]:
        """Gives what stands in the place of some places' activations.

        It is asked with a batch of the rows, each one's turn, and the places, and broadcasts over
        the batch.
        """
        if self.instead.prompts:
            turns = range(self.draws)
            patched = {(row, k): with_other(row, others, k) for row in rows for k in turns}
            return OtherActivations(
                self.model, self.places, patched, self.batch_size, reuse=self.reuse
            )
        zero = torch.zeros((), dtype=self.model.dtype, device=self.model.device)
        means = self.instead.replacement == "mean"
        every = self._means if means else [zero] * len(self.places)
        return lambda _, __, places: [every[i] for i in places]

    @cached_property
    def _means(self) -> list[Tensor]:
        read = partial(activations, self.model, self.places)
        return mean_activations(self.model, read, self.instead.reference, self.batch_size)


def _causes(place: Place, positions: Sequence[int] | None) -> list[Cause]:
    layer = place.layer.layer
    text = {
        "head": "head {part} of layer {layer}",
        "mlp": "MLP of layer {layer}",
        "layer": "layer {layer}",
        "neuron": "neuron {part} of layer {layer}",
        "stream": "the stream into layer {layer}",
    }[place.unit]
    return [
        Cause(
            kind="component",
            id=name if position is None else f"{name}@{position}",
            text=text.format(part=part, layer=layer)
            + ("" if position is None else f" at token {position}"),
            stratum=place.unit,
            size=float(layer),
        )
        for part, name in enumerate(place.ids)
        for position in positions or (None,)
    ]


def _check_positions(positions: Sequence[int] | None, apart: bool) -> None:
    wrong = positions is not None and (not positions or len(set(positions)) < len(positions))
    if wrong or (apart and positions is None):
        raise InterventionError(
            "positions",
            expected="some different tokens of the prompt, where they are taken apart too",
            got="none" if positions is None else str(list(positions)),
            fix="Name them: positions=range(5), or positions=[-1].",
        )


def _check_units(units: Sequence[str]) -> None:
    unknown = [unit for unit in units if unit not in get_args(Unit)]
    if unknown or not units or isinstance(units, str):
        raise InterventionError(
            "units",
            expected=f"some of {', '.join(get_args(Unit))}",
            got=repr(units),
            fix="Name the components that can be taken away.",
        )
