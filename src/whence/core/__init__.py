"""The words that every room shares, as plain data: no model, no tensor, no file format of others.

errors        every fault, in one tree
behavior      prompt + target (+ foil): one number in nats
cause         what can be taken away
scores        what a method predicts of each removal, in nats
verdict       what a removal showed
records       canonical JSON, digests, whole-or-nothing writes
arrays        arrays on disk, with errors that say why
locks         one writer a folder
seeds         seeds by name
engines       work shared out: in this process, in others, on Ray (a door of its own)
progress      bars on long work
markup        HTML elements that escape what they are given
page          one HTML file that needs nothing else
environment   versions and the digest of the code
"""

from whence.core.behavior import Behavior, read_behaviors
from whence.core.bergson import read_bergson
from whence.core.cause import KINDS, Cause, Kind, index_of
from whence.core.scores import ESTIMANDS, Cost, Coverage, Estimand, Scores, Unit
from whence.core.verdict import Finding, Verdict

__all__ = [
    "ESTIMANDS",
    "KINDS",
    "Behavior",
    "Cause",
    "Cost",
    "Coverage",
    "Estimand",
    "Finding",
    "Kind",
    "Scores",
    "Unit",
    "Verdict",
    "index_of",
    "read_behaviors",
    "read_bergson",
]
