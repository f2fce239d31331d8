"""Behaviors that a model really shows, found in its own training text.

A place in a document is worth explaining when the model continues it as the document does,
with confidence, and only a few documents hold that continuation: the model learned it from
them. Of such places those whose target is rarest come first, since what every document says
no few documents can be the cause of. From a place a prompt, a target and the runner-up as
foil are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Integer

from whence.core import Behavior
from whence.core.errors import BehaviorError
from whence.core.progress import progress
from whence.core.seeds import generator
from whence.corpus import Corpus, Index
from whence.models import Model, encode, target_log_probabilities
from whence.training import Run

_PROMPT_TOKENS = 24
_SURE = 0.35
_FEW = (2, 10)  # documents; ten are what an explanation removes together by default
_CONTEXT = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """A behavior and why it was chosen.

    Attributes:
        behavior: with the runner-up as foil.
        document: id of the document it was found in.
        probability: the model's, of the target.
        holding: documents in which the target follows the prompt's last token.
        mentioning: documents that hold the target at all.
    """

    behavior: Behavior
    document: str
    probability: float
    holding: int
    mentioning: int


def shown_behaviors(run: Run, count: int, *, seed: int = 0, tries: int = 2000) -> list[Shown]:
    """Find behaviors of a run's final model, with different targets.

    Args:
        run: a finished run.
        count: how many.
        seed: of the places looked at.
        tries: documents looked at.

    Raises:
        BehaviorError: the model shows too few.
    """
    corpus, model = run.corpus(), run.model()
    index = corpus.index()
    order = generator(seed, "shown").permutation(corpus.n_documents)[:tries]
    found: list[Shown] = []
    for document in progress(order.tolist(), "looking for behaviors"):
        shown = _in_document(corpus, index, model, int(document))
        if shown is not None:
            found.append(shown)
    chosen: list[Shown] = []
    for shown in sorted(found, key=lambda each: each.mentioning):
        if shown.behavior.target not in {other.behavior.target for other in chosen}:
            chosen.append(shown)
        if len(chosen) == count:
            return chosen
    raise BehaviorError(
        str(run.path),
        expected=f"{count} behaviors that the model shows with confidence",
        got=f"{len(chosen)} in {len(order)} documents",
        fix="Train for longer, or ask for fewer.",
    )


def _in_document(corpus: Corpus, index: Index, model: Model, document: int) -> Shown | None:
    """The first place in a document that is worth explaining."""
    tokens = corpus.document(document).tokens.astype(np.int64)[: model.context - 2]
    if len(tokens) < _CONTEXT + 2:
        return None
    ids = torch.tensor([[*corpus.start_tokens, *tokens.tolist()]])
    with torch.no_grad():
        logits = model.module(input_ids=ids, use_cache=False).logits[0, len(corpus.start_tokens) :]
    probabilities = torch.softmax(logits.float(), -1)
    for at in range(_CONTEXT, len(tokens)):
        token = int(tokens[at])
        here = probabilities[at - 1]
        text = corpus.decode([token])
        if float(here[token]) < _SURE or not (text[0].isspace() and text[1:].isalpha()):
            continue  # the rest of a word is no interesting answer
        holding = _documents(index, tokens[at - 1 : at + 1])
        if not _FEW[0] <= holding <= _FEW[1]:
            continue
        behavior = _behavior(corpus, document, tokens, at, here)
        if behavior is None:
            continue
        if encode(model, behavior).target_ids != (token,):
            continue
        # Once more with the prompt alone: it is shorter than what stood before.
        probability = float(np.exp(target_log_probabilities(model, behavior).sum()))
        if probability >= _SURE:
            mentioning = _documents(index, tokens[at : at + 1])
            return Shown(behavior, corpus.ids[document], probability, holding, mentioning)
    return None


def _documents(index: Index, tokens: Integer[np.ndarray, " token"]) -> int:
    return len({occurrence.document for occurrence in index.locate(tokens)})


def _behavior(
    corpus: Corpus, document: int, tokens: np.ndarray, at: int, here: torch.Tensor
) -> Behavior | None:
    """Prompt, target and runner-up at one place; None where they are no clean text."""
    token = int(tokens[at])
    order = torch.argsort(here, descending=True)[:2].tolist()
    second = next(t for t in order if t != token)
    start = max(0, at - _PROMPT_TOKENS)
    first, last = corpus.char_span(document, start, at)
    prompt = corpus.text(document)[first:last]
    if start > 0:  # begin with a whole word
        prompt = prompt[len(prompt) - len(prompt.split(maxsplit=1)[-1]) :]
    target, foil = corpus.decode([token]), corpus.decode([second])
    clean = prompt.strip() and foil.strip() and "\ufffd" not in target + foil + prompt
    return Behavior(prompt, target, foil) if clean and target != foil else None
