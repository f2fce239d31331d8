"""Another prompt by swapping words for matched ones: symmetric token replacement.

What stands in the place of an activation should be one that the model could have had. Noise added
to embeddings leads where no text does, and an empty place where nothing is read; another prompt in
which a word is swapped for one of its kind, of as many tokens, leaves everything else as it is and
takes away what the word says. Only tokens of swapped words may change: that is checked, since
tokenizers join words with what stands around them.

Words are given (`swaps`), or drawn from a list of words of one kind, such as names or places
(`words`): every one of them that stands in the prompt becomes another of the list, the same one
wherever it stands.

Reference: Zhang and Nanda, "Towards best practices of activation patching in language models",
2024, secs. 2 and 3 (symmetric token replacement against Gaussian noise).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from whence.core import Behavior
from whence.core.errors import InterventionError
from whence.core.seeds import generator
from whence.models import Model, encode_prompt


def swapped(model: Model, prompt: str, swaps: Mapping[str, str]) -> str:
    """A prompt with words swapped for others of as many tokens.

    Args:
        model: whose tokens are counted.
        prompt: the prompt.
        swaps: each word, and what stands in its place wherever it stands.

    Raises:
        InterventionError: a word is not in the prompt, or a swap changes how many tokens there
            are, or tokens outside of the swapped words.
    """
    missing = [word for word in swaps if not _places(prompt, [word])]
    if missing or not swaps:
        raise InterventionError(
            "swap",
            expected=f"words of the prompt {prompt!r}",
            got=", ".join(missing) or "none",
            fix="Write them as they stand there.",
        )
    other = _pattern(swaps).sub(lambda found: swaps[found[0]], prompt)
    if not _matches(model, prompt, other, swaps):
        ids = [encode_prompt(model, text).ids for text in (prompt, other)]
        raise InterventionError(
            "swap",
            expected=f"words of as many tokens, apart from their neighbours: {len(ids[0])} in all",
            got=f"{len(ids[1])} tokens in {other!r}",
            fix="Choose other words, or give a list from which matching ones are drawn.",
        )
    return other


def drawn_swap(model: Model, prompt: str, words: Sequence[str], *, seed: int = 0) -> str:
    """A prompt in which every word of a list has become another of the list.

    Args:
        model: whose tokens are counted.
        prompt: the prompt.
        words: of one kind.
        seed: of the draw.

    Raises:
        InterventionError: no word of the list is in the prompt, or one has no match there.
    """
    there = [word for word in dict.fromkeys(words) if _places(prompt, [word])]
    spare = [word for word in dict.fromkeys(words) if word not in there]
    rng = generator(seed, "swap", prompt)
    chosen: dict[str, str] = {}
    for word in there:
        left = [other for other in spare if other not in chosen.values()]
        tried = (left[i] for i in rng.permutation(len(left)))
        fits = (o for o in tried if _matches(model, prompt, _one(prompt, word, o), [word]))
        found = next(fits, None)
        if found is None:
            raise _no_match(f"another word for {word!r}, of as many tokens", spare)
        chosen[word] = found
    if not chosen:
        raise _no_match(f"a word that stands in {prompt!r}", words)
    return swapped(model, prompt, chosen)


def other_prompts(
    model: Model,
    behaviors: Sequence[Behavior],
    *,
    swaps: Mapping[str, str] | None = None,
    words: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, str]:
    """Another prompt for each, ready for `other_prompt` of components and edges.

    Args:
        model: whose tokens are counted.
        behaviors: their prompts.
        swaps: words that are swapped; those that a prompt lacks play no part in it.
        words: a list to draw from, where no swaps are given.
        seed: of the draw.

    Raises:
        InterventionError: a prompt has none of the words, or nothing matches.
    """
    prompts = list(dict.fromkeys(behavior.prompt for behavior in behaviors))
    if swaps is None:
        return {prompt: drawn_swap(model, prompt, words, seed=seed) for prompt in prompts}
    found = {}
    for prompt in prompts:
        own = {word: other for word, other in swaps.items() if _places(prompt, [word])}
        found[prompt] = swapped(model, prompt, own or swaps)
    return found


def _matches(model: Model, prompt: str, other: str, words: Iterable[str]) -> bool:
    """Whether as many tokens stand in another prompt, and only those of some words changed."""
    mine, theirs = encode_prompt(model, prompt), encode_prompt(model, other)
    if len(mine.ids) != len(theirs.ids) or mine.ids == theirs.ids:
        return False
    places = _places(prompt, words)
    return all(
        a == b
        or (span is not None and any(span[0] < end and start < span[1] for start, end in places))
        for a, b, span in zip(mine.ids, theirs.ids, mine.spans, strict=True)
    )


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Whole words, the longest first."""
    longest = sorted(words, key=len, reverse=True)
    return re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest)) + r")(?!\w)")


def _places(prompt: str, words: Iterable[str]) -> list[tuple[int, int]]:
    return [found.span() for found in _pattern(words).finditer(prompt)]


def _one(prompt: str, word: str, other: str) -> str:
    return _pattern([word]).sub(lambda _: other, prompt)


def _no_match(expected: str, words: Sequence[str]) -> InterventionError:
    shown = ", ".join(words[:6]) + (", ..." if len(words) > 6 else "")
    return InterventionError(
        "swap",
        expected=expected,
        got=f"a list of {len(words)} ({shown})",
        fix="Add words of the same kind and length to the list.",
    )
