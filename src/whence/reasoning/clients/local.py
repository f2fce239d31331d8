"""A Hugging Face model on this machine as a client.

Each sample of a prompt has a generator of its own, seeded by the request and its place, so
that what is drawn does not depend on which other prompts were asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float

from whence.core import Behavior
from whence.core.seeds import derive
from whence.models import Model, target_log_probabilities
from whence.models.encoding import check_context, prompt_as_given
from whence.reasoning.clients.interface import Completion, Reply, Sampling, request_digest


class LocalModel:
    """A client of an opened model.

    Args:
        model: as `whence.models.open_model` gives it.
    """

    def __init__(self, model: Model) -> None:
        self._opened = model
        ends = model.config.eos_token_id
        self._ends = {model.tokenizer.eos_token_id, *(ends if isinstance(ends, list) else [ends])}

    @property
    def model(self) -> str:
        """The name that it was opened by."""
        return self._opened.name

    def complete(self, prompts: Sequence[str], sampling: Sampling) -> list[Reply]:
        """The completions of each prompt."""
        return [self._complete(prompt, sampling) for prompt in prompts]

    def log_probabilities(
        self, prompts: Sequence[str], continuations: Sequence[str]
    ) -> list[float]:
        """Log-probability of each continuation after its prompt, in nats."""
        return [
            float(target_log_probabilities(self._opened, Behavior(prompt, continuation)).sum())
            for prompt, continuation in zip(prompts, continuations, strict=True)
        ]

    def _complete(self, prompt: str, sampling: Sampling) -> Reply:
        ids = prompt_as_given(self._opened, prompt)
        check_context(self._opened, len(ids) + 1)
        room = min(sampling.max_tokens, self._opened.context - len(ids))
        request = request_digest(self.model, prompt, sampling)
        rows = [_Row(self, sampling, _generator(sampling, request, k)) for k in range(sampling.n)]
        with torch.inference_mode():
            self._fill(rows, ids, room)
        completions = tuple(row.completion() for row in rows)
        return Reply(completions, self.model, len(ids), sum(len(row.ids) for row in rows))

    def _fill(self, rows: list[_Row], ids: tuple[int, ...], room: int) -> None:
        inputs = torch.tensor([ids] * len(rows), device=self._opened.device)
        cache = None
        for _ in range(room):
            output = self._opened.module(input_ids=inputs, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            logits = output.logits[:, -1].float().cpu()
            chosen = [row.take(values) for row, values in zip(rows, logits, strict=True)]
            if all(row.done for row in rows):
                return
            inputs = torch.tensor(chosen, device=self._opened.device)[:, None]

    def text(self, ids: list[int]) -> str:
        """What token ids read as."""
        return str(self._opened.tokenizer.decode(ids, skip_special_tokens=True))

    def is_end(self, token: int) -> bool:
        """Whether a token ends a text."""
        return token in self._ends


def _generator(sampling: Sampling, request: str, place: int) -> torch.Generator:
    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(derive(sampling.seed, request, str(place)))
    return generator


class _Row:
    """One completion as it grows."""

    def __init__(self, client: LocalModel, sampling: Sampling, generator: torch.Generator) -> None:
        self._client, self._sampling, self._generator = client, sampling, generator
        self.ids: list[int] = []
        self.values: list[float] = []
        self.done = False
        self._said = ""

    def take(self, logits: Float[torch.Tensor, " token"]) -> int:
        """Choose the next token; a row that is done goes on with anything."""
        if self.done:
            return self.ids[-1] if self.ids else 0
        log_probabilities = _tempered(logits, self._sampling)
        token = self._choose(log_probabilities)
        self.ids.append(token)
        self.values.append(float(log_probabilities[token]))
        if self._client.is_end(token):
            self.done = True
            return token
        self._said = self._client.text(self.ids)
        self.done = any(stop in self._said for stop in self._sampling.stop)
        return token

    def _choose(self, log_probabilities: Float[torch.Tensor, " token"]) -> int:
        if self._sampling.temperature == 0:
            return int(log_probabilities.argmax())
        weights = log_probabilities.double().exp()
        return int(torch.multinomial(weights, 1, generator=self._generator))

    def completion(self) -> Completion:
        """What was said, cut before the first stop text."""
        cut = min((p for s in self._sampling.stop if (p := self._said.find(s)) >= 0), default=None)
        finish = "stop" if self.done else "length"
        text = self._said[:cut]
        if not self._sampling.log_probabilities:
            return Completion(text, finish)
        tokens = tuple(self._client.text([token]) for token in self.ids)
        return Completion(text, finish, tokens, tuple(self.values))


def _tempered(
    logits: Float[torch.Tensor, " token"], sampling: Sampling
) -> Float[torch.Tensor, " token"]:
    """Log-probabilities under temperature and `top_p`; at temperature 0 the model's own."""
    values = (logits / (sampling.temperature or 1.0)).log_softmax(-1)
    if sampling.top_p == 1 or sampling.temperature == 0:
        return values
    ordered, places = values.sort(descending=True)
    # A token stays when the mass before it is less than top_p; the first always does.
    dropped = places[ordered.exp().cumsum(-1) - ordered.exp() >= sampling.top_p]
    return values.index_fill(0, dropped, float("-inf")).log_softmax(-1)
