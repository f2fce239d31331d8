"""Solving in steps that a machine can check.

clients    a prompt in, completions out: a local model, a server, a recording; every call kept
sandbox    untrusted programs, run so that they can do nothing but compute
programs   Program of Thoughts: programs out of completions, run, read, compared
logic      logic programs in five formats: parsed, solved, proved; problems with known proofs
paths      knowledge graphs: random walks, and ranking by the paths that lead to an answer
answers    typed answers and spans, scored as their data sets score them
search     sampling and search over steps, on any client

Each is a door of its own (`from whence.reasoning.programs import ...`); what stands here is
what most work begins with. Nothing loads a model library until a local model is asked for.
"""

from whence.reasoning.clients import Client, Completion, Journalled, Recorded, Sampling, open_client
from whence.reasoning.programs import Problem, solve_problems
from whence.reasoning.sandbox import Limits, Outcome, Program, Sandbox

__all__ = [
    "Client",
    "Completion",
    "Journalled",
    "Limits",
    "Outcome",
    "Problem",
    "Program",
    "Recorded",
    "Sampling",
    "Sandbox",
    "open_client",
    "solve_problems",
]
