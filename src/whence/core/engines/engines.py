"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from whence.core.engines import local, on_ray, serial
from whence.core.engines.team import Opened, Team
from whence.core.errors import PlanError

ENGINES = ("serial", "processes", "ray")

_TEAMS: dict[str, Callable[..., AbstractContextManager[Team[Any]]]] = {
    "serial": serial.team,
    "processes": local.team,
    "ray": on_ray.team,
}


@dataclass(frozen=True, slots=True)
class Engine:
    """What work runs on.

    Attributes:
        name: one of `ENGINES`.
        workers: how many; one where work is done in this process.
    """

    name: str = "serial"
    workers: int = 1

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise PlanError(
                "--engine", expected=" or ".join(ENGINES), got=repr(self.name), fix="Name one."
            )
        if self.workers < 1:
            raise PlanError(
                "--workers", expected="1 or more", got=str(self.workers), fix="Raise it."
            )

    def team(
        self,
        opening: Callable[..., Opened],
        arguments: Sequence[Sequence[Any]],
        *,
        threads: int = 1,
    ) -> AbstractContextManager[Team[Opened]]:
        """Workers that are ready to be asked, until the context is left.

        Args:
            opening: a function of a module, called once in each worker.
            arguments: of `opening`, for each worker; so many workers there will be.
            threads: cores that each may use; in this process, what is set already.

        Raises:
            UserError: whatever `opening` refuses.
            MissingExtraError: Ray is not installed.
            PlanError: Ray has too few cores, or is not where `RAY_ADDRESS` says.
            WorkerError: a worker died.
        """
        return _TEAMS[self.name](opening, arguments, threads)


def open_engine(name: str = "serial", workers: int | None = None) -> Engine:
    """An engine by its name.

    Args:
        name: `serial` (in this process), `processes` (of this machine) or `ray`.
        workers: how many; by default one in this process, else two.

    Raises:
        PlanError: there is no such engine, or it cannot have so many workers.
    """
    if name == "serial" and (workers or 1) > 1:
        raise PlanError(
            "--workers",
            expected="1 with the serial engine",
            got=str(workers),
            fix="Add --engine processes, or --engine ray.",
        )
    return Engine(name, workers or (1 if name == "serial" else 2))
