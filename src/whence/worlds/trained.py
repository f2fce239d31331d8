"""Small transformers trained on the spot, on tasks whose needed tokens are known.

Where a model written by hand shows whether a method works on a circuit that somebody thought of,
these show it on weights that training found:

    marked    "b g D e a h :"     ->  d     needed: the word in a capital letter
    chosen    "b g D e 4 h ?"     ->  4     needed: the number, and the question, which is "?"
              "b g D e 4 h :"     ->  d     needed: the capital letter, and the question

Words are drawn evenly and independently, so nothing else in a prompt tells the answer. In training
some words are replaced by "_", which the tokenizer calls unknown: a method that puts it in the
place of a word asks about a prompt of a kind that the model knows.

Behaviors are prompts that the model answers rightly, with a foil from the same prompt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from whence.core import Behavior
from whence.core.errors import MethodError
from whence.core.seeds import derive, generator
from whence.worlds.words import word_tokenizer

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

    from whence.models import Model

_LETTERS, _DIGITS = tuple("abcdefgh"), tuple("12345678")
_WORDS = (*_LETTERS, *(letter.upper() for letter in _LETTERS), *_DIGITS, ":", "?", "_")
_NUMBER = {word: i + 1 for i, word in enumerate(_WORDS)}  # the start token is number 0
_HOLES = 0.1
"""Share of the words that are replaced by "_" in training."""

_BATCH, _RATE = 64, 5e-3
_WIDTH, _LAYERS, _HEADS = 64, 2, 4


@dataclass(frozen=True, eq=False, slots=True)
class Trained:
    """A trained model, and what its answers rest on.

    Attributes:
        model: the model.
        behaviors: what it answers rightly, one prompt each.
        tokens: for each prompt the numbers of the tokens that the answer needs.
        accuracy: share of fresh prompts that it answers rightly.
    """

    model: Model
    behaviors: tuple[Behavior, ...]
    tokens: dict[str, frozenset[int]]
    accuracy: float


@dataclass(frozen=True, eq=False, slots=True)
class _Asked:
    """Prompts as tokens, and of each the answer, a foil and the places that are needed."""

    ids: Int[np.ndarray, "prompt place"]
    answer: Int[np.ndarray, " prompt"]
    foil: Int[np.ndarray, " prompt"]
    needed: Int[np.ndarray, "prompt needed"]


def marked(count: int = 16, *, length: int = 8, steps: int = 300, seed: int = 0) -> Trained:
    """A model that says the one word that is written in a capital letter.

    Args:
        count: prompts.
        length: words before the question, 2 to 8.
        steps: of training, each on 64 prompts.
        seed: of weights and prompts.

    Raises:
        MethodError: numbers that cannot be, or a model that has not learned the task.
    """
    _check_length(length)

    def ask(rng: np.random.Generator, n: int) -> _Asked:
        words, at, rows = _words(rng, n, length), rng.integers(length, size=n), np.arange(n)
        ids = np.zeros((n, length + 2), dtype=np.int64)
        ids[:, 1:-1], ids[:, -1] = words, _NUMBER[":"]
        ids[rows, at + 1] += len(_LETTERS)
        return _Asked(ids, words[rows, at], words[rows, (at + 1) % length], at[:, None] + 1)

    return _trained("marked", ask, count, steps, seed)


def chosen(count: int = 16, *, length: int = 8, steps: int = 300, seed: int = 0) -> Trained:
    """A model that says the capital letter or the number, as the question asks.

    Args:
        count: prompts.
        length: words before the question, 2 to 8.
        steps: of training, each on 64 prompts.
        seed: of weights and prompts.

    Raises:
        MethodError: numbers that cannot be, or a model that has not learned the task.
    """
    _check_length(length)

    def ask(rng: np.random.Generator, n: int) -> _Asked:
        words, rows = _words(rng, n, length), np.arange(n)
        capital = rng.integers(length, size=n)
        number = (capital + rng.integers(1, length, size=n)) % length
        letters = words[rows, capital]
        digits = _NUMBER["1"] + rng.integers(len(_DIGITS), size=n)
        first = rng.random(n) < 0.5
        ids = np.zeros((n, length + 2), dtype=np.int64)
        ids[:, 1:-1], ids[:, -1] = words, np.where(first, _NUMBER[":"], _NUMBER["?"])
        ids[rows, capital + 1] += len(_LETTERS)
        ids[rows, number + 1] = digits
        needed = np.stack([np.where(first, capital, number) + 1, np.full(n, length + 1)], axis=1)
        return _Asked(
            ids, np.where(first, letters, digits), np.where(first, digits, letters), needed
        )

    return _trained("chosen", ask, count, steps, seed)


def _check_length(length: int) -> None:
    if not 2 <= length <= len(_LETTERS):
        raise MethodError("length", expected="2 to 8", got=str(length), fix="Try 8.")


def _words(rng: np.random.Generator, n: int, length: int) -> Int[np.ndarray, "prompt word"]:
    """Different letters in each prompt."""
    every = np.tile(np.arange(len(_LETTERS)), (n, 1))
    words: Int[np.ndarray, "prompt word"] = 1 + rng.permuted(every, axis=1)[:, :length]
    return words


def _trained(
    name: str,
    ask: Callable[[np.random.Generator, int], _Asked],
    count: int,
    steps: int,
    seed: int,
) -> Trained:
    from whence.models import open_model  # noqa: PLC0415

    if count < 1 or steps < 1:
        raise MethodError(
            "count, steps",
            expected="at least one prompt and one step",
            got=f"{count} and {steps}",
            fix="Leave them out.",
        )
    module = _fitted(name, ask, steps, seed)
    fresh = ask(generator(seed, name, "fresh"), 512)
    right = _answers(module, fresh) == fresh.answer
    if right.mean() < 0.9 or right.sum() < count:
        raise MethodError(
            name,
            expected="a model that has learned its task",
            got=f"right answers to {right.mean():.0%} of fresh prompts",
            fix="Give it more steps.",
        )
    chosen = np.flatnonzero(right)[:count]
    texts = {int(i): " ".join(_WORDS[t - 1] for t in fresh.ids[i, 1:]) for i in chosen}
    return Trained(
        model=open_model(module, tokenizer=word_tokenizer(_WORDS, unknown="_")),
        behaviors=tuple(
            Behavior(text, f" {_WORDS[fresh.answer[i] - 1]}", f" {_WORDS[fresh.foil[i] - 1]}")
            for i, text in texts.items()
        ),
        tokens={text: frozenset(fresh.needed[i].tolist()) for i, text in texts.items()},
        accuracy=float(right.mean()),
    )


def _fitted(
    name: str, ask: Callable[[np.random.Generator, int], _Asked], steps: int, seed: int
) -> GPT2LMHeadModel:
    """A model trained on fresh prompts in every step."""
    import torch  # noqa: PLC0415
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    rng = generator(seed, name, "training")
    length = ask(rng, 1).ids.shape[1]
    config = GPT2Config(
        vocab_size=len(_WORDS) + 1,
        n_positions=max(8, length + 1),  # the answer counts as seen; opening looks at 8 tokens
        n_embd=_WIDTH,
        n_layer=_LAYERS,
        n_head=_HEADS,
        n_inner=2 * _WIDTH,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, name, "weights"))
        module = GPT2LMHeadModel(config)
    module.set_attn_implementation("eager")
    optimizer = torch.optim.AdamW(module.parameters(), lr=_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for _ in range(steps):
        asked = ask(rng, _BATCH)
        logits = module(torch.from_numpy(_with_holes(asked, rng)), logits_to_keep=1).logits
        loss = torch.nn.functional.cross_entropy(logits[:, -1], torch.from_numpy(asked.answer))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    module.train(False)
    return module


def _with_holes(asked: _Asked, rng: np.random.Generator) -> Int[np.ndarray, "prompt place"]:
    """Some of the words that are not needed, replaced."""
    holes = rng.random(asked.ids.shape) < _HOLES
    holes[:, 0] = False
    np.put_along_axis(holes, asked.needed, False, axis=1)
    return np.where(holes, _NUMBER["_"], asked.ids)


def _answers(module: GPT2LMHeadModel, asked: _Asked) -> Int[np.ndarray, " prompt"]:
    import torch  # noqa: PLC0415

    with torch.no_grad():
        logits = module(torch.from_numpy(asked.ids), logits_to_keep=1).logits[:, -1]
    found: Int[np.ndarray, " prompt"] = logits.argmax(-1).numpy()
    return found
