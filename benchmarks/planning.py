"""Plan how many seeds a gate needs."""

import math

import numpy as np
import scipy

from mnistlab.errors import MnistlabError
from mnistlab.stats import check_between, welch_error


def seeds_needed(
    sds: tuple[float, float], baseline_seeds: int, distance: float, alpha: float, power: float
) -> int:
    """Return how many seeds Welch's test at one look needs to pass with a given power.

    Parameters
    ----------
    sds : tuple of float
        Standard deviations over seeds, of candidate and baseline.
    baseline_seeds : int
    distance : float
        Margin minus true degradation, above 0, in the unit of the deviations.
    alpha : float
        In (0, 0.5); if there are several looks, that of the last.
    power : float

    Raises
    ------
    MnistlabError
        If the baseline is too small for any number of seeds.

    Source
    ------
    The noncentral t; Julious 2004, Stat. Med. 23:1921, with Welch's degrees of freedom.
    """
    check_between("baseline_seeds", baseline_seeds, 1, math.inf)
    check_between("alpha", alpha, 0, 0.5)
    check_between("power", power, 0, 1)
    for value in (*sds, distance):
        check_between("an sd or the distance", value, 0, math.inf)
    seeds = np.arange(2.0, 5001)
    error, freedom = welch_error(*sds, seeds, baseline_seeds)
    critical = scipy.stats.t.isf(alpha, freedom)
    reached = scipy.stats.nct.sf(critical, freedom, distance / error) >= power
    if not reached.any():
        problem = f"5000 seeds against {baseline_seeds} do not suffice"
        raise MnistlabError(f"{problem}: need more of the baseline")
    return int(seeds[reached.argmax()])
