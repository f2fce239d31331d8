"""A model asked about a task: vectors of texts, probabilities of stretches of its answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64

from whence.core import Behavior
from whence.core.errors import BehaviorError
from whence.core.progress import progress
from whence.models import Model, encode, target_log_probabilities

_BATCH = 64
INPUT, OUTPUT = "{input}", "{output}"


def text_vectors(
    model: Model, texts: Sequence[str], *, centred: bool = True
) -> Float64[np.ndarray, "text width"]:
    """A vector for each text: the mean of the model's last hidden states over its tokens.

    The states of a language model share a large common part, which makes all cosines nearly
    one; less their mean over the texts, they tell texts apart.

    Args:
        model: the model.
        texts: short texts; what goes beyond the model's context is cut off.
        centred: take the mean over all texts away.

    References:
        Mu and Viswanath, "All-but-the-Top", ICLR 2018, for taking the mean away.
    """
    found = np.zeros((len(texts), int(model.config.hidden_size)))
    order = sorted(range(len(texts)), key=lambda i: (len(texts[i]), i))
    batches = [order[i : i + _BATCH] for i in range(0, len(order), _BATCH)]
    for batch in progress(batches, "embedding", len(batches)):
        ids = [
            model.tokenizer(" " + texts[i], add_special_tokens=False)["input_ids"][: model.context]
            for i in batch
        ]
        width = max(map(len, ids))
        padded = torch.tensor([own + own[-1:] * (width - len(own)) for own in ids])
        # A causal model cannot see what is to the right, so padding there needs no mask.
        with torch.no_grad():
            states = model.module(
                input_ids=padded.to(model.device),
                attention_mask=torch.ones_like(padded).to(model.device),
                output_hidden_states=True,
                use_cache=False,
            ).hidden_states[-1]
        for row, i in enumerate(batch):
            found[i] = states[row, : len(ids[row])].double().mean(dim=0).cpu().numpy()
    return found - found.mean(axis=0) if centred else found


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
