"""A bank of retrained models: one run, trained again on many random subsets of its documents.

Retraining is the one exact answer to "what would the model do without these documents", and
the dearest. A bank keeps every answer, so that each is paid for once and serves everything
that wants one: regressions on subsets, Shapley values, the judge, memorisation.

BANK/
    bank.json        which run, how subsets were drawn, what a cause is
    subsets.npy      boolean "subset cause": row s is the s-th subset, False what it went without
    behaviors/       KEY.json: the behaviors that were ever measured
    measured/        SUBSET.json: the replay of a subset, and the value of each behavior, nats
    likelihoods/     SUBSET/: log-likelihood of every document of the corpus, nats

The models themselves lie where the run keeps all its replays (RUN/replays), under a key of
their weights, and are never made twice. Whatever is killed goes on where it stopped: a
retraining at its last state, a bank at its last finished subset. A bank that is asked for more
subsets keeps those it has: subset s depends on the seed and on s alone.

A bank is itself an intervention. Whatever perturbs documents can be given a bank in place of
`Documents`: subsets that were measured before are looked up, and new ones are trained and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from whence.core import Behavior, Cause, Kind
from whence.core.arrays import save_array
from whence.core.errors import DamagedError, RunError
from whence.core.locks import hold
from whence.core.progress import progress
from whence.core.records import (
    building,
    check_sizes,
    digest,
    digest_file,
    read_json,
    write_json,
    writing,
)
from whence.interventions.documents import Documents
from whence.interventions.interface import check_keep
from whence.interventions.subsets import random_subsets
from whence.models import values as model_values
from whence.training import Replay, Run, document_likelihoods, open_run

RECORD, SUBSETS = "bank.json", "subsets.npy"
BEHAVIORS, MEASURED, LIKELIHOODS = "behaviors", "measured", "likelihoods"
VERSION = 1

Keep = Bool[np.ndarray, "subset cause"]


@dataclass(frozen=True, eq=False, slots=True)
class Bank:
    """A run trained again on random subsets; an intervention with a memory.

    Attributes:
        path: its folder.
        record: `bank.json`.
        documents: takes documents away; its causes are the bank's.
        keep: the random subsets that the bank is about.
    """

    path: Path
    record: dict[str, Any]
    documents: Documents
    keep: Keep

    @property
    def kind(self) -> Kind:
        """Documents."""
        return self.documents.kind

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What can be taken away; the columns of `keep`."""
        return self.documents.causes

    @property
    def scope(self) -> str:
        """What a measured effect holds for."""
        return self.documents.scope

    @property
    def cheap(self) -> bool:
        """A new removal is a training run."""
        return False

    @property
    def run(self) -> Run:
        """The recorded training."""
        return self.documents.run

    def describe(self) -> dict[str, Any]:
        """How documents are taken away; everything that can change a number."""
        return self.documents.describe()

    def behaviors(self) -> tuple[Behavior, ...]:
        """Every behavior that was ever measured here."""
        found = [read_json(path) for path in sorted((self.path / BEHAVIORS).glob("*.json"))]
        in_order = sorted(found, key=lambda record: record["number"])
        return tuple(Behavior.from_json(record["behavior"]) for record in in_order)

    def measure(
        self, behaviors: Sequence[Behavior], keep: Keep
    ) -> Float[np.ndarray, "behavior subset"]:
        """Values of behaviors after training without what `keep` marks False, nats.

        What was measured before is looked up; what was not is trained, measured and kept.

        Raises:
            InterventionError: `keep` has another shape, or removes documents that were in no
                step of the run.
            BusyError: another process writes to this bank.
        """
        check_keep(keep, self.causes)
        names = [key(behavior.to_json()) for behavior in behaviors]
        known = {mask_key(row): self._known(mask_key(row)) for row in keep if not row.all()}
        missing = {
            mask_key(row): row
            for row in keep
            if not row.all() and not set(names) <= known[mask_key(row)].keys()
        }
        if missing:
            with hold(self.path):
                self._remember(behaviors, names)
                known |= self._measured(behaviors, names, missing)
        own = None
        found = np.empty((len(behaviors), len(keep)))
        for column, row in zip(found.T, keep, strict=True):
            if row.all():
                own = model_values(self.run.model(), behaviors) if own is None else own
                column[:] = own
            else:
                column[:] = [known[mask_key(row)][name] for name in names]
        return found

    def likelihoods(self) -> Float[np.ndarray, "subset document"]:
        """Log-likelihood (nats) of every document of the corpus under every subset's model.

        Raises:
            BusyError: another process writes to this bank.
        """
        with hold(self.path):
            pairs = zip(map(mask_key, self.keep), self._replays(self.keep), strict=True)
            return np.stack([self._likelihoods(mask, replay) for mask, replay in pairs])

    @property
    def kept_documents(self) -> Bool[np.ndarray, "subset document"]:
        """Which documents of the corpus each subset was trained on; causes may be groups."""
        kept: Bool[np.ndarray, "subset document"]
        kept = np.stack([self.documents.weights(row) for row in self.keep]) > 0
        return kept

    def train(self) -> None:
        """Make every retraining of the bank that is not there yet."""
        self._replays(self.keep)

    def _replays(self, keep: Keep) -> list[Replay]:
        weights = [self.documents.weights(row) for row in keep]
        self.documents.check_touched(weights)
        return self.documents.replays(weights)

    def _known(self, mask: str, replay: str | None = None) -> dict[str, float]:
        """What was measured of a subset; of this replay alone, where one is named."""
        path = self.path / MEASURED / f"{mask}.json"
        record = read_json(path) if path.is_file() else {"replay": replay, "values": {}}
        return dict(record["values"]) if replay in (None, record["replay"]) else {}

    def _measured(
        self, behaviors: Sequence[Behavior], names: list[str], missing: Mapping[str, np.ndarray]
    ) -> dict[str, dict[str, float]]:
        replays = self._replays(np.stack(list(missing.values())))
        found = {}
        pairs = zip(missing, replays, strict=True)
        for mask, replay in progress(pairs, "measuring", len(replays)):
            known = self._known(mask, replay.path.name)
            new = [b for b, name in zip(behaviors, names, strict=True) if name not in known]
            measured = model_values(replay.model(), new).tolist()
            known |= {key(b.to_json()): v for b, v in zip(new, measured, strict=True)}
            record = {"replay": replay.path.name, "values": known}
            write_json(self.path / MEASURED / f"{mask}.json", record)
            found[mask] = known
        return found

    def _remember(self, behaviors: Sequence[Behavior], names: list[str]) -> None:
        number = len(list((self.path / BEHAVIORS).glob("*.json")))
        for name, behavior in zip(names, behaviors, strict=True):
            path = self.path / BEHAVIORS / f"{name}.json"
            if not path.is_file():
                write_json(path, {"number": number, "behavior": behavior.to_json()})
                number += 1

    def _likelihoods(self, mask: str, replay: Replay) -> Float[np.ndarray, " document"]:
        place = self.path / LIKELIHOODS / mask
        if not place.is_dir():
            corpus, context = self.documents.corpus, self.run.recipe.context
            read = document_likelihoods(replay.model(), corpus, context=context)
            with building(place) as temporary:
                save_array(temporary / "values.npy", read.totals)
        check_sizes(place)
        found: Float[np.ndarray, " document"] = np.load(place / "values.npy", allow_pickle=False)
        return found


def key(record: Any) -> str:
    """A short name of a record."""
    return digest(record).removeprefix("sha256:")[:32]


def mask_key(keep: Bool[np.ndarray, " cause"]) -> str:
    """A short name of one subset."""
    return key(np.packbits(keep).tobytes() + str(len(keep)).encode())


def make_bank(
    run: Run,
    path: Path | str,
    subsets: int = 100,
    *,
    share: float = 0.5,
    seed: int = 0,
    groups: Mapping[str, Sequence[str]] | None = None,
    workers: int | None = None,
    engine: str = "processes",
    stack: int | None = None,
) -> Bank:
    """Train a run again on random subsets of its documents; goes on with a bank that is there.

    Args:
        run: a finished run, trained by Whence.
        path: the bank's folder.
        subsets: how many; a bank that has fewer gets more, one that has more keeps them.
        share: of the causes that each subset keeps.
        seed: of the subsets.
        groups: name -> document ids; None makes each document a cause of its own.
        workers: training replays at a time; None takes as many as the cores allow.
        engine: what makes replays: "processes", "ray" or "serial".
        stack: replays made as one computation; None stacks where that measured faster. What a
            bank has been made with stays, where it decides the last bits.

    Raises:
        RunError: the run cannot be replayed, or the bank there is another one.
        MethodError: a share outside (0, 1).
    """
    run.replay_is_possible()
    path = Path(path)
    documents = Documents(run, groups=groups, workers=workers, engine=engine, stack=stack)
    drawn: dict[str, Any] = {
        "whence": "bank",
        "version": VERSION,
        "run": run.digest,
        "run_path": str(run.path.absolute()),
        "share": share,
        "seed": seed,
        "groups": None if groups is None else {name: list(ids) for name, ids in groups.items()},
        **({"stacked": True} if run.stacked_apart(stack) else {}),
    }
    if (path / RECORD).is_file():
        subsets = max(subsets, _same(path, drawn))
    with hold(path):
        keep = random_subsets(len(documents.causes), subsets, share=share, seed=seed)
        with writing(path / SUBSETS) as temporary:
            save_array(temporary, keep)
        record = {**drawn, "subsets": subsets, "digest": digest_file(path / SUBSETS)}
        write_json(path / RECORD, record)
    bank = Bank(path, record, documents, keep)
    bank.train()
    return bank


def _same(path: Path, drawn: Mapping[str, Any]) -> int:
    """How many subsets a bank has, after seeing that it is the one that is asked for."""
    record = _read(path)
    for name in (record.keys() | drawn.keys()) - {"run_path", "subsets", "digest"}:
        has, wanted = record.get(name), drawn.get(name)
        if has != wanted:
            raise RunError(
                f"{path}, {name}",
                expected=f"{has!r:.80}, as the bank there has it",
                got=f"{wanted!r:.80}",
                fix="Ask for the same, or make the bank in another folder.",
            )
    return int(record["subsets"])


def _read(path: Path) -> dict[str, Any]:
    if not (path / RECORD).is_file():
        raise RunError(
            str(path),
            expected=f"the folder of a bank, with {RECORD} in it",
            got="no such folder" if not path.exists() else f"no {RECORD}",
            fix="Make one with `whence bank RUN -o BANK`.",
        )
    record: dict[str, Any] = read_json(path / RECORD)
    if record.get("whence") != "bank" or record.get("version") != VERSION:
        raise RunError(
            str(path / RECORD),
            expected=f"a bank of version {VERSION}",
            got=f"{record.get('whence')!r} of version {record.get('version')}",
            fix="Open it with the version of Whence that wrote it.",
        )
    return record


def open_bank(
    path: Path | str,
    run: Run | None = None,
    *,
    workers: int | None = None,
    engine: str = "processes",
    stack: int | None = None,
) -> Bank:
    """Open a bank; retrainings that are still to be made are made when they are asked for.

    Args:
        path: its folder.
        run: the run, if it moved since the bank was made.
        workers: training replays at a time.
        engine: what makes replays, as in `make_bank`.
        stack: replays made as one computation, as in `make_bank`.

    Raises:
        RunError: there is no bank, or its run is another one.
        DamagedError: its subsets were altered.
    """
    path = Path(path)
    record = _read(path)
    run = open_run(record["run_path"]) if run is None else run
    if run.digest != record["run"]:
        raise RunError(
            str(run.path),
            expected=f"the run that {path} was made of ({record['run'][:19]})",
            got=f"another ({run.digest[:19]})",
            fix="Name that run, or make a bank of this one.",
        )
    if digest_file(path / SUBSETS) != record["digest"]:
        raise DamagedError(
            str(path / SUBSETS),
            expected="the subsets that the bank was made with",
            got="others",
            fix="Give the same `whence bank` command again: it writes them anew.",
        )
    if not record.get("stacked"):
        stack = 1 if run.stacked_apart(stack) else stack
    documents = Documents(run, groups=record["groups"], workers=workers, engine=engine, stack=stack)
    keep: Keep = np.load(path / SUBSETS, allow_pickle=False)
    return Bank(path, record, documents, keep)
