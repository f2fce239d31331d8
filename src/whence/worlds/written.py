"""Transformers whose weights are written by hand, so that the circuit is known exactly.

A GPT-2 of a few heads, opened as any other model. Its stream is cut into subspaces of one
direction a token or position; every head that does something is told by four of them:

    attends from what it reads in `query` to where the same stands in `key`,
    and copies what stands in `value` there to `into`

    induction    L0.H0 copies each token to its successor; L1.H0 looks where the current token
                 was the one before, and says what stood there           "a b ... a"  ->  "b"
    copying      L0.H0 says the token at one position, whatever else the prompt holds
    two hops     as induction, twice: what followed what followed        "a b c ... a"  ->  "c"

`noise` is added to every matrix, so that the other heads and the MLPs do something, little and
useless: a method must tell them from the circuit.

The final norm sees everything: with nothing in the place of edges that do not matter, the stream
is shorter, and the answer surer than in the whole model.

Edges are in the circuit if the behavior needs what they carry. That depends on what is put in
their place: nothing ("zero"), or what another prompt gives ("other"), where edges that carry the
same in both prompts, such as positions, cannot matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from whence.core import Behavior
from whence.core.errors import MethodError
from whence.core.seeds import generator
from whence.worlds.words import word_tokenizer

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel

    from whence.models import Model

_SHARP = 30.0  # of attention: a match is so many times e more likely than none
_SURE = 8.0  # nats, about, between the answer and another token

Subspace = Literal["token", "position", "previous", "hop", "answer"]


@dataclass(frozen=True, slots=True)
class Head:
    """One head that does something.

    Attributes:
        layer: its layer.
        query: what it attends by; None attends to one position, `at`.
        key: where that is looked for.
        into: where what it found, a token, is written.
        at: the position that it attends to: -1 for the one before, with query "position".
    """

    layer: int
    query: Subspace | None
    key: Subspace
    into: Subspace
    at: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Written:
    """A model whose circuit is known.

    Attributes:
        model: the model.
        edges: for each replacement the ids of the edges that the behavior needs.
        heads: the ids of the heads that do something.
        behaviors: what it can do, one prompt each.
        others: for each prompt another of equal length, without what leads to the answer.
        tokens: for each prompt the numbers of the tokens that the answer rests on.
    """

    model: Model
    edges: dict[str, frozenset[str]]
    heads: frozenset[str]
    behaviors: tuple[Behavior, ...]
    others: dict[str, str]
    tokens: dict[str, frozenset[int]]


def induction(count: int = 8, *, noise: float = 0.0, seed: int = 0) -> Written:
    """A model that completes "a b ... a" with "b".

    Args:
        count: prompts.
        noise: standard deviation of what is added to every matrix.
        seed: of prompts and noise.

    Raises:
        MethodError: no prompt, or a negative noise.
    """
    heads = (
        Head(0, "position", "position", "previous", -1),
        Head(1, "token", "previous", "answer"),
    )
    first = {"embedding->L0.V0", "L0.H0->L1.K0", "L1.H0->logits"}
    more = {"embedding->L0.H0.Q", "embedding->L0.K0", "embedding->L1.H0.Q", "embedding->L1.V0"}
    truth = {"other": frozenset(first), "zero": frozenset(first | more)}
    return _written(heads, truth, count, noise, seed, _repeating)


def copying(count: int = 8, *, at: int = 3, noise: float = 0.0, seed: int = 0) -> Written:
    """A model that says the token at position `at`, the start token being position 0.

    Raises:
        MethodError: no prompt, a negative noise, or a position outside of the prompts (1 to 8).
    """
    if not 1 <= at <= 8:
        raise MethodError("at", expected="a position from 1 to 8", got=str(at), fix="Try 3.")
    heads = (Head(0, None, "position", "answer", at),)
    first = {"embedding->L0.V0", "L0.H0->logits"}
    truth = {"other": frozenset(first), "zero": frozenset(first | {"embedding->L0.K0"})}

    def asked(rng: np.random.Generator) -> _Asked:
        words = rng.permutation(12)[:8].tolist()
        spare = next(w for w in range(12) if w not in words)
        other = [*words[: at - 1], spare, *words[at:]]
        return _Asked(words, words[at - 1], spare, other, frozenset({at}))

    return _written(heads, truth, count, noise, seed, asked)


def two_hops(count: int = 8, *, noise: float = 0.0, seed: int = 0) -> Written:
    """A model that completes "a b c ... a" with "c".

    Raises:
        MethodError: no prompt, or a negative noise.
    """
    heads = (
        Head(0, "position", "position", "previous", -1),
        Head(1, "token", "previous", "hop"),
        Head(2, "hop", "previous", "answer"),
    )
    first = {"embedding->L2.V0", "L2.H0->logits"}
    more = {
        "embedding->L0.V0",
        "L0.H0->L2.K0",
        "embedding->L0.H0.Q",
        "embedding->L0.K0",
        "embedding->L1.H0.Q",
        "L0.H0->L1.K0",
        "embedding->L1.V0",
        "L1.H0->L2.H0.Q",
    }
    truth = {"other": frozenset(first), "zero": frozenset(first | more)}
    return _written(heads, truth, count, noise, seed, _chained)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prompt's words by number, its answer and a wrong one, another prompt, what is needed."""

    words: list[int]
    answer: int
    foil: int
    other: list[int]
    tokens: frozenset[int]


def _repeating(rng: np.random.Generator) -> _Asked:
    """Seven different words and the first of two of them again; the other prompt lacks it."""
    words = rng.permutation(12).tolist()
    prompt, spare, foil = words[:7], words[7], words[8]
    at = int(rng.integers(0, 6))
    other = [*prompt[:at], spare, *prompt[at + 1 :], prompt[at]]
    needed = frozenset({at + 1, at + 2, 8})  # the start token is number 0
    return _Asked([*prompt, prompt[at]], prompt[at + 1], foil, other, needed)


def _chained(rng: np.random.Generator) -> _Asked:
    """Three in a row, something around them, and the first of the three again."""
    a, b, c, d, e, f, g, foil = rng.permutation(12)[:8].tolist()
    around = [d, e, f, g]
    cut = int(rng.integers(0, 4))
    words = [*around[:cut], a, b, c, *around[cut:], a]
    other = [*words[: cut + 2], foil, *words[cut + 3 :]]
    # Another word in the place of b would be found, and followed, as well.
    return _Asked(words, c, foil, other, frozenset({cut + 1, cut + 3, len(words)}))


def _written(
    heads: tuple[Head, ...],
    edges: dict[str, frozenset[str]],
    count: int,
    noise: float,
    seed: int,
    ask: object,
) -> Written:
    from whence.models import open_model  # noqa: PLC0415

    if count < 1 or noise < 0 or not callable(ask):
        raise MethodError(
            "count, noise",
            expected="at least one prompt, and noise that is not negative",
            got=f"{count} and {noise}",
            fix="Try 8 and 0.02.",
        )
    rng = generator(seed, "written", "prompts")
    found: dict[str, _Asked] = {}
    while len(found) < count:
        asked = ask(rng)
        found.setdefault(_text(asked.words), asked)
    return Written(
        model=open_model(
            _module(heads, noise, seed), tokenizer=word_tokenizer([_word(i) for i in range(12)])
        ),
        edges=edges,
        heads=frozenset(f"L{head.layer}.H0" for head in heads),
        behaviors=tuple(
            Behavior(text, f" {_word(asked.answer)}", f" {_word(asked.foil)}")
            for text, asked in found.items()
        ),
        others={text: _text(asked.other) for text, asked in found.items()},
        tokens={text: asked.tokens for text, asked in found.items()},
    )


def _word(number: int) -> str:
    return _WORDS[number]


def _text(numbers: list[int]) -> str:
    return " ".join(map(_word, numbers))


_WORDS = tuple("abcdefghijkl")
_TOKENS, _POSITIONS = 13, 12
_SIZES = {"token": _TOKENS, "position": _POSITIONS, "previous": _TOKENS, "hop": _TOKENS}
_SIZES["answer"] = _TOKENS
_STARTS = dict(zip(_SIZES, np.cumsum([0, *_SIZES.values()]).tolist(), strict=False))
_WIDTH, _HEADS = 64, 4
_SIZE = _WIDTH // _HEADS


def _module(heads: tuple[Head, ...], noise: float, seed: int) -> GPT2LMHeadModel:
    """The weights."""
    import torch  # noqa: PLC0415
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415

    config = GPT2Config(
        vocab_size=_TOKENS,
        n_positions=_POSITIONS,
        n_embd=_WIDTH,
        n_layer=1 + max(head.layer for head in heads),
        n_head=_HEADS,
        n_inner=32,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    module = GPT2LMHeadModel(config)
    module.set_attn_implementation("eager")
    draws = torch.Generator().manual_seed(int(generator(seed, "written", "noise").integers(2**31)))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=max(noise, 0.0), generator=draws)
            elif not name.endswith("weight"):
                parameter.zero_()
        base = module.transformer
        for subspace, table in (("token", base.wte.weight), ("position", base.wpe.weight)):
            start, size = _STARTS[subspace], _SIZES[subspace]
            table[:size, start : start + size] += torch.eye(size)
        answer = slice(_STARTS["answer"], _STARTS["answer"] + _TOKENS)
        module.lm_head.weight[:, answer] += _SURE / 4 * torch.eye(_TOKENS)
        for head in heads:
            _write(head, base.h[head.layer].attn)
    return module


def _write(head: Head, attention: object) -> None:
    """One head's matrices: the identity between subspaces, attention sharp."""
    import torch  # noqa: PLC0415

    weight, bias = attention.c_attn.weight, attention.c_attn.bias  # type: ignore[attr-defined]
    out = attention.c_proj.weight  # type: ignore[attr-defined]

    def rows(subspace: str) -> slice:
        return slice(_STARTS[subspace], _STARTS[subspace] + _SIZES[subspace])

    size = _SIZES[head.key]
    # Normalised, a direction of the stream is about 4 long, in query and key alike.
    sharp = (_SHARP * _SIZE**0.5) ** 0.5 / 4
    key = torch.eye(size, _SIZE) * sharp
    weight[rows(head.key), _WIDTH : _WIDTH + _SIZE] += key
    if head.query is None:
        bias[:_SIZE] += 4 * sharp * torch.eye(_SIZE)[head.at]
    elif head.query == "position":
        shifted = torch.diag(torch.ones(size - 1), head.at)
        weight[rows(head.query), :_SIZE] += sharp * (shifted @ torch.eye(size, _SIZE))
    else:
        weight[rows(head.query), :_SIZE] += key
    value = torch.eye(_TOKENS, _SIZE) / 4
    weight[rows("token"), 2 * _WIDTH : 2 * _WIDTH + _SIZE] += value
    out[:_SIZE, rows(head.into)] += torch.eye(_SIZE, _TOKENS)
