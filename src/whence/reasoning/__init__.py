"""Solving in steps that a machine can check.

clients    a prompt in, completions out: a local model, a server, a recording; every call kept
sandbox    untrusted programs, run so that they can do nothing but compute
programs   Program of Thoughts: programs out of completions, run, read, compared
answers    typed answers and spans, scored as their data sets score them
search     sampling and search over steps, on any client

Nothing here loads a model library until a local model is asked for.
"""

__all__: list[str] = []
