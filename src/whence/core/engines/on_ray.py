"""The engine of Ray: workers are actors, on this machine or on those of a cluster.

A Ray that this process already uses is used and left as it is. Otherwise the cluster named by
`RAY_ADDRESS` is joined, or, where there is none, a Ray of this machine is started, without its
dashboard and its usage reports, and ended with the team. On a cluster the paths that workers open
must be the same everywhere, as on a shared file system, and so must the packages.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from whence.core.engines.team import Opened, Reply, Team, died, reply_to
from whence.core.errors import MissingExtraError, PlanError


class _Holder:
    """What runs in an actor: it holds what was opened."""

    def __init__(self) -> None:
        self._opened: Any = None

    def open(self, opening: Callable[..., Any], arguments: Sequence[Any]) -> Reply:
        opened = reply_to(opening, *arguments)
        self._opened = opened.answer
        return Reply(None, opened.refusal, opened.crash)

    def answer(self, ask: Callable[..., Any], question: Any) -> Reply:
        return reply_to(ask, self._opened, question)


class _Actor:
    """The end of an actor that is in this process."""

    def __init__(self, ray: Any, number: int, threads: int) -> None:
        self._ray, self.number = ray, number
        self.handle = ray.remote(_Holder).options(num_cpus=threads).remote()
        self.promised: Any = None

    def open(self, opening: Callable[..., Any], arguments: Sequence[Any]) -> None:
        self.promised = self.handle.open.remote(opening, tuple(arguments))

    def send(self, ask: Callable[..., Any], question: Any) -> None:
        self.promised = self.handle.answer.remote(ask, question)

    def receive(self) -> Reply:
        try:
            reply: Reply = self._ray.get(self.promised)
        except self._ray.exceptions.RayActorError as error:
            how = str(error).strip().splitlines()[0]
            raise died(f"worker {self.number} on Ray", how) from None
        return reply


@contextmanager
def team(
    opening: Callable[..., Opened], arguments: Sequence[Sequence[Any]], threads: int
) -> Iterator[Team[Opened]]:
    """See `Engine.team`."""
    ray = _import_ray()
    started = not ray.is_initialized()
    if started:
        _start(ray, len(arguments) * threads)
    actors: list[_Actor] = []
    try:
        _check_room(ray, len(arguments), threads)
        actors += [_Actor(ray, number, threads) for number in range(len(arguments))]
        for actor, each in zip(actors, arguments, strict=True):
            actor.open(opening, each)
        for reply in [actor.receive() for actor in actors]:
            reply.unwrap()
        yield Team(actors, lambda asked: _any_of(ray, asked))
    finally:
        for actor in actors:
            ray.kill(actor.handle)
        if started:
            ray.shutdown()


def _import_ray() -> Any:
    # It reads the first when it is imported: nothing about a user's work is reported anywhere.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415
    except ModuleNotFoundError:
        raise MissingExtraError("--engine ray", package="ray", extra="ray") from None
    return ray


def _start(ray: Any, cores: int) -> None:
    address = os.environ.get("RAY_ADDRESS")
    quiet = {"log_to_driver": False, "configure_logging": False}
    if address:
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError) as error:
            raise PlanError(
                f"RAY_ADDRESS={address}",
                expected="a Ray cluster there",
                got=str(error),
                fix="Start one with `ray start --head`, or unset RAY_ADDRESS to use this machine.",
            ) from None
    else:
        ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)


def _check_room(ray: Any, workers: int, threads: int) -> None:
    """Ray would wait for ever for cores that the cluster does not have."""
    cores = int(ray.cluster_resources().get("CPU", 0))
    if workers * threads > cores:
        raise PlanError(
            "--workers",
            expected=f"at most what Ray has: {cores} cores",
            got=f"{workers} workers of {threads} cores",
            fix="Ask for fewer workers, or add machines to the cluster.",
        )


def _any_of(ray: Any, actors: Sequence[_Actor]) -> list[_Actor]:
    by_promise = {actor.promised: actor for actor in actors}
    ready, _ = ray.wait(list(by_promise))
    return [by_promise[promise] for promise in ready]
