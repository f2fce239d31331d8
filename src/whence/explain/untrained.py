"""A run as if nothing had been learned, for scores that must fail.

It is the same run, with all its steps and checkpoints, so that every method can be asked about it
as about any other; but it begins with weights drawn from the seed, and so low a learning rate
leaves them as they were. A run that went on from a checkpoint had learned before its first step:
there the weights are drawn anew too.

Reference:
    Adebayo et al. 2018, "Sanity checks for saliency maps", sec. 3 (randomised parameters).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from whence.training import Run, train

_STILL = 1e-9


def untrained(run: Run, folder: Path) -> Run:
    """Make it, or open it if it is there.

    Args:
        run: finished.
        folder: where the other one goes.
    """
    recipe = replace(run.recipe, learning_rate=_STILL)
    if recipe.checkpoint is not None:
        config = run.checkpoint(0).path / "config.json"
        recipe = replace(recipe, checkpoint=None, config=str(config))
    return train(run.corpus(), folder, recipe)
