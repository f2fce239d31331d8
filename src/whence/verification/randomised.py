"""Does an explanation notice when the model is no longer itself: weights dealt out anew.

From the vocabulary's end down to the embedding, the numbers in each part's parameters are put into
a random order, one part after another, each on top of those before (a cascade); their sizes stay
what they were. Scores of every stage are compared with those of the model itself by the rank
correlation over causes, behavior by behavior.

An explanation of what the model has learned must change. A method whose order stays measured the
text, or the architecture. Some likeness is always left, in measured removals too: the last token
matters to any model. A method is reported as blind when, with everything dealt out anew, the 95 %
interval of the mean correlation lies above one half.

The room knows no method: scores come from a function that is handed in, for causes of any kind.

    found = cascade(lambda model: [method(Tokens(model, prompt), behaviors)], model)

Reference: Adebayo et al. 2018, "Sanity checks for saliency maps", sec. 3.1 (cascading).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from whence.core import Scores
from whence.core.errors import MethodError
from whence.core.seeds import derive, generator
from whence.models import Model, parameter_parts
from whence.verification.agreement import spearman

BLIND = 0.5
"""Mean rank correlation above which a method has not noticed."""

_TOP = ("unembedding", "final norm")


@dataclass(frozen=True, eq=False, slots=True)
class Cascade:
    """How like themselves scores stay as a model is taken apart from the top.

    Attributes:
        method: whose scores.
        stages: parts, each dealt out anew together with all before it.
        similarity: rank correlation with the scores of the model itself; 0 where all scores of
            a stage are equal.
    """

    method: str
    stages: tuple[str, ...]
    similarity: Float[np.ndarray, "behavior stage"]

    @property
    def notices(self) -> bool:
        """Whether the scores change when everything is dealt out anew; see `BLIND`."""
        return self.interval()[0] <= BLIND

    def interval(self, stage: int = -1, *, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
        """95 % bootstrap percentiles of the mean similarity at a stage, behaviors drawn anew."""
        column = self.similarity[:, stage]
        rng = generator(seed, "cascade")
        means = column[rng.integers(len(column), size=(draws, len(column)))].mean(axis=1)
        low, high = np.percentile(means, [2.5, 97.5])
        return float(low), float(high)

    def to_json(self) -> dict[str, Any]:
        """The record of this check."""
        return {
            "method": self.method,
            "stages": list(self.stages),
            "similarity": self.similarity.mean(axis=0).tolist(),
            "interval": list(self.interval()),
            "notices": self.notices,
        }


def cascade(score: Callable[[Model], Sequence[Scores]], model: Model, *, seed: int = 0) -> Cascade:
    """Score a model as it is, and at every stage of its randomisation.

    Args:
        score: scores by one method, of whichever model it is given: the same behaviors and causes
            every time, in as many pieces as there are sets of causes (one a prompt, for tokens).
        model: whose weights are dealt out anew, in a copy.
        seed: of the orders.

    Raises:
        MethodError: a stage was scored about other behaviors or causes; no behavior was scored.
        ModelError: the architecture is not known.
    """
    own = score(model)
    names, columns = [], []
    for name, changed in randomised(model, seed=seed):
        names.append(name)
        columns.append(_similarity(own, score(changed)))
    if not columns or not len(columns[0]):
        raise MethodError(
            "behaviors", expected="at least one", got="none", fix="Score some behaviors."
        )
    return Cascade(own[0].method, tuple(names), np.stack(columns, axis=1))


def randomised(model: Model, *, seed: int = 0) -> Iterator[tuple[str, Model]]:
    """A copy of a model whose parts are dealt out anew, one after another from the top.

    Args:
        model: left as it is.
        seed: of the orders.

    Yields:
        The part that came last, and the model; it is changed on by the next step.

    Raises:
        ModelError: the architecture is not known.
    """
    module = copy.deepcopy(model.module)
    parameters = dict(module.named_parameters())
    for name, members in _stages(module).items():
        with torch.no_grad():
            for member in members:
                values = parameters[member]
                draws = torch.Generator().manual_seed(derive(seed, "randomised", member))
                order = torch.randperm(values.numel(), generator=draws).to(values.device)
                values.copy_(values.reshape(-1)[order].reshape(values.shape))
        # A model keeps its digest, so every stage is a model of its own.
        yield name, replace(model, module=module)


def _stages(module: torch.nn.Module) -> dict[str, tuple[str, ...]]:
    """Names of parameters by part, from the top down; a layer is one part."""
    parts: dict[str, tuple[str, ...]] = {}
    for part, members in parameter_parts(module).items():
        name = part.partition(".")[0]
        parts[name] = (*parts.get(name, ()), *members)
    layers = [name for name in parts if name[0] == "L" and name[1:].isdigit()]
    top = [name for name in _TOP if name in parts]
    below = [name for name in parts if name not in {*layers, *top}]
    ordered = [*top, *sorted(layers, key=lambda name: -int(name[1:])), *below]
    return {name: parts[name] for name in ordered}


def _similarity(own: Sequence[Scores], changed: Sequence[Scores]) -> Float[np.ndarray, " behavior"]:
    found = []
    for a, b in zip(own, changed, strict=True):
        if a.behaviors != b.behaviors or [c.id for c in a.causes] != [c.id for c in b.causes]:
            raise MethodError(
                f"scores of {b.method}",
                expected="the same behaviors and causes for every model",
                got="others",
                fix="Let the function score what it is given, and nothing else.",
            )
        found += [_correlation(x, y) for x, y in zip(a.values, b.values, strict=True)]
    return np.array(found)


def _correlation(x: Float[np.ndarray, " cause"], y: Float[np.ndarray, " cause"]) -> float:
    """The rank correlation over causes that both score."""
    both = np.isfinite(x) & np.isfinite(y)
    return float(spearman(x[None, both], y[None, both])[0])
