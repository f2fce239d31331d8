"""The Gauss-Newton matrix itself, never written down: products with it, and solving.

With z the logits at a predicted token, J their derivative by the parameters and
p = softmax(z),

    G v = 1/T sum over tokens  J^T (diag(p) - p p^T) J v

No labels are drawn and no blocks are torn apart, so what EK-FAC approximates is exact here up
to the documents it is averaged over. J v is the derivative of J^T u by u, in the direction v:
two backward passes in place of a forward-mode one, which few models support.

Conjugate gradients solve (G + damping) x = grad f for every behavior at once, started from and
preconditioned with EK-FAC, with the damping of EK-FAC. `layers` keeps one block a layer of the
model and drops what couples them.

References:
    Schraudolph 2002, "Fast curvature matrix-vector products for second-order gradient descent",
    sec. 3; Martens 2010, "Deep learning via Hessian-free optimization"; Hestenes & Stiefel 1952
    in its preconditioned form (Golub & Van Loan, "Matrix computations", alg. 11.5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from whence.attribution.influence.curvature import Curvature, Vectors
from whence.attribution.influence.ekfac import Report, damped_inverse, dampings, influence
from whence.attribution.influence.settings import InfluenceSettings
from whence.attribution.streaming import Stream, sample_of, stream_of
from whence.core import Behavior, Cause, Scores
from whence.core.errors import MethodError
from whence.core.progress import Bar
from whence.corpus import Corpus
from whence.models import Model
from whence.training import logits

Blocks = Literal["whole", "layers"]
Product = Callable[[Vectors], Vectors]


@dataclass(frozen=True, slots=True)
class Solving:
    """How far the equations are solved.

    Attributes:
        iterations: products with the matrix at most.
        tolerance: stop a behavior when its residual is this share of the right-hand side.
        sample: documents that the matrix is averaged over, drawn with the seed; None means all.
        blocks: "whole", or one block for each layer of the model and one for the rest.

    Raises:
        MethodError: a value is out of range.
    """

    iterations: int = 20
    tolerance: float = 1e-2
    sample: int | None = 256
    blocks: Blocks = "whole"

    def __post_init__(self) -> None:
        wrong = self.iterations < 1 or not 0 <= self.tolerance < 1
        if wrong or self.blocks not in get_args(Blocks) or (self.sample or 1) < 1:
            raise MethodError(
                "solving",
                expected="iterations and sample above 0, a tolerance in [0, 1), known blocks",
                got=repr(self),
                fix="Choose another value.",
            )


def gauss_newton(
    model: Model,
    corpus: Corpus,
    behaviors: Sequence[Behavior],
    *,
    causes: Sequence[Cause] | None = None,
    settings: InfluenceSettings | None = None,
    solving: Solving | None = None,
) -> Scores:
    """Influence of documents with the Gauss-Newton matrix solved by conjugate gradients.

    Costs what `ekfac` costs and, for every iteration, a forward and about two backward passes
    over the sample with three more for each behavior.

    Args:
        model: a checkpoint; no recorded run is needed.
        corpus: the documents that it was trained on.
        behaviors: what is explained.
        causes: documents or groups of them; None means every document.
        settings: see `InfluenceSettings`.
        solving: see `Solving`.

    Returns:
        Scores in nats, additive; the settings report every behavior's last residual, as a
        share of its gradient in the preconditioned norm.

    Raises:
        MethodError: the context is longer than the model's.
        BehaviorError: a behavior cannot be measured.
    """
    chosen, how = settings or InfluenceSettings(), solving or Solving()
    stream = stream_of(
        model, corpus, context=chosen.context, rows=chosen.rows, masked=chosen.masked
    )
    sample = sample_of(stream, how.sample, chosen.seed, "gauss-newton")

    def solve(
        gradients: Mapping[str, Tensor], curvature: Curvature, shown: Bar
    ) -> tuple[Vectors, Report]:
        found: Vectors = {}
        residuals = []
        for block in _blocks(model, curvature, how.blocks):
            right = {name: gradients[name] for name in block}
            part = _only(curvature, block)
            solved, residual = conjugate_gradients(
                _damped_product(model, sample, part, chosen.damping, shown),
                lambda v, part=part: damped_inverse(part, v, chosen.damping),  # type: ignore[misc]
                right,
                how.iterations,
                how.tolerance,
            )
            found |= solved
            residuals.append(residual)
        return found, {"residual": torch.stack(residuals).amax(0).tolist()}

    scores = influence(model, corpus, behaviors, causes, chosen, method="gauss-newton", solve=solve)
    return replace(scores, settings={**scores.settings, "solving": asdict(how)})


def gauss_newton_product(
    model: Model, stream: Stream, vectors: Vectors, shown: Bar | None = None
) -> Vectors:
    """The Gauss-Newton matrix of the mean loss per token times vectors.

    Args:
        model: at the parameters where the matrix is taken.
        stream: the documents that it is averaged over.
        vectors: over some parameters; the others are held fixed.
        shown: told of every row.
    """
    held = dict(model.module.named_parameters())
    names = list(vectors)
    parameters = [held[name] for name in names]
    total = {name: torch.zeros_like(v) for name, v in vectors.items()}
    n_vectors = len(next(iter(vectors.values())))
    for batch in stream.batches(model):
        found = logits(model.module, batch)[batch.predicts]
        shares = torch.softmax(found.detach(), dim=-1)
        dummy = torch.zeros_like(found, requires_grad=True)
        back = torch.autograd.grad(
            found, parameters, dummy, create_graph=True, materialize_grads=True
        )
        reached = [i for i, g in enumerate(back) if g.requires_grad]
        for k in range(n_vectors):
            (moved,) = torch.autograd.grad(
                [back[i] for i in reached],
                dummy,
                [vectors[names[i]][k].to(back[i]) for i in reached],
                retain_graph=True,
            )
            curved = shares * (moved - (shares * moved).sum(-1, keepdim=True))
            products = torch.autograd.grad(
                found, parameters, curved, retain_graph=True, materialize_grads=True
            )
            for name, product in zip(names, products, strict=True):
                total[name][k] += product
        if shown is not None:
            shown.update(len(batch.ids))
    return {name: each / stream.tokens for name, each in total.items()}


def conjugate_gradients(
    product: Product, precondition: Product, right: Vectors, iterations: int, tolerance: float
) -> tuple[Vectors, Float[Tensor, " vector"]]:
    """Solve M x = right for several right-hand sides at once, M symmetric and positive.

    Args:
        product: multiplies vectors with M.
        precondition: multiplies vectors with something like its inverse; also the start.
        right: the right-hand sides.
        iterations: products at most.
        tolerance: when to stop, as a share of a right-hand side's preconditioned norm.

    Returns:
        The solutions, and what is left of every right-hand side, in the same unit.
    """
    solved = precondition(right)
    # A right-hand side of 0 is solved already.
    size = dot(right, solved).clamp(min=torch.finfo(torch.float64).tiny)
    residual = _plus(right, product(solved), -torch.ones_like(size))
    prepared = precondition(residual)
    direction, left = prepared, dot(residual, prepared)
    for _ in range(iterations - 1):
        open_ = left > tolerance**2 * size
        if not open_.any():
            break
        image = product(direction)
        step = torch.where(open_, left / dot(direction, image), 0.0)
        solved = _plus(solved, direction, step)
        residual = _plus(residual, image, -step)
        prepared = precondition(residual)
        now = dot(residual, prepared)
        direction = _plus(prepared, direction, torch.where(open_, now / left, 0.0))
        left = torch.where(open_, now, left)
    return solved, (left / size).sqrt()


def dot(a: Vectors, b: Vectors) -> Float[Tensor, " vector"]:
    """Inner products of vectors, one by one."""
    parts = [(a[name].double() * b[name].double()).flatten(1).sum(1) for name in a]
    return torch.stack(parts).sum(0)


def _plus(a: Vectors, b: Vectors, factor: Float[Tensor, " vector"]) -> Vectors:
    return {
        name: x + factor.to(x).view(-1, *[1] * (x.ndim - 1)) * b[name].to(x)
        for name, x in a.items()
    }


def _damped_product(
    model: Model, stream: Stream, curvature: Curvature, damping: float, shown: Bar
) -> Product:
    added = dampings(curvature, damping)

    def product(vectors: Vectors) -> Vectors:
        found = gauss_newton_product(model, stream, vectors, shown)
        return {name: found[name] + added[name] * v for name, v in vectors.items()}

    return product


def _blocks(model: Model, curvature: Curvature, blocks: Blocks) -> list[list[str]]:
    """The parameters that are solved for together."""
    covered = [n for n, values in curvature.eigenvalues.items() if values.any()]
    if blocks == "whole":
        return [covered]
    layers = [{id(p) for p in site.block.parameters()} for site in model.sites.layers]
    where = {
        name: next((k for k, own in enumerate(layers) if id(p) in own), len(layers))
        for name, p in model.module.named_parameters()
    }
    grouped = [[n for n in covered if where[n] == k] for k in range(len(layers) + 1)]
    return [names for names in grouped if names]


def _only(curvature: Curvature, names: Sequence[str]) -> Curvature:
    return replace(curvature, eigenvalues={n: curvature.eigenvalues[n] for n in names})
