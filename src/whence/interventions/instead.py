"""What is asked to stand in the place of a component or on an edge, and the texts it rests on.

    zero       nothing
    mean       a mean over reference texts
    other      what another prompt of equal length gives, followed by the same continuation
    resample   the same of reference texts: for each prompt, stretches of as many tokens are drawn
               from them, each is read in its place with the same continuation behind it, and
               values are means over the draws

A token of a prompt is matched with the token at the same place of the stretch; tokens that the
tokenizer adds by itself stay. Every stretch of every text is drawn as likely as any other, and no
stretch twice. The draws of a prompt depend on the seed and its tokens alone, so that they are the
same in any company, and those of a target and its foil are the same.

Reference: Chan et al., "Causal Scrubbing", 2022 (resampling ablation: a value that the model
itself has on another input, in place of zero or a mean that it has on none).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from transformers import PreTrainedTokenizerBase

from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.core.records import digest
from whence.core.seeds import generator
from whence.models import EncodedPrompt, Model, Row, encode_prompt

Replacement = Literal["zero", "mean", "other", "resample"]

DRAWS = 8
"""How often activations are drawn, unless told otherwise."""

Prompt = tuple[int, ...]
Others = Mapping[Prompt, tuple[Prompt, ...]]
"""The tokens of a prompt -> those of the other prompts that stand in its place, one a draw."""


@dataclass(frozen=True, slots=True)
class Instead:
    """What stands in the place of what is taken away.

    Attributes:
        replacement: "zero", "mean", "other" or "resample".
        reference: texts, for "mean" and "resample".
        other_prompt: for "other": the prompt of all behaviors, or one for each prompt.
        draws: for "resample": how often.
        seed: of the draws.

    Raises:
        InterventionError: an unknown replacement, one that lacks its texts, or no draw.
    """

    replacement: str
    reference: tuple[str, ...] = ()
    other_prompt: str | Mapping[str, str] | None = None
    draws: int = DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        name = self.replacement
        if name not in get_args(Replacement):
            raise InterventionError(
                "replacement",
                expected=f"one of {', '.join(get_args(Replacement))}",
                got=repr(name),
                fix="Say what stands in the place of a component.",
            )
        if name in ("mean", "resample") and not self.reference:
            what = "take the mean activation over" if name == "mean" else "draw activations from"
            raise InterventionError(
                "reference",
                expected=f"texts to {what}",
                got="none",
                fix='Pass reference=[...] (a corpus), or choose replacement="zero".',
            )
        if name == "other" and not self.other_prompt:
            raise InterventionError(
                "other_prompt",
                expected="the prompt that activations are taken from",
                got="none",
                fix='Pass other_prompt="...".',
            )
        if self.draws < 1:
            raise InterventionError(
                "draws",
                expected="at least 1",
                got=str(self.draws),
                fix=f"Leave it out for {DRAWS}.",
            )

    @property
    def turns(self) -> int:
        """How many prompts stand in the place of one; a removal is measured as often."""
        return self.draws if self.replacement == "resample" else 1

    @property
    def prompts(self) -> int:
        """How many other prompts are read for one; none for "zero" and "mean"."""
        return self.turns if self.replacement in ("other", "resample") else 0

    def to_json(self) -> dict[str, Any]:
        """The texts that it rests on, and the draws."""
        texts = {"texts": len(self.reference), "digest": digest(list(self.reference))}
        given = self.other_prompt
        about: dict[str, dict[str, Any]] = {
            "mean": {"reference": texts},
            "other": {"other_prompt": given if isinstance(given, str) else dict(given or {})},
            "resample": {"reference": texts, "draws": self.draws, "seed": self.seed},
        }
        return about.get(self.replacement, {})

    def others(
        self, model: Model, behaviors: Sequence[Behavior], rows: Sequence[Sequence[Row]]
    ) -> Others:
        """The other prompts of behaviors; nothing where none are read.

        Args:
            model: whose tokens they are.
            behaviors: what is measured.
            rows: of each behavior.

        Raises:
            InterventionError: there is none, it has another length, or the reference texts have
                fewer stretches of that length than are drawn.
        """
        found: dict[Prompt, tuple[Prompt, ...]] = {}
        for behavior, own in zip(behaviors, rows, strict=True) if self.prompts else ():
            prompt = own[0].ids[: own[0].prompt]
            if prompt not in found:
                found[prompt] = self._of(model, behavior.prompt, len(prompt))
        return found

    def _of(self, model: Model, prompt: str, length: int) -> tuple[Prompt, ...]:
        if self.replacement == "other":
            return (_other_tokens(model, self.other_prompt, prompt, length),)
        encoded = encode_prompt(model, prompt)
        texts = _own_tokens(model.tokenizer, self.reference)
        return drawn_stretches(texts, encoded, draws=self.draws, seed=self.seed)


def with_other(row: Row, others: Others, turn: int) -> Row:
    """A row with another prompt in the place of its own, and the same continuation."""
    other = others[row.ids[: row.prompt]][turn]
    return Row(other + row.ids[row.prompt :], row.positions, row.prompt, row.scores)


def drawn_stretches(
    texts: Sequence[Prompt], prompt: EncodedPrompt, *, draws: int, seed: int
) -> tuple[Prompt, ...]:
    """Other prompts, each a drawn stretch of some texts in the place of a prompt's own tokens.

    Args:
        texts: tokens, without special ones.
        prompt: whose special tokens stay.
        draws: how many, all from different places.
        seed: of the draws.

    Raises:
        InterventionError: the texts have fewer stretches of that length, or the prompt has no
            token of its own.
    """
    own = [i for i, special in enumerate(prompt.is_special) if not special]
    size = len(own)
    if not size:
        raise InterventionError(
            "prompt",
            expected="a prompt with tokens of its own, in whose place others are read",
            got="special tokens alone",
            fix="Give a prompt that begins with some text.",
        )
    ends = np.cumsum([max(0, len(text) - size + 1) for text in texts])
    if ends[-1] < draws:
        raise InterventionError(
            "reference",
            expected=f"texts with at least {draws} stretches of {size} tokens, one for each of "
            f"{prompt.text!r}",
            got=f"{ends[-1]} in {len(texts)} texts of up to {max(map(len, texts))} tokens",
            fix="Give longer texts or more of them, or fewer draws.",
        )
    rng = generator(seed, "resample", digest(list(prompt.ids)))
    found = []
    for pick in rng.choice(int(ends[-1]), draws, replace=False).tolist():
        number = int(np.searchsorted(ends, pick, side="right"))
        # The last of a text's stretches ends where the text does.
        begin = len(texts[number]) - size - (int(ends[number]) - 1 - pick)
        ids = list(prompt.ids)
        for place, token in zip(own, texts[number][begin : begin + size], strict=True):
            ids[place] = token
        found.append(tuple(ids))
    return tuple(found)


@lru_cache(maxsize=4)
def _own_tokens(tokenizer: PreTrainedTokenizerBase, texts: tuple[str, ...]) -> tuple[Prompt, ...]:
    """Tokens of texts, those left out that the tokenizer adds by itself."""
    found = []
    for text in texts:
        encoded = encode_prompt(tokenizer, text)
        own = zip(encoded.ids, encoded.is_special, strict=True)
        found.append(tuple(token for token, special in own if not special))
    return tuple(found)


def _other_tokens(
    model: Model, given: str | Mapping[str, str] | None, prompt: str, length: int
) -> Prompt:
    """The tokens of the other prompt that belongs to a prompt.

    Raises:
        InterventionError: there is none, or it has another length.
    """
    other = given if isinstance(given, str) else (given or {}).get(prompt)
    if other is None:
        raise InterventionError(
            "other_prompt",
            expected=f"another prompt for {prompt!r}",
            got="none",
            fix="Add one to other_prompt.",
        )
    ids = encode_prompt(model, other).ids
    if len(ids) != length:
        raise InterventionError(
            "other_prompt",
            expected=f"{length} tokens, as many as {prompt!r} has",
            got=f"{len(ids)} tokens in {other!r}",
            fix="Reword one of them until both have the same number of tokens.",
        )
    return ids
