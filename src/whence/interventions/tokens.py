"""Tokens of a prompt, taken away by dropping, hiding or replacing them.

    drop                   the rest moves together; positions are 0, 1, 2, ... again
    drop-keep-positions    the rest stays at its positions, with gaps (attention with a sliding
                           window still counts the tokens that are left)
    mask                   padding stands in their places, which the attention mask hides (a
                           sliding window counts them)
    replace                a neutral token stands in their place, seen by the others
    sample                 tokens drawn from the model's own predictions stand there; the value
                           is the mean over several draws
    sample-ngrams          the same, drawn from the n-gram model of a corpus

Causes are the prompt's tokens, words, sentences, demonstrations, turns, or spans of characters that
the user gives (see `units`), in groups if wanted. Tokens that the tokenizer adds by itself are
there and stay there, and are no causes. The target keeps the tokens that it has behind the whole
prompt.

The removals answer different questions, so each result names its own: dropping changes what stands
next to what, replacing puts another word there, drawing asks what the model would do without
knowing what stood there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from whence.core import Behavior, Kind
from whence.core.errors import BehaviorError, InterventionError
from whence.corpus import NgramModel
from whence.interventions.drawing import Propose, draw, ngram_predictions, own_predictions
from whence.interventions.groups import grouped, kept_singles, membership
from whence.interventions.interface import ValueOf, about_passes, check_keep, mean_draw, measured
from whence.interventions.units import Unit, prompt_causes
from whence.models import BATCH_SIZE, Model, Row, encode, encode_prompt, rows_of

REMOVALS = ("drop", "drop-keep-positions", "mask", "replace", "sample", "sample-ngrams")
DRAWS = 4


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
        unit: Unit = "token",
        separator: str | None = None,
        removal: str = "drop",
        replacement: str | int | None = None,
        ngrams: NgramModel | None = None,
        draws: int = DRAWS,
        seed: int = 0,
        groups: Mapping[str, Sequence[str]] | None = None,
        reuse: bool = True,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        """Make the tokens of a prompt removable.

        Args:
            model: the model.
            prompt: the prompt.
            unit: "token", "word", "sentence", "demonstration", "turn", or spans of the prompt's
                characters [start, end); a token belongs to a span that covers any of its
                characters.
            separator: for demonstrations: what stands between them; found when not given.
            removal: what becomes of a token that is taken away.
            replacement: for "replace": a token's number or text; by default the tokenizer's
                mask, unknown, padding or end token, whichever it has first.
            ngrams: for "sample-ngrams": of a corpus with the model's tokenizer.
            draws: for the two kinds of drawing: how often; values are means over them.
            seed: of the draws.
            groups: name -> ids of causes of this unit.
            reuse: compute once what removals share from the start of the prompt on.
            batch_size: rows in one forward pass.

        Raises:
            InterventionError: an unknown unit or removal, a span outside of the prompt or
                without a token, a replacement that is not one token, an unknown id in a group,
                nothing that the prompt could be cut at, no n-gram model to draw from.
            BehaviorError: the prompt has no token at all.
        """
        _check(removal, replacement, ngrams, draws)
        if removal == "mask" and not model.takes_positions:
            raise InterventionError(
                "removal mask",
                expected="a model with attention, from which a mask can hide tokens",
                got=f"{model.architecture}, whose state passes over them all the same",
                fix='Choose removal="drop" or "replace".',
            )
        self.model = model
        self.prompt = prompt
        self.removal = removal
        self.unit = unit if isinstance(unit, str) else "span"
        self.draws = draws if removal.startswith("sample") else 1
        self.seed = seed
        self.reuse = reuse
        self.batch_size = batch_size
        self._separator = separator
        self._ngrams = ngrams
        self._encoded = encode_prompt(model, prompt)
        self._neutral = (
            neutral_token(model, replacement) if removal in {"replace", "mask"} else None
        )
        self._propose = _proposer(model, removal, ngrams, batch_size)
        singles = prompt_causes(model.tokenizer, self._encoded, unit, separator)
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

    def recut(self, prompt: str, spans: Sequence[tuple[int, int]]) -> Tokens:
        """Spans of another prompt as causes, taken away in the same way.

        Args:
            prompt: the other prompt.
            spans: of its characters.

        Raises:
            InterventionError: as when it is made.
        """
        return Tokens(
            self.model,
            prompt,
            unit=spans,
            removal=self.removal,
            replacement=self._neutral,
            ngrams=self._ngrams,
            draws=self.draws,
            seed=self.seed,
            batch_size=self.batch_size,
        )

    def describe(self) -> dict[str, Any]:
        """How tokens are taken away; everything that can change a number."""
        drawn: dict[str, Any] = {}
        if self._propose is not None:
            drawn = {"draws": self.draws, "seed": self.seed}
        if self._ngrams is not None:
            drawn["ngrams"] = {k: self._ngrams.record[k] for k in ("corpus", "order")}
        return {
            "kind": self.kind,
            "removal": self.removal,
            "replacement": self._neutral,
            **drawn,
            "unit": self.unit,
            "separator": self._separator,
            "prompt": self.prompt,
            "causes": {cause.id: list(cause.members) for cause in self.causes},
            "reuse": self.reuse,
            **about_passes(self.model, self.batch_size),
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
        return mean_draw(self.measure_draws(behaviors, keep, value=value))

    def measure_draws(
        self,
        behaviors: Sequence[Behavior],
        keep: Bool[np.ndarray, "subset cause"],
        *,
        value: ValueOf | None = None,
    ) -> Float[np.ndarray, "behavior subset draw"]:
        """The same for every draw; one where nothing is drawn."""
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
        drawn = self._drawn(stays)

        def rows(behavior: int, subset: int) -> tuple[Row, ...]:
            number, turn = divmod(subset, self.draws)
            if drawn is not None:
                return rows_of(encoded[behavior], drawn[number][turn])
            return rows_of(encoded[behavior], *self._without(stays[number]))

        found = measured(
            self.model,
            len(behaviors),
            np.repeat(keep, self.draws, axis=0),
            rows,
            batch_size=self.batch_size,
            value=value,
            alike=self.reuse,
        )
        return found.reshape(len(behaviors), len(keep), self.draws)

    def _drawn(self, stays: Bool[np.ndarray, "subset token"]) -> list[list[tuple[int, ...]]] | None:
        """The prompts with other tokens drawn into the gaps."""
        if self._propose is None:
            return None
        return draw(self._encoded.ids, stays, self._propose, draws=self.draws, seed=self.seed)

    def _without(
        self, stays: Bool[np.ndarray, " token"]
    ) -> tuple[list[int], list[int] | None, list[int]]:
        """The prompt's tokens after a removal, their positions if those have gaps, the unseen."""
        ids = self._encoded.ids
        if self.removal == "replace":
            assert self._neutral is not None
            return [t if s else self._neutral for t, s in zip(ids, stays, strict=True)], None, []
        left = [int(i) for i in np.flatnonzero(stays)]
        if not left:
            raise InterventionError(
                "removal",
                expected="at least one token to predict from",
                got=f"all {len(ids)} tokens taken away, and a tokenizer without a start token",
                fix='Keep one of them, or choose removal="replace".',
            )
        if self.removal == "mask":
            assert self._neutral is not None
            padded = [t if s else self._neutral for t, s in zip(ids, stays, strict=True)]
            return padded, None, [int(i) for i in np.flatnonzero(~stays)]
        positions = [*left, len(ids)] if self.removal == "drop-keep-positions" else None
        return [ids[i] for i in left], positions, []


def _check(
    removal: str, replacement: str | int | None, ngrams: NgramModel | None, draws: int
) -> None:
    """Complain about settings that do not go together."""
    if removal not in REMOVALS:
        raise InterventionError(
            "removal",
            expected=f"one of {', '.join(REMOVALS)}",
            got=repr(removal),
            fix="Say what becomes of a token that is taken away.",
        )
    if (ngrams is not None) != (removal == "sample-ngrams"):
        raise InterventionError(
            "ngrams",
            expected='an n-gram model together with the removal "sample-ngrams", or neither',
            got=f"{'one' if ngrams is not None else 'none'} with the removal {removal!r}",
            fix="Fit one with whence.corpus.ngram_model(corpus).",
        )
    if replacement is not None and removal not in {"replace", "mask"}:
        raise InterventionError(
            "replacement",
            expected='the removal "replace" or "mask", in which a token stands there',
            got=f"{replacement!r} with the removal {removal!r}",
            fix="Leave one of the two out.",
        )
    if draws < 1:
        raise InterventionError(
            "draws", expected="at least 1", got=str(draws), fix="Leave it out for 4."
        )


def _proposer(
    model: Model, removal: str, ngrams: NgramModel | None, batch_size: int
) -> Propose | None:
    if ngrams is not None:
        return ngram_predictions(model, ngrams)
    return own_predictions(model, batch_size) if removal == "sample" else None


def neutral_token(model: Model, replacement: str | int | None = None) -> int:
    """The token that stands in the place of another.

    Args:
        model: the model.
        replacement: its number or text; None means the tokenizer's mask, unknown, padding or end
            token, whichever it has first.

    Raises:
        InterventionError: that is not one token, or there is none.
    """
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
