"""A whole answer at once: what each of its tokens owes to the prompt and to the tokens before it.

    answer_map(model, answers_token_by_token(model, prompt))     [answer token, cause]

Each token of the answer is a behavior of its own, behind the prompt and the answer so far; causes
are what the prompt was cut into, and the tokens of the answer before it ("A0", "A1", ...). What
comes later has no score (NaN). Scores are those of any token method, in its unit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from whence.core import Behavior, Cause, Cost, Coverage, Scores
from whence.core.errors import PlanError
from whence.core.records import finite
from whence.explain.methods import methods_named
from whence.interventions import Tokens, token_numbers
from whence.models import EncodedPrompt, Model, encode_prompt

Span = tuple[int, int]


def answer_map(
    model: Model,
    answer: Sequence[Behavior],
    method: str = "leave-one-out",
    *,
    first: Tokens | None = None,
) -> Scores:
    """Score every token of an answer by the prompt and the answer so far.

    Args:
        model: the model.
        answer: its tokens as behaviors, each behind the ones before it, such as
            `answers_token_by_token` gives.
        method: a token method by its name.
        first: the prompt, cut, and how it is taken away; None means tokens, dropped.

    Returns:
        One row a token of the answer. A blank at the end of an answer belongs to the next token,
        and is no cause of it.

    Raises:
        PlanError: the behaviors do not follow one another.
        MethodError: no such method, or it does not fit the model.
    """
    _check_chain(answer)
    score = methods_named("token", [method])[method].score
    first = first or Tokens(model, answer[0].prompt)
    prompt = encode_prompt(model, answer[0].prompt)
    said = _pieces(answer)
    causes = (*first.causes, *_said_causes(model, answer, said))
    values = np.full((len(answer), len(causes)), np.nan)
    found: Scores | None = None
    cost = Cost()
    own = [_span(prompt, cause) for cause in first.causes]
    for number, behavior in enumerate(answer):
        text = encode_prompt(model, behavior.prompt).text
        before = [k for k in range(number) if len(text) > said[k][0]]
        spans = [*own, *(said[k] for k in before)]
        found = score(
            first.recut(behavior.prompt, spans), [behavior], np.ones((0, len(spans)), bool)
        )
        columns = [*range(len(own)), *(len(own) + k for k in before)]
        values[number, columns] = found.values[0]
        cost += found.cost
    assert found is not None
    return Scores(
        values=values,
        behaviors=tuple(answer),
        causes=causes,
        method=method,
        estimand=found.estimand,
        unit=found.unit,
        settings={"intervention": first.describe()},
        cost=cost,
        coverage=Coverage(f"{len(answer)} tokens of the answer, each with all before it", 1.0),
    )


def answer_record(scores: Scores) -> dict[str, Any]:
    """The map as an explanation's record holds it; None where there is no score."""
    return {
        "method": scores.method,
        "unit": scores.unit,
        "tokens": [behavior.target for behavior in scores.behaviors],
        "causes": [{"id": cause.id, "text": cause.text} for cause in scores.causes],
        "values": [
            [finite(x) if np.isfinite(x) else None for x in row] for row in scores.values.tolist()
        ],
    }


def _check_chain(answer: Sequence[Behavior]) -> None:
    follows = all(b.prompt == a.prompt + (a.target or "") for a, b in itertools.pairwise(answer))
    if not answer or not follows or any(b.target is None for b in answer):
        raise PlanError(
            "--token-by-token",
            expected="the tokens of one answer, each behind those before it",
            got=f"{len(answer)} behaviors that do not follow one another",
            fix="Take them from answers_token_by_token(model, prompt).",
        )


def _pieces(answer: Sequence[Behavior]) -> list[Span]:
    """The characters of each token of the answer, in prompt and answer together."""
    starts = [len(behavior.prompt) for behavior in answer]
    return [(s, s + len(b.target or "")) for s, b in zip(starts, answer, strict=True)]


def _said_causes(
    model: Model, answer: Sequence[Behavior], said: Sequence[Span]
) -> tuple[Cause, ...]:
    """The answer's tokens as causes of those behind them; the last has none behind it."""
    places = len(encode_prompt(model, answer[0].prompt).ids)
    return tuple(
        Cause("token", f"A{k}", answer[k].target or "", (), "answer", float(places + k))
        for k in range(len(said) - 1)
    )


def _span(prompt: EncodedPrompt, cause: Cause) -> Span:
    """The characters from a cause's first token to its last."""
    spans = [span for i in token_numbers(cause) if (span := prompt.spans[i]) is not None]
    return spans[0][0], spans[-1][1]
