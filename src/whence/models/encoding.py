"""A behavior as tokens: where the prompt ends and the target begins.

Tokenizers do not respect the border between a prompt and its continuation. Three rules
keep a token from lying across it, and make the prompt's tokens depend on the prompt alone:

1. The prompt is encoded as the tokenizer itself does, special tokens included, without an
   end-of-text token if it adds one.
2. Blanks at the end of the prompt go to the target, since most vocabularies have " London"
   and not "London"; their probability is then part of the target's. So "born in" + " London"
   and "born in " + "London" are the same behavior.
3. Prompt and target are encoded together. When that begins with the prompt's own tokens, the
   rest is the target. Otherwise a token lies across the border, and the target is encoded as a
   continuation: alone, or behind a short anchor that is cut off again (a tokenizer of the
   SentencePiece kind puts a blank before whatever comes first). The first way that decodes
   to the same text is taken.

Tokens inside the target may still differ from those the model would choose; a probability
of a text is that of its usual tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from transformers import PreTrainedTokenizerBase

from whence.core.behavior import Behavior
from whence.core.errors import BehaviorError, TokenizerError

if TYPE_CHECKING:
    from whence.models.opened import Model

_ANCHORS = ("\n", ".", "a", "1")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class EncodedBehavior:
    """A behavior as tokens.

    Attributes:
        prompt: the text of the prompt's tokens: the prompt without blanks at its end.
        target: the text of the target's tokens, blanks from the prompt's end included.
        foil: the same for the foil.
        prompt_ids: tokens of the prompt, special ones included.
        target_ids: tokens of the target.
        foil_ids: tokens of the foil.
        prompt_spans: characters [start, end) of the prompt that each of its tokens covers,
            wholly or in part; None for special tokens.
        is_special: whether the tokenizer put this token there by itself.
    """

    prompt: str
    target: str
    foil: str | None
    prompt_ids: tuple[int, ...]
    target_ids: tuple[int, ...]
    foil_ids: tuple[int, ...] | None
    prompt_spans: tuple[Span | None, ...]
    is_special: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as tokens.

    Attributes:
        text: the prompt without blanks at its end.
        blanks: those blanks.
        ids: its tokens, special ones included.
        spans: characters [start, end) of each token; None for special tokens.
        is_special: whether the tokenizer put this token there by itself.
    """

    text: str
    blanks: str
    ids: tuple[int, ...]
    spans: tuple[Span | None, ...]
    is_special: tuple[bool, ...]


def encode_prompt(model: Model | PreTrainedTokenizerBase, prompt: str) -> EncodedPrompt:
    """Encode a prompt, blanks at its end left out.

    Raises:
        BehaviorError: nothing would be left to predict from: the prompt is empty or blank, and
            the tokenizer has no token to start a text with.
        TokenizerError: the tokenizer cannot say which characters a token covers.
    """
    tokenizer = _tokenizer(model)
    text = prompt.rstrip()
    ids, spans, special = _encode(tokenizer, text)
    if not ids:
        raise BehaviorError(
            "prompt",
            expected="at least one token to predict from",
            got=f"{prompt!r}, and a tokenizer without a start token",
            fix="Give a prompt that begins with some text.",
        )
    return EncodedPrompt(text, prompt[len(text) :], ids, _tiled(text, spans, special), special)


def encode(model: Model | PreTrainedTokenizerBase, behavior: Behavior) -> EncodedBehavior:
    """Encode a behavior, by the three rules above.

    Args:
        model: an opened model, or a tokenizer alone (then no length is checked).
        behavior: one with a target.

    Raises:
        BehaviorError: there is no target; nothing to predict from; a continuation cannot be
            spelled after this prompt; prompt and target are longer than the model's context.
        TokenizerError: the tokenizer cannot say which characters a token covers.
    """
    if behavior.target is None:
        raise BehaviorError(
            "target",
            expected="a text whose probability is asked",
            got="no target",
            fix="Give a target, or let the model fill in its own answer (with_answer).",
        )
    tokenizer = _tokenizer(model)
    prompt = encode_prompt(tokenizer, behavior.prompt)
    target = prompt.blanks + behavior.target
    foil = None if behavior.foil is None else prompt.blanks + behavior.foil
    encoded = EncodedBehavior(
        prompt=prompt.text,
        target=target,
        foil=foil,
        prompt_ids=prompt.ids,
        target_ids=_continuation(tokenizer, prompt, target, "target"),
        foil_ids=None if foil is None else _continuation(tokenizer, prompt, foil, "foil"),
        prompt_spans=prompt.spans,
        is_special=prompt.is_special,
    )
    if not isinstance(model, PreTrainedTokenizerBase):
        longest = max(len(encoded.target_ids), len(encoded.foil_ids or ()))
        check_context(model, len(encoded.prompt_ids) + longest)
    return encoded


def prompt_as_given(model: Model, prompt: str) -> tuple[int, ...]:
    """The tokens of a prompt with the blanks at its end, for generation.

    Raises:
        BehaviorError: there are none.
    """
    ids, _, _ = _encode(_tokenizer(model), prompt)
    return ids or encode_prompt(model, prompt).ids


def check_context(model: Model, length: int) -> None:
    """Complain when a text is longer than a model can see.

    Raises:
        BehaviorError: it is.
    """
    if length > model.context:
        raise BehaviorError(
            "prompt",
            expected=f"at most {model.context} tokens with its target (the context of "
            f"{model.name})",
            got=f"{length} tokens",
            fix="Shorten the prompt.",
        )


def _tokenizer(model: Model | PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    tokenizer = model if isinstance(model, PreTrainedTokenizerBase) else model.tokenizer
    if not tokenizer.is_fast:
        raise TokenizerError(
            type(tokenizer).__name__,
            expected="a tokenizer of the `tokenizers` library, which knows its tokens' characters",
            got="one written in Python",
            fix="Convert it, or train a byte tokenizer instead.",
        )
    return tokenizer


Encoded = tuple[tuple[int, ...], tuple[Span, ...], tuple[bool, ...]]


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> Encoded:
    """Tokens, their characters, and which of them are special; special ones at the end cut off."""
    found: Any = tokenizer(
        text,
        add_special_tokens=True,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        verbose=False,
    )
    special = [bool(x) for x in found["special_tokens_mask"]]
    end = len(special)
    # A start token is special and may be all there is; an end token follows something.
    starts = next((i for i, x in enumerate(special) if not x), None)
    if starts is None:
        end = _leading(tokenizer, end)
    else:
        while special[end - 1]:
            end -= 1
    spans = tuple((int(a), int(b)) for a, b in found["offset_mapping"][:end])
    return tuple(found["input_ids"][:end]), spans, tuple(special[:end])


def _leading(tokenizer: PreTrainedTokenizerBase, total: int) -> int:
    """How many special tokens the tokenizer puts before a text (of `total` around an empty one)."""
    if total == 0:
        return 0
    for probe in ("a", "1", "."):
        mask = tokenizer(probe, return_special_tokens_mask=True)["special_tokens_mask"]
        if 0 in mask:
            return int(mask.index(0))
    return total


def _continuation(
    tokenizer: PreTrainedTokenizerBase, prompt: EncodedPrompt, text: str, what: str
) -> tuple[int, ...]:
    """The tokens of a text that follows a prompt; all of its letters must be known ones."""
    ids = _behind(tokenizer, prompt, text, what)
    unknown = tokenizer.unk_token_id
    if unknown in ids and str(tokenizer.unk_token) not in text:
        raise BehaviorError(
            what,
            expected="a text that the tokenizer has tokens for",
            got=f"{text!r}, of which a part is unknown to it",
            fix=f"Choose a {what} in letters that the model knows.",
        )
    return ids


def _behind(
    tokenizer: PreTrainedTokenizerBase, prompt: EncodedPrompt, text: str, what: str
) -> tuple[int, ...]:
    """The tokens of a text behind a prompt, by the third rule."""
    joint, _, _ = _encode(tokenizer, prompt.text + text)
    n = len(prompt.ids)
    if joint[:n] == prompt.ids and len(joint) > n:
        return joint[n:]
    wanted = _decode(tokenizer, joint)
    for ids in _spellings(tokenizer, text):
        if ids and _decode(tokenizer, prompt.ids + ids) == wanted:
            return ids
    raise BehaviorError(
        what,
        expected="a text that this tokenizer can spell behind the prompt",
        got=f"{text!r} after {prompt.text[-20:]!r}",
        fix=f"Move the border between prompt and {what} to a place between two words.",
    )


def _spellings(tokenizer: PreTrainedTokenizerBase, text: str) -> list[tuple[int, ...]]:
    """Ways to encode a text that does not stand at the beginning."""

    def plain(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    found = [plain(text)]
    for anchor in _ANCHORS:
        head, whole = plain(anchor), plain(anchor + text)
        if whole[: len(head)] == head:
            found.append(whole[len(head) :])
    return found


def _decode(tokenizer: PreTrainedTokenizerBase, ids: tuple[int, ...]) -> str:
    text = tokenizer.decode(
        list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    assert isinstance(text, str)
    return text


def _tiled(
    text: str, spans: tuple[Span, ...], special: tuple[bool, ...]
) -> tuple[Span | None, ...]:
    """Give blanks that a tokenizer leaves out of its offsets to the token behind them."""
    tiled: list[Span | None] = []
    end = 0
    for (start, stop), is_special in zip(spans, special, strict=True):
        if is_special:
            tiled.append(None)
            continue
        tiled.append((min(start, end) if text[end:start].isspace() else start, stop))
        end = max(end, stop)
    return tuple(tiled)
