"""Tokens of a prompt, taken away by dropping or replacing them.

    drop                   the rest moves together; positions are 0, 1, 2, ... again
    drop-keep-positions    the rest stays at its positions, with gaps (attention with a sliding
                           window still counts the tokens that are left)
    replace                a neutral token stands in their place

Causes are the prompt's tokens ("T5", counted with special tokens), its words ("W2": runs
without blanks) or spans of characters that the user gives ("S0"), in groups if wanted. Tokens
that the tokenizer adds by itself are there and stay there, and are no causes. The target
keeps the tokens that it has behind the whole prompt.

The three removals answer different questions, so each result names its own: dropping
changes what stands next to what, replacing puts another word there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from whence.core import Behavior, Cause, Kind
from whence.core.errors import BehaviorError, InterventionError
from whence.interventions.groups import grouped, kept_singles, membership
from whence.interventions.interface import ValueOf, check_keep, measured
from whence.models import BATCH_SIZE, EncodedPrompt, Model, Row, encode, encode_prompt, rows_of

REMOVALS = ("drop", "drop-keep-positions", "replace")


class Tokens:
    """Takes tokens of one prompt away.

    Attributes:
        model: the model.
        prompt: the prompt; behaviors that are measured must have it.
        causes: its tokens, words or spans, or the groups that were given.
    """

    kind: Kind = "token"
    scope = "this model"
    cheap = True

    def __init__(
        self,
        model: Model,
        prompt: str,
        *,
        unit: str | Sequence[tuple[int, int]] = "token",
        removal: str = "drop",
        replacement: str | int | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        reuse: bool = True,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """Make the tokens of a prompt removable.

        Args:
            model: the model.
            prompt: the prompt.
            unit: "token", "word", or spans of the prompt's characters [start, end); a token
                belongs to a span that covers any of its characters.
            removal: what becomes of a token that is taken away.
            replacement: for "replace": a token's number or text; by default the tokenizer's
                mask, unknown, padding or end token, whichever it has first.
            groups: name -> ids of causes of this unit.
            reuse: compute once what removals share from the start of the prompt on.
            batch_size: rows in one forward pass.

        Raises:
            InterventionError: an unknown unit or removal, a span outside of the prompt or
                without a token, a replacement that is not one token, an unknown id in a group.
            BehaviorError: the prompt has no token at all.
        """
        if removal not in REMOVALS:
            raise InterventionError(
                "removal",
                expected=f"one of {', '.join(REMOVALS)}",
                got=repr(removal),
                fix="Say what becomes of a token that is taken away.",
            )
        self.model = model
        self.prompt = prompt
        self.removal = removal
        self.unit = unit if isinstance(unit, str) else "span"
        self.reuse = reuse
        self.batch_size = batch_size
        self._encoded = encode_prompt(model, prompt)
        self._neutral = _neutral(model, replacement) if removal == "replace" else None
        singles = _causes(self._encoded, unit)
        if not singles:
            raise InterventionError(
                "unit",
                expected=f"at least one {self.unit} in the prompt {prompt!r}",
                got="none",
                fix="Give a prompt with some text, or spans of it.",
            )
        self.causes = grouped(singles, groups)
        names = [f"T{i}" for i in range(len(self._encoded.ids))]
        self._table = membership(self.causes, names)

    def describe(self) -> dict[str, Any]:
        """How tokens are taken away; everything that can change a number."""
        return {
            "kind": self.kind,
            "removal": self.removal,
            "replacement": self._neutral,
            "unit": self.unit,
            "prompt": self.prompt,
            "causes": {cause.id: list(cause.members) for cause in self.causes},
            "reuse": self.reuse,
            "batch_size": self.batch_size,
            "model": self.model.digest,
            "dtype": str(self.model.dtype),
            "device": self.model.device.type,
        }

    def measure(
        self,
        behaviors: Sequence[Behavior],
        keep: Bool[np.ndarray, "subset cause"],
        *,
        value: ValueOf | None = None,
    ) -> Float[np.ndarray, "behavior subset"]:
        """Values of behaviors without the removed tokens.

        Args:
            behaviors: what is measured; all with this prompt.
            keep: one row a removal; False marks a cause that is taken away.
            value: what is measured instead of the behavior's value (see `Divergence`).

        Returns:
            Nats. A row that keeps everything gives the model's own values, to the last bit.

        Raises:
            InterventionError: `keep` has another shape, or a removal leaves no token.
            BehaviorError: a behavior has another prompt, or cannot be measured.
        """
        check_keep(keep, self.causes)
        for behavior in behaviors:
            if behavior.prompt != self.prompt:
                raise BehaviorError(
                    "prompt",
                    expected=f"the prompt whose tokens are taken away, {self.prompt!r}",
                    got=repr(behavior.prompt),
                    fix="Make one intervention for each prompt.",
                )
        encoded = [encode(self.model, behavior) for behavior in behaviors]
        stays = kept_singles(keep, self._table)

        def rows(behavior: int, subset: int) -> tuple[Row, ...]:
            ids, positions = self._without(stays[subset])
            return rows_of(encoded[behavior], ids, positions)

        return measured(
            self.model,
            len(behaviors),
            keep,
            rows,
            batch_size=self.batch_size,
            value=value,
            alike=self.reuse,
        )

    def _without(self, stays: Bool[np.ndarray, " token"]) -> tuple[list[int], list[int] | None]:
        """The prompt's tokens after a removal, and their positions where those have gaps."""
        ids = self._encoded.ids
        if self._neutral is not None:
            return [t if s else self._neutral for t, s in zip(ids, stays, strict=True)], None
        left = [int(i) for i in np.flatnonzero(stays)]
        if not left:
            raise InterventionError(
                "removal",
                expected="at least one token to predict from",
                got=f"all {len(ids)} tokens taken away, and a tokenizer without a start token",
                fix='Keep one of them, or choose removal="replace".',
            )
        positions = [*left, len(ids)] if self.removal == "drop-keep-positions" else None
        return [ids[i] for i in left], positions


def _causes(prompt: EncodedPrompt, unit: str | Sequence[tuple[int, int]]) -> tuple[Cause, ...]:
    """The prompt's tokens, words or spans."""
    if unit == "token":
        return tuple(
            Cause("token", f"T{i}", prompt.text[slice(*span)], (), "token", float(i))
            for i, span in enumerate(prompt.spans)
            if span is not None
        )
    if unit == "word":
        return _words(prompt)
    if isinstance(unit, str):
        raise InterventionError(
            "unit",
            expected="token, word, or a list of spans (start, end) of characters",
            got=repr(unit),
            fix="Say what a cause is.",
        )
    causes = []
    for number, (start, end) in enumerate(unit):
        members = [
            f"T{i}"
            for i, span in enumerate(prompt.spans)
            if span is not None and span[0] < end and start < span[1]
        ]
        if not members or start < 0 or end > len(prompt.text) + len(prompt.blanks):
            raise InterventionError(
                f"span {(start, end)}",
                expected=f"characters of the prompt, between 0 and {len(prompt.text)}",
                got="a span without a token" if not members else "a span that leaves it",
                fix="Count characters from 0; the end is not included.",
            )
        causes.append(_of_tokens(f"S{number}", prompt.text[start:end], members, "span"))
    return tuple(causes)


def _words(prompt: EncodedPrompt) -> tuple[Cause, ...]:
    """Runs without blanks; a token belongs to the word of its first character that is none."""
    words = [match.span() for match in re.finditer(r"\S+", prompt.text)]
    members: list[list[str]] = [[] for _ in words]
    for i, span in enumerate(prompt.spans):
        if span is None:
            continue
        inside = prompt.text[slice(*span)]
        first = span[0] + len(inside) - len(inside.lstrip())
        # A token of blanks alone goes with the word behind it.
        number = next((k for k, (_, end) in enumerate(words) if first < end), len(words) - 1)
        members[number].append(f"T{i}")
    found = [(words[k], own) for k, own in enumerate(members) if own]
    return tuple(
        _of_tokens(f"W{k}", prompt.text[start:end], own, "word")
        for k, ((start, end), own) in enumerate(found)
    )


def _of_tokens(name: str, text: str, members: Sequence[str], stratum: str) -> Cause:
    return Cause("token", name, text, tuple(members), stratum, float(members[0][1:]))


def _neutral(model: Model, replacement: str | int | None) -> int:
    """The token that stands in the place of another."""
    tokenizer = model.tokenizer
    if replacement is None:
        names = ("mask_token_id", "unk_token_id", "pad_token_id", "eos_token_id")
        found = [getattr(tokenizer, name, None) for name in names]
        ids = [i for i in found if i is not None][:1]
    elif isinstance(replacement, str):
        ids = list(tokenizer(replacement, add_special_tokens=False, verbose=False)["input_ids"])
    else:
        ids = [replacement]
    if len(ids) != 1 or not 0 <= ids[0] < model.vocabulary_size:
        raise InterventionError(
            "replacement",
            expected="exactly one token of the vocabulary",
            got=f"{replacement!r}, which is {ids}" if ids else "a tokenizer without a neutral one",
            fix="Give a token's number, or a text that is one token.",
        )
    return int(ids[0])
