"""What is explained: a model, with the training that made it where that was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whence.core.errors import RunError
from whence.corpus import Corpus, open_corpus
from whence.models import Model, open_model
from whence.training import Run, open_run


@dataclass(frozen=True, eq=False, slots=True)
class Subject:
    """A model and what is known about its training.

    Attributes:
        model: the model whose behavior is explained.
        run: its recorded training, if there is one.
        corpus: the documents, if there are any.
        source: what the user named.
    """

    model: Model
    run: Run | None
    corpus: Corpus | None
    source: str

    def to_json(self) -> dict[str, Any]:
        """Model, run and corpus as an explanation's record names them."""
        model, run, corpus = self.model, self.run, self.corpus
        sites = model.sites.layers
        return {
            "model": {
                "name": model.name,
                "architecture": model.architecture,
                "parameters": model.parameters,
                "digest": model.digest,
                "step": run.steps if run else None,
                "layers": len(sites),
                "heads": max(layer.n_heads for layer in sites),
                "dtype": str(model.dtype).removeprefix("torch."),
                "device": str(model.device),
            },
            "run": None
            if run is None
            else {
                "path": str(run.path),
                "digest": run.digest,
                "steps": run.steps,
                "kind": run.kind,
                "recipe": run.record.get("recipe"),
            },
            "corpus": None
            if corpus is None
            else {
                "path": str(corpus.path),
                "digest": corpus.digest,
                "documents": corpus.n_documents,
                "tokens": corpus.n_tokens,
            },
        }


def open_subject(
    source: Path | str | Run | Model,
    corpus: Path | str | Corpus | None,
    *,
    needs_corpus: bool = True,
) -> Subject:
    """Open a run, or a checkpoint by path or name.

    Args:
        source: a run's folder, a checkpoint's folder, a model's name, or either one opened.
        corpus: the documents, for a checkpoint without a recorded run.
        needs_corpus: whether a run whose corpus is gone is of no use.

    Raises:
        RunError: the run is not finished, or another corpus was named than it was trained on.
        ModelError: there is no such model.
    """
    if isinstance(corpus, str | Path):
        corpus = open_corpus(corpus)
    if isinstance(source, Model):
        return Subject(source, None, corpus, source.name)
    if isinstance(source, Run):
        run = source
    elif (Path(source) / "run.json").is_file():
        run = open_run(Path(source))
    else:
        return Subject(open_model(source), None, corpus, str(source))
    if not run.finished:
        raise RunError(
            str(run.path),
            expected="a finished run",
            got="one that stopped on its way",
            fix="Give the same `whence train` command again: it goes on where it stopped.",
        )
    if run.corpus_digest is None:  # recorded from somebody's own loop, without documents
        return Subject(run.model(), run, corpus, str(run.path))
    if corpus is not None and corpus.digest != run.corpus_digest:
        raise RunError(
            str(corpus.path),
            expected=f"the corpus that {run.path} was trained on ({str(run.corpus_digest)[:19]})",
            got=f"another one ({corpus.digest[:19]})",
            fix="Leave --corpus out: a run knows its own.",
        )
    if corpus is None and not needs_corpus and not Path(run.record["corpus"]["path"]).exists():
        return Subject(run.model(), run, None, str(run.path))
    # A run opens its corpus again where it was last seen.
    found = run.corpus() if corpus is None else run.corpus(corpus.path)
    return Subject(run.model(), run, found, str(run.path))
