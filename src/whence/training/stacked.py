"""Several replays of one run as one computation: their parameters lie in one stack.

Replays that differ only in document weights see the same tokens in the same order. So one
forward and one backward pass can serve them all: every parameter gets an axis in front, the
replay, and `torch.func.vmap` turns each product of matrices into a batch of products. What a
small model pays for most, the many calls of the library for little work each, is then paid
once for all. The optimiser's update acts number by number and needs no change.

Whether the bits are those of replays made one by one depends on the library's kernels for
batches of products. `same_bits` looks: it makes a few steps of the run in both ways. Where the
bits are equal, stacking is a matter of speed alone. Where they are not, stacked replays are kept
under names of their own (`whence.training.replays`).

A stack cannot leave out documents of weight 0, since they differ between its replays. So where
stacks pay, replays made alone keep them as well, and elsewhere (`whole_batches`) they do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, vmap

from whence.core.errors import RunError
from whence.training.batch import NOTHING, Batch
from whence.training.checkpoints import State, load_checkpoint, trained
from whence.training.loop import advance, journal_line
from whence.training.losses import inputs
from whence.training.numerics import DTYPES, numerics
from whence.training.optimizer import NORM_FLOOR, Moments, adamw_step_
from whence.training.plan import Plan
from whence.training.run import Run

WIDEST = 16
"""Replays in one stack; beyond, a stack was not faster by replay (docs/benchmarks/replays.md)."""

# Parameters times tokens of a step, below which stacks measured faster on a CPU; there the calls
# of the library cost more than the arithmetic they ask for.
_SMALL = 4e7
_PROBED = 4


@dataclass(eq=False, slots=True)
class Stack:
    """Trainings between two steps, all at the same one.

    Attributes:
        module: into whose place the parameters of any of them can be put.
        names: of the trained parameters.
        parameters: (replay, *shape) each.
        moments: the optimiser's, likewise.
        step: how many updates were made.
    """

    module: nn.Module
    names: tuple[str, ...]
    parameters: list[Tensor]
    moments: Moments
    step: int

    def replay(self, number: int) -> State:
        """One of them as a state, in the module that they share: good until the next is asked."""
        own = trained(self.module)
        with torch.no_grad():
            for mine, stacked in zip(own, self.parameters, strict=True):
                mine.copy_(stacked[number])
        kept = ([m[number] for m in part] for part in self.moments)
        return State(self.module, own, Moments(*kept), self.step)


def stack_of(states: Iterable[State]) -> Stack:
    """Put states of one step on top of one another.

    Args:
        states: each is copied before the next is asked for.
    """
    columns: list[list[Tensor]] = []
    last: State | None = None
    for last in states:
        parts = (*last.parameters, *last.moments.first, *last.moments.second)
        columns.append([part.detach().clone() for part in parts])
    assert last is not None
    stacked = [torch.stack(column) for column in zip(*columns, strict=True)]
    n = len(last.parameters)
    names = tuple(k for k, p in last.module.named_parameters() if p.requires_grad)
    moments = Moments(stacked[n : 2 * n], stacked[2 * n :])
    return Stack(last.module, names, stacked[:n], moments, last.step)


def advance_stack(
    stack: Stack, batch: Batch, weights: Float[Tensor, "replay document"], plan: Plan
) -> list[dict[str, Any]]:
    """Make one update of every replay in place; see `whence.training.loop.advance`.

    Returns:
        The journal's record of it, for each.

    Raises:
        RunError: a loss is no longer a finite number.
    """
    step = stack.step + 1
    leaves = [p.requires_grad_() for p in stack.parameters]
    losses = _losses(stack, leaves, batch, weights)
    found = torch.autograd.grad(torch.stack(losses).sum(), leaves, materialize_grads=True)
    # As alone: a norm sums in the order of the memory.
    found = tuple(g.contiguous() for g in found)
    stack.parameters = [p.detach() for p in leaves]
    rate = plan.rate(step)
    with torch.no_grad():
        gradients, norms = _clip(found, plan.recipe.clip)
        adamw_step_(
            stack.parameters,
            gradients,
            stack.moments,
            step=step,
            rate=rate,
            settings=plan.optimizer,
            axes=1,
        )
    stack.step = step
    pairs = zip(torch.stack(losses).tolist(), norms.tolist(), strict=True)
    return [journal_line(step, rate, loss, norm, batch.predicted) for loss, norm in pairs]


def _losses(
    stack: Stack,
    leaves: Sequence[Tensor],
    batch: Batch,
    weights: Float[Tensor, "replay document"],
) -> list[Tensor]:
    """The loss of every replay, as `whence.training.losses.batch_loss` computes it."""
    given = inputs(stack.module, batch)

    def token_losses(own: tuple[Tensor, ...]) -> Tensor:
        named = dict(zip(stack.names, own, strict=True))
        logits: Tensor = functional_call(stack.module, named, (), given).logits
        if logits.dtype is torch.bfloat16:
            logits = logits.float()
        return nn.functional.cross_entropy(
            logits.flatten(0, 1), batch.targets.flatten(), reduction="none", ignore_index=NOTHING
        )

    weighed = vmap(token_losses)(tuple(leaves)).view(len(weights), *batch.ids.shape)
    weighed = weighed * weights[:, batch.documents]
    # Summed one by one: a sum over two axes of three may take its terms in another order.
    return [each.sum() / max(batch.predicted, 1) for each in weighed]


def _clip(
    gradients: Sequence[Tensor], limit: float
) -> tuple[list[Tensor], Float[Tensor, " replay"]]:
    """What `whence.training.optimizer.clip` does, to each replay's gradient."""
    count = len(gradients[0])
    each = [[g[number] for g in gradients] for number in range(count)]
    norms = torch.stack([torch.stack(torch._foreach_norm(own)).norm() for own in each])
    factors = (limit / (norms + NORM_FLOOR)).clamp(max=1.0)
    large = (factors < 1).tolist()
    if not any(large):
        return list(gradients), norms
    scaled = [
        torch._foreach_mul(own, factor) if is_large else own
        for own, factor, is_large in zip(each, factors, large, strict=True)
    ]
    return [torch.stack(column) for column in zip(*scaled, strict=True)], norms


def width_for(run: Run, count: int, asked: int | None) -> int:
    """How many replays go into one stack.

    Args:
        run: the run.
        count: of replays that start alike.
        asked: by the user; None takes what measured best: one, but for small models.

    Raises:
        RunError: it is below one, or more than one where replays cannot be stacked.
    """
    if asked is not None and asked < 1:
        raise RunError(
            "--stack", expected="1 or more", got=str(asked), fix="1 makes replays one by one."
        )
    wanted = asked or (WIDEST if stacks_pay(run) else 1)
    if min(wanted, count) == 1:
        return 1
    if same_bits(run) is None:
        if asked is None:
            return 1
        raise RunError(
            "--stack",
            expected="a model that can be stacked",
            got="one that draws at random, or decides by its values what to compute",
            fix="Leave it out: replays are made one by one, in several processes.",
        )
    return min(wanted, count)


def stacks_pay(run: Run) -> bool:
    """Whether a stack of replays measured faster than one after the other."""
    recipe, size = run.recipe, int(run.record["model"]["parameters"])
    on_cpu = torch.device(recipe.device).type == "cpu"
    return not on_cpu or size * recipe.rows * recipe.context <= _SMALL


def whole_batches(run: Run) -> bool:
    """Whether a replay keeps documents of weight 0 in its batches.

    It need not: they add nothing to the loss. But dropout draws by place, and a replay made in a
    stack should have the bits of one made alone.
    """
    return run.plan.dropout or stacks_pay(run)


def stacked_apart(run: Run, asked: int | None) -> bool:
    """Whether replays are stacked whose bits are not those of replays made alone."""
    wide = width_for(run, WIDEST, asked) > 1
    return wide and not (same_bits(run) and whole_batches(run))


def same_bits(run: Run) -> bool | None:
    """Whether stacked replays have the bits of single ones; None where none can be made."""
    if "_stacks" not in run.__dict__:
        run.__dict__["_stacks"] = None if run.plan.dropout else _compared(run)
    known: bool | None = run.__dict__["_stacks"]
    return known


def _compared(run: Run) -> bool | None:
    """Make a few steps in both ways, with two sets of weights."""
    documents, first = run.corpus().n_documents, run.checkpoint(0).path
    dtype, device = DTYPES[run.recipe.dtype], run.recipe.device
    weights = torch.ones(2, documents, dtype=dtype, device=device)
    weights[1, ::2] = 0
    steps = range(1, min(_PROBED, run.steps) + 1)
    with numerics(run.recipe):
        stack = stack_of([load_checkpoint(first, run.recipe)] * 2)
        for step in steps:
            batch = run.batch(step).to(device)
            if step == 1 and not _can_be_stacked(stack, batch, weights, run.plan):
                return None
            if step > 1:
                advance_stack(stack, batch, weights, run.plan)
        for number in range(2):
            state = load_checkpoint(first, run.recipe)
            for step in steps:
                advance(state, run.batch(step).to(device), weights[number], run.plan)
            alone = (*state.parameters, *state.moments.first, *state.moments.second)
            parts = (*stack.parameters, *stack.moments.first, *stack.moments.second)
            if not all(torch.equal(a, p[number]) for a, p in zip(alone, parts, strict=True)):
                return False
    return True


def _can_be_stacked(
    stack: Stack, batch: Batch, weights: Float[Tensor, "replay document"], plan: Plan
) -> bool:
    """Make the first step, and see whether vmap can do all that the model computes."""
    with warnings.catch_warnings():
        # What has no rule of its own is done one by one, slower than without a stack.
        warnings.filterwarnings("error", message=".*performance drop", category=UserWarning)
        try:
            advance_stack(stack, batch, weights, plan)
        except (RuntimeError, UserWarning) as error:
            if "vmap" in str(error) or isinstance(error, UserWarning):
                return False
            raise
    return True
