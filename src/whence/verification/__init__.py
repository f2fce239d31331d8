"""Is it true: scores, from anybody, tested by taking the named causes away.

    claims      what scores promise, as data
    controls    matched random removals
    judge       measure both, decide, report
    agreement   sums of scores beside random removals: the linear datamodeling score
    removal     the strongest causes removed, beside random ones
    curves      how much of a behavior the first few causes carry, alone and when missing
    circuits    is a set of causes faithful, complete and minimal
    recall      the causes that are known to matter
randomised  do scores change when the model's weights are dealt out anew

The room never imports `attribution`: the judge does not know the method.
"""

from whence.verification.agreement import (
    FEWEST_SUBSETS,
    Agreement,
    Resampling,
    agreement,
    lead,
    linear_datamodeling_score,
    predicted_sums,
    shuffled,
)
from whence.verification.circuits import Circuit, circuit
from whence.verification.claims import Claim, set_claims, single_claims
from whence.verification.curves import (
    AREAS,
    EVEN_SIZES,
    SIZES,
    TOLD,
    Curve,
    baseline_scores,
    curve,
    mean_curve,
    pooled_curve,
)
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
from whence.verification.randomised import BLIND, Cascade, cascade, randomised
from whence.verification.recall import recall_at_planted
from whence.verification.removal import SHARES, Rise, loss_rise

__all__ = [
    "AREAS",
    "BLIND",
    "EVEN_SIZES",
    "FEWEST_CONTROLS",
    "FEWEST_SUBSETS",
    "SHARES",
    "SIZES",
    "TOLD",
    "Agreement",
    "Cascade",
    "Circuit",
    "Claim",
    "Curve",
    "Resampling",
    "Rise",
    "Trial",
    "VerifySettings",
    "agreement",
    "baseline_scores",
    "cascade",
    "circuit",
    "curve",
    "decide",
    "finding",
    "judge",
    "lead",
    "linear_datamodeling_score",
    "loss_rise",
    "mean_curve",
    "pooled_curve",
    "predicted_sums",
    "prediction_interval",
    "prepare",
    "randomised",
    "recall_at_planted",
    "set_claims",
    "shuffled",
    "single_claims",
    "verify",
]
