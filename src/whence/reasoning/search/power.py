"""Draws from p(x)^alpha: what a model finds likely, more so.

A Markov chain over whole completions: cut the present one at a random token, let the model
write the rest anew, and accept with probability

    min(1, (p(new rest) / p(old rest))^(alpha - 1) * length / new length)

since the rest was drawn from p itself and the cut from as many places as there are tokens.
Low temperature sharpens each token by itself; this sharpens the text as a whole.

References:
    Metropolis et al. 1953; Hastings 1970. For language models: Karan and Du 2025,
    "Reasoning with Sampling" (arXiv:2510.14901).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from whence.core.errors import ClientError
from whence.core.seeds import derive, generator
from whence.reasoning.clients import Client, Completion, Sampling


@dataclass(frozen=True)
class PowerSample:
    """A chain.

    Attributes:
        texts: the completion after each step.
        log_probabilities: of each under the model, nats.
        accepted: share of the proposals that were taken.
    """

    texts: tuple[str, ...]
    log_probabilities: tuple[float, ...]
    accepted: float

    @property
    def text(self) -> str:
        """The last completion: the draw."""
        return self.texts[-1]


def power_sample(
    client: Client, prompt: str, alpha: float, steps: int, sampling: Sampling
) -> PowerSample:
    """Run a chain whose completions come to follow p(x)^alpha.

    Args:
        client: a model that tells the log-probabilities of tokens.
        prompt: what the completions follow. Cut texts are given back to the model as text,
            so its tokenizer has to read them as the tokens that they were.
        alpha: the power, above 0; 1 leaves the model as it is.
        steps: proposals.
        sampling: `max_tokens` bounds a completion; temperature and `top_p` must be 1, since
            the proposals have to come from p.

    Raises:
        ClientError: the settings do not fit, or the model tells no log-probabilities.
    """
    if sampling.temperature != 1 or sampling.top_p != 1 or not alpha > 0:
        raise ClientError(
            "power_sample",
            expected="temperature 1, top_p 1 and a power above 0",
            got=f"{sampling.temperature}, {sampling.top_p} and {alpha}",
            fix="The power does the sharpening.",
        )
    random = generator(sampling.seed or 0, "power")
    present = _draw(client, prompt, sampling, sampling.max_tokens, 0)
    texts, values, accepted = [], [], 0
    for step in range(1, steps + 1):
        length = len(present.tokens)
        cut = int(random.integers(length))
        start = "".join(present.tokens[:cut])
        rest = _draw(client, prompt + start, sampling, sampling.max_tokens - cut, step)
        old = sum(present.log_probabilities[cut:])
        log_ratio = (alpha - 1) * (rest.log_probability - old)
        log_ratio += math.log(length / (cut + len(rest.tokens)))
        if math.log(1 - random.random()) <= log_ratio:
            accepted += 1
            present = Completion(
                start + rest.text,
                rest.finish,
                present.tokens[:cut] + rest.tokens,
                present.log_probabilities[:cut] + rest.log_probabilities,
            )
        texts.append(present.text)
        values.append(present.log_probability)
    return PowerSample(tuple(texts), tuple(values), accepted / steps)


def _draw(client: Client, prompt: str, sampling: Sampling, longest: int, step: int) -> Completion:
    seed = derive(sampling.seed or 0, "power", step)
    settings = replace(sampling, max_tokens=longest, n=1, seed=seed, log_probabilities=True)
    completion = client.complete([prompt], settings)[0].completions[0]
    if not completion.tokens:
        raise ClientError(
            client.model,
            expected="log-probabilities of tokens",
            got="none",
            fix="Power sampling needs a model that tells them, such as a local one.",
        )
    return completion
