"""Choosing among completions: the best of several, the most frequent answer, the best steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from whence.core.seeds import derive
from whence.reasoning.clients import Client, Completion, Sampling
from whence.reasoning.programs import Answer, Vote, majority

STEP = Sampling(max_tokens=64, temperature=1.0)
"""How one step is drawn unless told otherwise."""


def never(text: str) -> bool:
    """A text that is never finished before its last step."""
    del text
    return False


@dataclass(frozen=True)
class Chosen:
    """A text and the score that it was chosen by."""

    text: str
    score: float


def best_of(
    client: Client, prompt: str, score: Callable[[str], float], sampling: Sampling
) -> Chosen:
    """The completion with the highest score of `sampling.n`; the first of equals."""
    said = client.complete([prompt], sampling)[0].completions
    return max((Chosen(c.text, score(c.text)) for c in said), key=lambda chosen: chosen.score)


def self_consistency(
    client: Client, prompt: str, read: Callable[[str], Answer], sampling: Sampling
) -> Vote:
    """The answer that most of `sampling.n` completions give, as `read` finds it in each."""
    said = client.complete([prompt], sampling)[0].completions
    return majority([read(completion.text) for completion in said])


@dataclass(frozen=True)
class BeamSettings:
    """A beam over steps.

    Attributes:
        width: texts that are kept after each step.
        expand: continuations drawn of each.
        steps: most steps.
        separator: what ends a step.
        sampling: of one step; its `n`, `stop` and seed are set by the search.
    """

    width: int = 4
    expand: int = 4
    steps: int = 8
    separator: str = "\n"
    sampling: Sampling = STEP


def beam(
    client: Client,
    prompt: str,
    score: Callable[[str], float],
    settings: BeamSettings,
    done: Callable[[str], bool] = never,
) -> list[Chosen]:
    """The best texts, best first, grown step by step.

    Args:
        client: the model.
        prompt: what the steps follow.
        score: of the steps so far (without the prompt); higher is better.
        settings: of the beam.
        done: whether a text is finished; it keeps its place while it is good enough. A text
            whose next step is empty is finished too.

    Returns:
        At most `width` texts with their scores.
    """
    kept, finished = [Chosen("", score(""))], set[str]()
    for step in range(settings.steps):
        growing = [chosen.text for chosen in kept if chosen.text not in finished]
        if not growing:
            break
        grown = [c for c in kept if c.text in finished]
        sampling = step_sampling(settings.sampling, settings.separator, step)
        for text, said in extend(client, prompt, growing * settings.expand, sampling):
            new = text + with_separator(said, settings.separator)
            if new == text or done(new):
                finished.add(new)
            grown.append(Chosen(new, score(new)))
        best = sorted(dict.fromkeys(grown), key=lambda chosen: -chosen.score)
        kept = best[: settings.width]
    return kept


def step_sampling(sampling: Sampling, separator: str, step: int) -> Sampling:
    """Settings of one step: it ends at the separator, and has draws of its own."""
    seed = None if sampling.seed is None else derive(sampling.seed, "step", step)
    return replace(sampling, stop=(separator,) if separator else (), seed=seed)


def with_separator(said: Completion, separator: str) -> str:
    """The text of a step as it continues the prompt: the separator that ended it put back."""
    return said.text + separator if said.text and said.finish == "stop" else said.text


def extend(
    client: Client, prompt: str, texts: Sequence[str], sampling: Sampling
) -> list[tuple[str, Completion]]:
    """One continuation of each text; equal texts are asked once, for as many draws.

    Equal requests get equal answers, so that asking for them one by one would draw the same
    continuation again and again.
    """
    counts = Counter(texts)
    drawn: dict[str, list[Completion]] = {}
    for count in sorted(set(counts.values())):
        alike = [text for text in counts if counts[text] == count]
        prompts = [prompt + text for text in alike]
        replies = client.complete(prompts, replace(sampling, n=count))
        drawn |= {t: list(r.completions) for t, r in zip(alike, replies, strict=True)}
    return [(text, drawn[text].pop(0)) for text in texts]
