"""A model asked about a task: vectors of n-grams, probabilities of stretches of its answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from whence.core import Behavior
from whence.core.errors import BehaviorError
from whence.models import Model, encode, target_log_probabilities, text_embeddings

INPUT, OUTPUT = "{input}", "{output}"


def centred_embeddings(model: Model, texts: Sequence[str]) -> Float[np.ndarray, "text width"]:
    """Each text's embedding by the model's own states, less the mean of all of them.

    The states of a language model share a large part, which makes all cosines nearly one; what
    is left without it tells texts apart (Mu and Viswanath, "All-but-the-Top", ICLR 2018).
    """
    found = text_embeddings(model, [f" {text}" for text in texts])
    centred: Float[np.ndarray, "text width"] = found - found.mean(axis=0)
    return centred


def behavior_of(template: str, given: str, answer: str) -> Behavior:
    """An example as a behavior: the prompt up to the answer, and the answer as its target.

    Raises:
        BehaviorError: the template does not name input and output once each, in this order.
    """
    before, found, _ = template.partition(OUTPUT)
    if not found or before.count(INPUT) != 1 or template.count(OUTPUT) != 1:
        raise BehaviorError(
            "template",
            expected=f"a text with {INPUT} and then {OUTPUT} in it",
            got=repr(template),
            fix=f"Such as: Q: {INPUT} A: {OUTPUT}",
        )
    return Behavior(before.replace(INPUT, given), target=answer)


class AnswerScore:
    """The log-probability of an answer, token by token, readable by characters."""

    def __init__(self, model: Model, behavior: Behavior) -> None:
        encoded = encode(model, Behavior(behavior.prompt, behavior.target))
        self.log_probabilities = target_log_probabilities(model, behavior)
        self._starts, self._ends = _spans(model, encoded.target_ids)
        # Blanks at the prompt's end have moved to the target.
        self._shift = len(encoded.target) - len(behavior.target or "")

    @property
    def total(self) -> float:
        """Of the whole answer, nats."""
        return float(self.log_probabilities.sum())

    def of(self, start: int, end: int) -> float:
        """Of the tokens that hold any of the answer's characters [start, end), nats."""
        start, end = start + self._shift, end + self._shift
        inside = (self._ends > start) & (self._starts < end)
        return float(self.log_probabilities[inside].sum())


def _spans(
    model: Model, ids: Sequence[int]
) -> tuple[Float[np.ndarray, " token"], Float[np.ndarray, " token"]]:
    """Characters of each token of an answer; a part of a character counts as all of it."""
    starts, ends, whole = [], [], 0
    for k in range(1, len(ids) + 1):
        text = str(
            model.tokenizer.decode(
                list(ids[:k]), skip_special_tokens=False, clean_up_tokenization_spaces=False
            )
        )
        starts.append(float(whole))
        # Bytes of a character that is not complete yet decode to one or more of these.
        whole = len(text.rstrip("\ufffd"))
        ends.append(float(whole + (whole < len(text))))
    return np.array(starts), np.array(ends)
