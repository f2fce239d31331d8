"""The methods that can be called by name, for the judge and for benchmarks.

A method that fits measured removals (a datamodel) is judged on others than it was fitted to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from whence.attribution import (
    InfluenceSettings,
    TrakSettings,
    attention_rollout,
    attribution_patching,
    bm25,
    by_position,
    coar,
    context_length_probing,
    datamodel,
    direct_logit_attribution,
    ekfac,
    embedding,
    embedding_norm,
    exact_spans,
    gauss_newton,
    gradient_similarity,
    gradient_x_input,
    information_flow,
    integrated_gradients,
    kernel_shapley,
    leave_one_out,
    lime,
    permutation_shapley,
    random_order,
    rows_of_run,
    sentences,
    smooth_grad,
    source,
    spread,
    through_run,
    tracin,
    trak,
    value_flow,
)
from whence.core import Behavior, Kind, Scores
from whence.core.errors import MethodError
from whence.interventions import Bank, Components, Documents, Tokens
from whence.training import GRADIENT_MEMORY

Keep = Bool[np.ndarray, "subset cause"]
Causes = Bank | Documents | Components | Tokens
_CHECKPOINTS = 5


@dataclass(frozen=True, slots=True)
class Method:
    """One way to score causes.

    Attributes:
        score: from causes, behaviors and subsets, which it may fit.
        fits: whether it fits measured subsets; then none may judge what was fitted to it.
        reads: whether its scores depend on the model, or on the text alone.
        streams: whether the model's stream must be a sum; left out where it is not, unless named.
    """

    score: Callable[[Causes, Sequence[Behavior], Keep], Scores]
    fits: bool = False
    reads: bool = True
    streams: bool = False


def _documents(causes: Causes) -> Documents:
    assert isinstance(causes, Bank | Documents)
    return causes.documents if isinstance(causes, Bank) else causes


def _components(causes: Causes) -> Components:
    assert isinstance(causes, Components)
    return causes


def _tokens(causes: Causes) -> Tokens:
    assert isinstance(causes, Tokens)
    return causes


def _influence(score: Callable[..., Scores]) -> Method:
    """A method over one checkpoint, the last, that takes `InfluenceSettings`."""

    def scored(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
        d = _documents(causes)
        settings = InfluenceSettings.of_run(d.run)
        return score(d.run.model(), d.corpus, behaviors, causes=d.causes, settings=settings)

    return Method(scored)


def _source(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
    d = _documents(causes)
    return source(d, behaviors, settings=InfluenceSettings.of_run(d.run))


def _trak(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
    d = _documents(causes)
    settings = TrakSettings.of_run(d.run)
    return trak(d.run.model(), d.corpus, behaviors, causes=d.causes, settings=settings)


def _trak_checkpoints(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
    d = _documents(causes)
    trained = spread([c for c in d.run.checkpoints if c.step > 0], _CHECKPOINTS)
    settings = TrakSettings.of_run(d.run)
    models = [d.run.model(checkpoint.step) for checkpoint in trained]
    found = trak(models, d.corpus, behaviors, causes=d.causes, settings=settings)
    return replace(found, method="trak-checkpoints")


def _slope(weight: float, name: str, memory: int = GRADIENT_MEMORY) -> Method:
    """The derivative through the run, where all documents have this weight."""

    def scored(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
        found = through_run(_documents(causes), behaviors, weight=weight, memory=memory)
        return replace(found, method=name)

    return Method(scored)


def _encoded(encoder: str) -> Method:
    def scored(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
        return sentences(encoder, _documents(causes).corpus, behaviors, causes.causes)

    return Method(scored, reads=False)


def _plain_tracin(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
    found = tracin(_documents(causes), behaviors, preconditioner="none")
    return replace(found, method="tracin-plain")


def _similarity(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
    d = _documents(causes)
    return gradient_similarity(
        d.run.model(),
        d.corpus,
        behaviors,
        causes=d.causes,
        context=d.run.recipe.context,
        rows=rows_of_run(d.run),
        masked=d.run.plan.packed,
    )


def _embedding(causes: Causes, behaviors: Sequence[Behavior], _: Keep) -> Scores:
    d = _documents(causes)
    return embedding(d.run.model(), d.corpus, behaviors, d.causes)


_RANDOM = Method(lambda i, b, _: random_order(b, i.causes), reads=False)

_DOCUMENTS = {
    "through-run": _slope(1.0, "through-run"),
    "through-run-centred": _slope(0.5, "through-run-centred"),
    "tracin": Method(lambda i, b, _: tracin(_documents(i), b)),
    "tracin-plain": Method(_plain_tracin),
    "source": Method(_source),
    "gauss-newton": _influence(gauss_newton),
    "ekfac": _influence(ekfac),
    "trak": Method(_trak),
    "trak-checkpoints": Method(_trak_checkpoints),
    "gradient-cosine": Method(_similarity),
    "datamodel": Method(datamodel, fits=True),
    "embedding": Method(_embedding),
    "bm25": Method(lambda i, b, _: bm25(_documents(i).corpus, b, i.causes), reads=False),
    "exact-spans": Method(
        lambda i, b, _: exact_spans(_documents(i).corpus, b, i.causes), reads=False
    ),
    "random": _RANDOM,
}

_ANY_FORWARD = {
    "leave-one-out": Method(lambda i, b, _: leave_one_out(i, b)),
    "shapley": Method(lambda i, b, _: permutation_shapley(i, b)),
    "kernel-shapley": Method(lambda i, b, _: kernel_shapley(i, b)),
}

_COMPONENTS = {
    **_ANY_FORWARD,
    "coar": Method(lambda i, b, _: coar(i, b)),
    "attribution-patching": Method(lambda i, b, _: attribution_patching(_components(i), b)),
    "information-flow": Method(lambda i, b, _: information_flow(_components(i), b), streams=True),
    "direct-logit-attribution": Method(
        lambda i, b, _: direct_logit_attribution(_components(i), b), streams=True
    ),
    "random": _RANDOM,
}

_TOKENS = {
    **_ANY_FORWARD,
    "lime": Method(lambda i, b, _: lime(i, b)),
    "gradient-x-input": Method(lambda i, b, _: gradient_x_input(_tokens(i), b)),
    "smooth-grad": Method(lambda i, b, _: smooth_grad(_tokens(i), b)),
    "integrated-gradients": Method(lambda i, b, _: integrated_gradients(_tokens(i), b)),
    "context-length": Method(lambda i, b, _: context_length_probing(i, b)),
    "attention-rollout": Method(lambda i, b, _: attention_rollout(_tokens(i), b)),
    "value-flow": Method(lambda i, b, _: value_flow(_tokens(i), b)),
    "embedding-norm": Method(lambda i, b, _: embedding_norm(_tokens(i), b)),
    "last-first": Method(lambda i, b, _: by_position(b, i.causes), reads=False),
    "first-first": Method(lambda i, b, _: by_position(b, i.causes, last=False), reads=False),
    "random": _RANDOM,
}

METHODS: dict[Kind, dict[str, Method]] = {
    "document": _DOCUMENTS,
    "component": _COMPONENTS,
    "token": _TOKENS,
}
"""What can be asked for, by kind of cause, in the order in which it is shown."""


def document_methods(
    *, memory: int = GRADIENT_MEMORY, encoder: str | None = None
) -> dict[str, Method]:
    """Document methods by name, with what may be set of them.

    Args:
        memory: bytes for training states that the derivative through the run keeps.
        encoder: a sentence encoder, a folder or a name; adds the look-up "sentences".
    """
    slopes = {
        name: _slope(weight, name, memory)
        for name, weight in (("through-run", 1.0), ("through-run-centred", 0.5))
    }
    more = {} if encoder is None else {"sentences": _encoded(encoder)}
    return {**_DOCUMENTS, **slopes, **more}


def methods_named(
    kind: Kind, names: Sequence[str] | None, known: Mapping[str, Method] | None = None
) -> dict[str, Method]:
    """Look methods up.

    Args:
        kind: of the causes.
        names: None means all.
        known: what there is; None means `METHODS` of this kind.

    Raises:
        MethodError: a name that is not known, or none at all.
    """
    known = METHODS[kind] if known is None else known
    if names is None:
        return dict(known)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise MethodError(
            "methods",
            expected=f"names out of {', '.join(known)}",
            got=", ".join(unknown) or "none",
            fix=f"These score {kind}s.",
        )
    return {name: known[name] for name in names}
