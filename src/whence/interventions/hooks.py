"""Reading and replacing activations inside an unmodified module.

A *place* is one point of a layer where activations pass: all heads side by side, the MLP's
contribution or its neurons, the layer's output, or the stream that enters it. Hooks are attached
for the length of a `with` block and are gone after it, whatever happens in it. A place whose hook
did not run is an error: an intervention that touched nothing must not look like one without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from jaxtyping import Float
from torch import Tensor, nn

from whence.core.errors import InterventionError
from whence.models import LayerSites, Model

Unit = Literal["head", "mlp", "layer", "neuron", "stream"]

Edit = Callable[
    [int, Float[Tensor, "row position width"], Float[Tensor, "row position width"] | None],
    Float[Tensor, "row position width"],
]
"""Gets a place's number, the activation there and, for a layer, what went into it; gives
what shall be there instead."""


@dataclass(frozen=True, eq=False)
class Place:
    """One point of a layer, cut into parts of equal width.

    Attributes:
        unit: what its parts are.
        layer: the layer's modules.
        ids: its parts, in the order of their columns.
    """

    unit: Unit
    layer: LayerSites
    ids: tuple[str, ...]


def places_of(model: Model, units: Sequence[Unit]) -> tuple[Place, ...]:
    """All places of some units, layer by layer."""
    places = []
    for layer in model.sites.layers:
        _check_units(layer, units)
        name = f"L{layer.layer}"
        ids: dict[Unit, tuple[str, ...]] = {
            "head": tuple(f"{name}.H{h}" for h in range(layer.n_heads)),
            "mlp": (f"{name}.MLP",),
            "layer": (name,),
            "stream": (f"{name}.stream",),
            "neuron": _neurons(layer) if "neuron" in units else (),
        }
        places += [Place(unit, layer, ids[unit]) for unit in ids if unit in units]
    return tuple(places)


def _check_units(layer: LayerSites, units: Sequence[Unit]) -> None:
    lacking = [unit for unit in units if unit in ("head", "mlp", "neuron")]
    if lacking and not layer.has_heads:
        raise InterventionError(
            "units",
            expected="layer or stream: a state-space layer has nothing smaller",
            got=", ".join(lacking),
            fix='Take units=("layer", "stream"), or --components layer.',
        )


def _neurons(layer: LayerSites) -> tuple[str, ...]:
    if layer.mlp_out is None:
        raise InterventionError(
            "units",
            expected="an MLP with one last matrix, whose inputs are its neurons",
            got=f"layer {layer.layer} with none that Whence knows (a mixture of experts?)",
            fix="Take heads, MLPs or layers.",
        )
    return tuple(f"L{layer.layer}.N{k}" for k in range(layer.n_neurons))


@contextmanager
def attached(places: Sequence[Place], n_rows: int, edit: Edit) -> Iterator[None]:
    """Let `edit` see, and replace, the activations at some places during a forward pass.

    Args:
        places: where.
        n_rows: rows of the batch (some modules see rows and positions as one axis).
        edit: called once for each place in each forward pass.

    Raises:
        InterventionError: the block ended and some place had not been passed.
    """
    passed: set[int] = set()

    def seen(number: int, x: Tensor, base: Tensor | None) -> Tensor:
        passed.add(number)
        shape = x.shape
        y = edit(number, x.reshape(n_rows, -1, shape[-1]), base)
        return y.reshape(shape)

    handles = [_attach(place, i, seen) for i, place in enumerate(places)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    silent = [place.ids[0] for i, place in enumerate(places) if i not in passed]
    if silent:
        raise InterventionError(
            ", ".join(silent[:4]),
            expected="a part of the model that its forward pass uses",
            got="a hook that never ran",
            fix="Whence did not find this architecture's parts; please report it.",
        )


def _attach(place: Place, number: int, seen: Callable[[int, Tensor, Tensor | None], Tensor]) -> Any:
    def before_projection(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (seen(number, args[0], None), *args[1:])

    def after_mlp(_: nn.Module, __: Any, output: Any) -> Any:
        return _with_first(output, lambda x: seen(number, x, None))

    def after_block(_: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        base = args[0] if args else kwargs["hidden_states"]
        return _with_first(output, lambda x: seen(number, x, base))

    def before_block(_: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        if args:
            return before_projection(_, args), kwargs
        return args, {**kwargs, "hidden_states": seen(number, kwargs["hidden_states"], None)}

    layer = place.layer
    if place.unit == "head":
        return layer.attention_out.register_forward_pre_hook(before_projection)
    if place.unit == "neuron":
        assert layer.mlp_out is not None  # `places_of` would have complained
        return layer.mlp_out.register_forward_pre_hook(before_projection)
    if place.unit == "stream":
        return layer.block.register_forward_pre_hook(before_block, with_kwargs=True)
    if place.unit == "mlp":
        return layer.mlp.register_forward_hook(after_mlp)
    return layer.block.register_forward_hook(after_block, with_kwargs=True)


def _with_first(output: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Some modules return a tuple whose first entry is the activation."""
    if isinstance(output, tuple):
        return (change(output[0]), *output[1:])
    return change(output)
