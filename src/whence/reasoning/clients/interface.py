"""What every language model looks like from here: prompts in, completions out.

A client is anything with a `model` and a `complete`. Sampling settings say everything that
may change an answer, so that the digest of a request identifies it (`request_digest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

from whence.core.errors import ClientError
from whence.core.records import digest


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    Attributes:
        max_tokens: longest completion, in tokens.
        temperature: 0 for the most probable token each time.
        top_p: smallest probability mass that is drawn from.
        n: completions a prompt.
        stop: texts before which a completion ends.
        seed: of the draws, where the model has one; None lets it choose.
        log_probabilities: whether each token's natural log-probability is wanted.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    stop: tuple[str, ...] = ()
    seed: int | None = 0
    log_probabilities: bool = False

    def __post_init__(self) -> None:
        faults = {
            "max_tokens": self.max_tokens < 1,
            "temperature": self.temperature < 0,
            "top_p": not 0 < self.top_p <= 1,
            "n": self.n < 1,
            "stop": "" in self.stop,
        }
        for name, wrong in faults.items():
            if wrong:
                raise ClientError(
                    f"Sampling.{name}",
                    expected="a possible setting",
                    got=repr(getattr(self, name)),
                    fix="See the attributes of Sampling.",
                )


@dataclass(frozen=True)
class Completion:
    """One continuation of a prompt.

    Attributes:
        text: what was said, without the stop text.
        finish: "stop" when it ended by itself, "length" when it was cut.
        tokens: the texts of its tokens, where the model tells.
        log_probabilities: one a token, natural logarithms, where the model tells: under the
            temperature and `top_p` of a local model, and as a server has them.
    """

    text: str
    finish: str = "stop"
    tokens: tuple[str, ...] = ()
    log_probabilities: tuple[float, ...] = ()

    @property
    def log_probability(self) -> float:
        """Of the whole completion, in nats.

        Raises:
            ClientError: the model did not tell.
        """
        if not self.log_probabilities:
            raise ClientError(
                "completion",
                expected="log-probabilities",
                got="none",
                fix="Ask for them (Sampling.log_probabilities), of a client that has them.",
            )
        return sum(self.log_probabilities)


@dataclass(frozen=True)
class Reply:
    """The completions of one prompt.

    Attributes:
        completions: as many as were asked for.
        model: the name that the model gives itself.
        prompt_tokens, completion_tokens: as the model counts them; None when it does not.
        cost: in the currency of the client's prices; None without prices.
    """

    completions: tuple[Completion, ...]
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None


@runtime_checkable
class Client(Protocol):
    """A language model that can be asked."""

    @property
    def model(self) -> str:
        """Its name, as requests are told apart by it."""

    def complete(self, prompts: Sequence[str], sampling: Sampling) -> list[Reply]:
        """The completions of each prompt, in their order."""


@runtime_checkable
class Scorer(Protocol):
    """A language model that says how probable given texts are."""

    def log_probabilities(
        self, prompts: Sequence[str], continuations: Sequence[str]
    ) -> list[float]:
        """Log-probability of each continuation after its prompt, in nats."""


def request_record(model: str, prompt: str, sampling: Sampling) -> dict[str, Any]:
    """Everything that a request consists of, as JSON."""
    settings = asdict(sampling) | {"stop": list(sampling.stop)}
    return {"model": model, "prompt": prompt, "sampling": settings}


def request_digest(model: str, prompt: str, sampling: Sampling) -> str:
    """The identity of a request: equal ones have equal digests."""
    return digest(request_record(model, prompt, sampling))


def reply_record(reply: Reply) -> dict[str, Any]:
    """A reply as JSON."""
    return asdict(reply)


def read_reply(record: dict[str, Any]) -> Reply:
    """A reply from its JSON.

    Raises:
        KeyError, TypeError: it is not one.
    """
    completions = tuple(
        Completion(
            str(c["text"]),
            str(c["finish"]),
            tuple(c["tokens"]),
            tuple(c["log_probabilities"]),
        )
        for c in record["completions"]
    )
    rest = {k: record[k] for k in ("model", "prompt_tokens", "completion_tokens", "cost")}
    return Reply(completions, **rest)
