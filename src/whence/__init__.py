"""Whence finds out why a language model did what it did.

It names causes in three places (training documents, parts inside the model,
words of the prompt), states each one's effect in nats, and then takes the
cause away and measures again.

The root package is light on purpose: importing it, or asking `whence --help`,
loads no torch. Start at `whence.explain` for the main job.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("whence")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
