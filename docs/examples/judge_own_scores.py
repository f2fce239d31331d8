"""Scores from anywhere can be put to the test: here, the guess that the last layer does it all."""

import numpy as np

from whence.core import Scores, read_behaviors
from whence.interventions import Components
from whence.training import open_run
from whence.verification import verify

run = open_run("runs/mine")
behaviors = tuple(read_behaviors("questions.jsonl")[:1])
parts = Components(run.model(), units=("head", "mlp"), replacement="zero")

guess = np.array([[float(cause.id.startswith("L1")) for cause in parts.causes]])
scores = Scores(guess, behaviors, parts.causes, method="my guess", estimand="alone", unit="rank")

for verdict in verify(scores, parts, top=2):
    names = ", ".join(verdict.causes)
    print(
        f"{names}: fell by {verdict.measured:.2f} nats, "
        f"random ones by {verdict.control_mean:.2f} on average: {verdict.finding}"
    )
