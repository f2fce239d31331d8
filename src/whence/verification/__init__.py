"""Is it true: scores, from anybody, tested by taking the named causes away.

    claims      what scores promise, as data
    controls    matched random removals
    judge       measure both, decide, report

The room never imports `attribution`: the judge does not know the method.
"""

from whence.verification.claims import Claim, set_claims, single_claims
from whence.verification.judge import (
    FEWEST_CONTROLS,
    Trial,
    VerifySettings,
    decide,
    finding,
    judge,
    prediction_interval,
    prepare,
    verify,
)

__all__ = [
    "FEWEST_CONTROLS",
    "Claim",
    "Trial",
    "VerifySettings",
    "decide",
    "finding",
    "judge",
    "prediction_interval",
    "prepare",
    "set_claims",
    "single_claims",
    "verify",
]
