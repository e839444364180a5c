"""Bootstrap intervals: how far a mean over held-out instances could have come out otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def bootstrap(values: Sequence[float], *, seed: int = 0, resamples: int = 10_000, level: float = 0.95) -> list[float]:
    """The percentile bootstrap interval [low, high] of the mean of ``values``; one value gives a point.

    Raises ValueError for no values.
    """
    import numpy as np

    tail = (1 - level) / 2
    return [float(edge) for edge in np.quantile(resampled(values, seed, resamples), [tail, 1 - tail])]


def resampled(values: Sequence[float], seed: int = 0, resamples: int = 10_000) -> np.ndarray:
    """The means of ``resamples`` samples drawn from ``values`` with replacement, shape (resamples,).

    Raises ValueError for no values.
    """
    import numpy as np

    if not values:
        raise ValueError("no values to take an interval of")
    data = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    means = np.empty(resamples)
    chunk = max(1, 5_000_000 // len(data))  # bounded memory for any number of values
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        means[start : start + size] = data[rng.integers(0, len(data), size=(size, len(data)))].mean(axis=1)
    return means
