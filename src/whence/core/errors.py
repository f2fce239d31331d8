"""Every fault that Whence raises on purpose, in one tree.

    WhenceError
    ├── UserError               the user can mend it: one message, exit code 2, no trace
    │   ├── SourceError         what should become a corpus is missing, empty or unreadable
    │   ├── CorpusError         a corpus cannot answer what it was asked
    │   ├── TokenizerError      a tokenizer is missing, or differs from the model's
    │   ├── ModelError          a model cannot be opened, or its parts were not found
    │   ├── BehaviorError       a prompt, target or foil that cannot be measured
    │   ├── InterventionError   a cause that does not exist, or a removal that touched nothing
    │   ├── MethodError         an unknown method, or one that does not fit the causes
    │   ├── RunError            a recorded training that cannot be opened, resumed or replayed
    │   ├── LogicError          a logic program that cannot be read or solved
    │   ├── GraphError          triples, rules or queries that do not fit together
    │   ├── PlanError           a budget or a plan that cannot be carried out
    │   ├── SandboxError        untrusted programs cannot be contained here
    │   ├── ClientError         a language model that cannot be asked, or has not answered
    │   ├── ProblemError        problems, programs or predictions that do not read as their format
    │   ├── DamagedError        a file that is truncated, altered or missing
    │   ├── BusyError           a folder that another process is writing
    │   ├── StorageError        the disk is full, or a place that cannot be written
    │   ├── WorkerError         a worker process died, or the machine that it ran on
    │   └── MissingExtraError   an optional package is needed
    └── (anything else is a bug in Whence and keeps its trace)

A message names the place, what was expected, what came, and what to do.
"""

from __future__ import annotations


class WhenceError(Exception):
    """Root of every fault that Whence raises on purpose."""


class UserError(WhenceError):
    """A fault that the user can mend. The command line prints it and exits with 2.

    Args:
        place: the file, option or argument where it happened.
        expected: what would have been right.
        got: what was there instead.
        fix: the next step.
    """

    def __init__(self, place: str, *, expected: str, got: str, fix: str) -> None:
        self.place, self.expected, self.got, self.fix = place, expected, got, fix
        super().__init__(f"{place}: expected {expected}, got {got}. {fix}")

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and
        # worker processes send their faults home as pickles.
        return (_rebuild, (type(self), self.place, self.expected, self.got, self.fix))


def _rebuild(kind: type[UserError], place: str, expected: str, got: str, fix: str) -> UserError:
    return kind(place, expected=expected, got=got, fix=fix)


class SourceError(UserError):
    """What should become a corpus is missing, empty or unreadable."""


class CorpusError(UserError):
    """A corpus cannot answer what it was asked."""


class TokenizerError(UserError):
    """A tokenizer is missing, or differs from the model's."""


class ModelError(UserError):
    """A model cannot be opened, or its parts were not found."""


class BehaviorError(UserError):
    """A prompt, target or foil that cannot be measured."""


class InterventionError(UserError):
    """A cause that does not exist, or a removal that touched nothing."""


class MethodError(UserError):
    """An unknown method, or one that does not fit the causes."""


class RunError(UserError):
    """A recorded training that cannot be opened, resumed or replayed."""


class LogicError(UserError):
    """A logic program that cannot be read or solved."""


class GraphError(UserError):
    """Triples, rules or queries of a knowledge graph that do not fit together."""


class PlanError(UserError):
    """A budget or a plan that cannot be carried out."""


class SandboxError(UserError):
    """Untrusted programs cannot be contained here."""


class ClientError(UserError):
    """A language model that cannot be asked, or has not answered."""


class ProblemError(UserError):
    """Problems, programs or predictions that do not read as their format."""


class DamagedError(UserError):
    """A file that is truncated, altered or missing."""


class BusyError(UserError):
    """A folder that another process is writing."""


class StorageError(UserError):
    """The disk is full, or a place that cannot be written."""


class WorkerError(UserError):
    """A worker process died, or the machine that it ran on."""


class MissingExtraError(UserError):
    """An optional package is needed.

    Args:
        feature: what the user asked for.
        package: the package that is missing.
        extra: the extra of Whence that brings it.
    """

    def __init__(self, feature: str, *, package: str, extra: str) -> None:
        super().__init__(
            feature,
            expected=f"the package {package!r}",
            got="no such package installed",
            fix=f"Install it with: pip install 'whence[{extra}]'",
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_missing, (self.place, self.expected, self.got, self.fix))


def _rebuild_missing(place: str, expected: str, got: str, fix: str) -> MissingExtraError:
    error = MissingExtraError.__new__(MissingExtraError)
    UserError.__init__(error, place, expected=expected, got=got, fix=fix)
    return error
