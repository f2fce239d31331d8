"""The model's own answer: greedy, token by token.

No cache is kept: a text is read again for each new token. Answers are short, and what is
generated is then exactly what scoring reads.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from whence.core.behavior import Behavior
from whence.core.errors import BehaviorError
from whence.models.encoding import check_context, prompt_as_given
from whence.models.opened import Model

MAX_NEW_TOKENS = 16
"""The longest answer, in tokens, unless told otherwise."""


def greedy(
    model: Model,
    prompt: str,
    max_new_tokens: int = MAX_NEW_TOKENS,
    *,
    stop_at_line_end: bool = False,
) -> str:
    """The most probable token again and again, as text.

    It ends at an end-of-text token, at the end of the context, after `max_new_tokens`, or
    before bytes that are no text.

    Args:
        model: the model.
        prompt: the text to continue, as it is (blanks at its end included).
        max_new_tokens: the most tokens.
        stop_at_line_end: end before the first line break that follows some text.

    Raises:
        BehaviorError: the prompt is empty for this tokenizer, or fills the context.
    """
    return "".join(_pieces(model, prompt, max_new_tokens, stop_at_line_end))


def with_answer(model: Model, behavior: Behavior, max_new_tokens: int = MAX_NEW_TOKENS) -> Behavior:
    """The behavior with the model's own greedy answer as its target, up to the line's end.

    A behavior that has a target comes back as it is.

    Raises:
        BehaviorError: the model answers nothing.
    """
    if behavior.target is not None:
        return behavior
    answer = greedy(model, behavior.prompt, max_new_tokens, stop_at_line_end=True)
    if not answer:
        raise _no_answer(behavior.prompt)
    return replace(behavior, target=answer)


def answers_token_by_token(
    model: Model, prompt: str, max_new_tokens: int = MAX_NEW_TOKENS
) -> list[Behavior]:
    """One behavior for each token of the greedy answer, each behind the ones before it.

    Tokens that hold only a part of a character are put together until it is whole.

    Raises:
        BehaviorError: the model answers nothing.
    """
    behaviors = []
    for piece in _pieces(model, prompt, max_new_tokens, stop_at_line_end=True):
        behaviors.append(Behavior(prompt, target=piece))
        prompt += piece
    if not behaviors:
        raise _no_answer(prompt)
    return behaviors


def _no_answer(prompt: str) -> BehaviorError:
    return BehaviorError(
        "target",
        expected="a model that answers",
        got=f"the end of the text right after {prompt[-40:]!r}",
        fix="Give a target.",
    )


def _pieces(model: Model, prompt: str, max_new_tokens: int, stop_at_line_end: bool) -> list[str]:
    """The answer in pieces of whole characters."""
    start = prompt_as_given(model, prompt)
    check_context(model, len(start) + 1)
    ends = _end_tokens(model)
    before = _text(model, start)
    ids, told, pieces = list(start), "", []
    for _ in range(min(max_new_tokens, model.context - len(start))):
        token = _most_probable(model, ids)
        if token in ends:
            break
        ids.append(token)
        text = _text(model, ids)
        if not text.startswith(before) or text.endswith("\ufffd"):
            continue  # a character that is not whole yet
        piece = text[len(before) + len(told) :]
        if not piece:
            continue
        if "\ufffd" in piece:
            break  # bytes that will never be a character: no text could stand for them
        answer = told + piece
        end = _line_end(answer) if stop_at_line_end else None
        if end is not None:
            if end > len(told):
                pieces.append(answer[len(told) : end])
            break
        told = answer
        pieces.append(piece)
    return pieces


def _line_end(answer: str) -> int | None:
    """Where the first line that holds some text ends, if it does."""
    first = len(answer) - len(answer.lstrip())
    end = answer.find("\n", first)
    return end if end >= 0 and first < len(answer) else None


def _text(model: Model, ids: list[int] | tuple[int, ...]) -> str:
    text = model.tokenizer.decode(
        list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    assert isinstance(text, str)
    return text


def _most_probable(model: Model, ids: list[int]) -> int:
    """The most probable next token that the tokenizer knows; of equal ones the first."""
    tokens = torch.tensor([ids], dtype=torch.long, device=model.device)
    with torch.no_grad():
        logits = model.module(
            input_ids=tokens,
            attention_mask=torch.ones_like(tokens),
            position_ids=torch.arange(len(ids), device=model.device)[None],
            logits_to_keep=1,
            use_cache=False,
        ).logits
    # A padded vocabulary has rows without a token; numpy's argmax takes the first of equals.
    return int(logits[0, -1, : len(model.tokenizer)].float().cpu().numpy().argmax())


def _end_tokens(model: Model) -> set[int]:
    ends: set[int] = set()
    settings = getattr(model.module, "generation_config", None)
    for found in (model.tokenizer.eos_token_id, getattr(settings, "eos_token_id", None)):
        if found is not None:
            ends.update(found if isinstance(found, list | tuple) else [found])
    return ends
