"""An intervention whose truth is known: the value is a sum of the kept causes' effects."""

import numpy as np

from whence.core import Behavior, Cause


class LinearWorld:
    kind = "document"
    scope = "this run"

    def __init__(self, effects, noise=0.0, cheap=True, strata=None, sizes=None):
        self.effects = np.atleast_2d(np.asarray(effects, dtype=float))
        n = self.effects.shape[1]
        self.noise, self.cheap = noise, cheap
        self.causes = tuple(
            Cause(
                "document",
                f"d{i}",
                stratum=strata[i] if strata else "",
                size=float(sizes[i]) if sizes else 0.0,
            )
            for i in range(n)
        )
        self.behaviors = tuple(Behavior("p", f"t{b}") for b in range(len(self.effects)))
        self.measured_subsets = 0

    def describe(self):
        return {"world": "linear"}

    def measure(self, behaviors, keep):
        self.measured_subsets += len(keep)
        rows = [self.behaviors.index(b) for b in behaviors]
        values = self.effects[rows] @ keep.T.astype(float)
        for column, subset in enumerate(keep):
            if not subset.all():
                rng = np.random.default_rng(np.frombuffer(subset.tobytes(), np.uint8))
                values[:, column] += self.noise * rng.normal(size=len(rows))
        return values
