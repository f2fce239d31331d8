"""The page of a profile says what the record says."""

import re

import numpy as np

from tests.attribution.test_memorization import simulated
from whence.attribution import memorization_profile
from whence.studies import profile_page


def test_every_cell_of_both_triangles_is_there():
    profile = memorization_profile(simulated(0), resamples=50)
    record = profile.to_json()
    page = profile_page(record)
    cells = len(record["cohorts"]) * len(record["steps"])
    assert page.count("<td class=") + page.count('title="') >= 2 * cells
    assert page.count('class="base"') == len(record["cohorts"])  # only effects have a base
    sure = re.findall(r'class="[^"]*\bsure\b', page)
    assert len(sure) == int(np.nansum(profile.significant)) > 5
    first = record["cells"][1]
    assert f"{first['effect']:.2f} ± {first['half_width']:.2f}".replace("-", "−") in page
    assert "first seen by step 50 (60)" not in page
    assert "by step 50 (60)" in page
    for name in ("instantaneous", "persistent", "residual", "before"):
        assert name in page
