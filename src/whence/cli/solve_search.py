"""`whence solve search`, `choices` and `rule`: search and sampling over what a model says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from whence.cli.solve_model import AsJson, Journal, MaxTokens, Model, Seed, Temperature, open_asked
from whence.core.errors import ProblemError

if TYPE_CHECKING:
    from whence.reasoning.clients import Client, Sampling
    from whence.reasoning.sandbox import Sandbox

Option = typer.Option
_LAST_NUMBER = r"(-?\d[\d,]*(?:\.\d+)?)(?!.*\d)"


@dataclass(frozen=True)
class _Asked:
    """What every search gets: the options of the command, and what they opened."""

    client: Client
    prompt: str
    sampling: Sampling
    sandbox: Sandbox | None
    score: Path | None
    answer: str
    steps: int
    width: int
    separator: str
    alpha: float
    seed: int

    def scored(self) -> Callable[[str], float]:
        """The score program as a function.

        Raises:
            ProblemError: there is none.
        """
        from whence.reasoning.search.scored import program_score

        if self.score is None or self.sandbox is None:
            raise ProblemError(
                "--score",
                expected="a Python file that defines score(text)",
                got="none",
                fix="Write one; it runs in the sandbox.",
            )
        return program_score(self.sandbox, _read(self.score))


def search(
    prompt: Annotated[str, typer.Argument(help="What the model goes on from; @FILE reads one.")],
    model: Model,
    by: Annotated[str, Option(help="best, vote, beam, particles or power.")] = "best",
    score: Annotated[
        Path | None,
        Option(help="best, beam, particles: Python with score(text), run contained."),
    ] = None,
    answer: Annotated[
        str, Option(help="vote: the answer in a completion, a pattern with one group.")
    ] = _LAST_NUMBER,
    samples: Annotated[
        int, Option(min=1, help="Completions; kept texts of a beam; particles.")
    ] = 16,
    steps: Annotated[int, Option(min=1, help="beam, particles: of a text; power: proposals.")] = 8,
    separator: Annotated[str, Option(help="What ends a step; empty for --max-tokens.")] = "\\n",
    alpha: Annotated[float, Option(help="power: texts are drawn from p(x)^alpha.")] = 4.0,
    max_tokens: MaxTokens = 64,
    temperature: Temperature = 1.0,
    seed: Seed = 0,
    journal: Journal = None,
    as_json: AsJson = False,
) -> None:
    """Search over completions of a prompt, or over their steps, or sample the better ones."""
    from contextlib import nullcontext

    from whence.cli.output import say
    from whence.reasoning.clients import Sampling
    from whence.reasoning.sandbox import Limits, Sandbox

    if by not in _SEARCHES:
        raise ProblemError("--by", expected=", ".join(_SEARCHES), got=repr(by), fix="Choose one.")
    sampling = Sampling(max_tokens, temperature, seed=seed)
    client, text = open_asked(model, journal), _text(prompt)
    separator = separator.replace("\\n", "\n")
    with Sandbox(limits=Limits(cpu=5)) if score else nullcontext() as sandbox:
        asked = _Asked(
            client, text, sampling, sandbox, score, answer, steps, samples, separator, alpha, seed
        )
        record = _SEARCHES[by](asked)
    say({"by": by} | record, as_json)


def _best(asked: _Asked) -> dict[str, Any]:
    from dataclasses import replace

    from whence.reasoning.search import best_of

    sampling = replace(asked.sampling, n=asked.width)
    found = best_of(asked.client, asked.prompt, asked.scored(), sampling)
    return {"text": found.text, "score": found.score}


def _vote(asked: _Asked) -> dict[str, Any]:
    import re
    from dataclasses import replace

    from whence.reasoning.search import self_consistency

    try:
        pattern = re.compile(asked.answer, re.DOTALL)
    except re.error as error:
        raise ProblemError(
            "--answer", expected="a regular expression", got=str(error), fix="Mend it."
        ) from error

    def read(text: str) -> str | None:
        found = pattern.search(text)
        return found[1 if pattern.groups else 0] if found else None

    sampling = replace(asked.sampling, n=asked.width)
    vote = self_consistency(asked.client, asked.prompt, read, sampling)
    return {"answer": vote.answer, "votes": vote.votes, "cast": vote.cast}


def _beam(asked: _Asked) -> dict[str, Any]:
    from whence.reasoning.search import BeamSettings, beam

    settings = BeamSettings(asked.width, asked.width, asked.steps, asked.separator, asked.sampling)
    found = beam(asked.client, asked.prompt, asked.scored(), settings)
    return {"text": found[0].text, "score": found[0].score, "kept": [c.text for c in found]}


def _particles(asked: _Asked) -> dict[str, Any]:
    from whence.reasoning.search import ParticleSettings, particle_filter

    settings = ParticleSettings(
        asked.width, asked.steps, asked.separator, asked.sampling, seed=asked.seed
    )
    found = particle_filter(asked.client, asked.prompt, asked.scored(), settings)
    return {
        "text": found.best(),
        "log_evidence": found.log_evidence if found.log_evidence > -float("inf") else None,
        "texts": list(found.texts),
        "weights": found.weights.tolist(),
    }


def _power(asked: _Asked) -> dict[str, Any]:
    from whence.reasoning.search import power_sample

    found = power_sample(asked.client, asked.prompt, asked.alpha, asked.steps, asked.sampling)
    return {
        "text": found.text,
        "log_probability": found.log_probabilities[-1],
        "accepted": found.accepted,
    }


_SEARCHES: dict[str, Callable[[_Asked], dict[str, Any]]] = {
    "best": _best,
    "vote": _vote,
    "beam": _beam,
    "particles": _particles,
    "power": _power,
}


def choices(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.json", help="`prompts`, `choices`, maybe `weights`.")
    ],
    model: Model,
    product: Annotated[
        bool, Option("--product", help="A choice has to fit all prompts, not any.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """ThinkSum: choose by the probabilities of phrases after many prompts."""
    import numpy as np

    from whence.cli.output import print_json, print_table
    from whence.core.errors import ClientError
    from whence.reasoning.clients import Scorer, open_client
    from whence.reasoning.search import think_sum

    record = _json(file)
    if not _is_choice(record):
        form = 'an object with "prompts" and "choices", lists of texts, and maybe "weights"'
        raise _form(file, form, str(record)[:60])
    client = open_client(model)
    if not isinstance(client, Scorer):
        raise ClientError(
            model,
            expected="a model that tells how probable a given text is",
            got=type(client).__name__,
            fix="Name a local model.",
        )
    how: Literal["product", "mixture"] = "product" if product else "mixture"
    found = np.exp(
        think_sum(client, record["prompts"], record["choices"], how, record.get("weights"))
    )
    told = dict(zip(record["choices"], found.tolist(), strict=True))
    best = max(told, key=told.__getitem__)
    if as_json:
        print_json({"best": best, "how": how, "probabilities": told})
        return
    ordered = sorted(told.items(), key=lambda pair: -pair[1])
    print_table(["choice", "probability"], [[text, f"{p:.4f}"] for text, p in ordered])


def _is_choice(record: Any) -> bool:
    if not isinstance(record, dict):
        return False
    texts = [record.get(name) for name in ("prompts", "choices")]
    weights = record.get("weights") or []
    return all(
        isinstance(each, list) and all(isinstance(text, str) for text in each) for each in texts
    ) and all(isinstance(weight, int | float) for weight in weights)


def rule(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.json", help="A list of pairs: an input and its output.")
    ],
    model: Model,
    rounds: Annotated[int, Option(min=1, help="Of proposing and refining, at most.")] = 3,
    samples: Annotated[int, Option(min=1, help="Rules proposed a round.")] = 4,
    temperature: Temperature = 0.7,
    max_tokens: MaxTokens = 256,
    seed: Seed = 0,
    journal: Journal = None,
    as_json: AsJson = False,
) -> None:
    """Find the rule behind examples: programs of a model, run contained and refined."""
    from whence.cli.output import say
    from whence.reasoning.clients import Sampling
    from whence.reasoning.sandbox import Limits, Sandbox
    from whence.reasoning.search import Example, find_rule

    record = _json(file)
    pairs = record if isinstance(record, list) else []
    if not pairs or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise _form(file, "a list of [input, output] pairs", str(record)[:60])
    examples = [Example(given, wanted) for given, wanted in pairs]
    client = open_asked(model, journal)
    sampling = Sampling(max_tokens, temperature, n=samples, seed=seed)
    with Sandbox(limits=Limits(cpu=5)) as sandbox:
        found = find_rule(client, sandbox, examples, sampling, rounds)
    if found is None:
        say({"program": None, "right": 0, "of": len(examples)}, as_json)
        return
    told = {"right": found.right, "of": len(examples), "round": found.round, "fault": found.fault}
    if as_json:
        say(told | {"program": found.program}, as_json)
        return
    typer.echo(found.program)
    say(told, as_json)


def _text(prompt: str) -> str:
    return _read(Path(prompt[1:])) if prompt.startswith("@") else prompt


def _json(path: Path) -> Any:
    try:
        return json.loads(_read(path))
    except ValueError as error:
        raise _form(path, "JSON", str(error)) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _form(path, "a text file", str(error)) from error


def _form(path: Path, expected: str, got: str) -> ProblemError:
    return ProblemError(str(path), expected=expected, got=got, fix="Name a file of that form.")
