"""Measures how far generated latents are from real ones: Frechet distance, MMD, improved precision and recall.

Inputs are rows of floats, (n, d): phrases, or whole melodies (their phrases' latents flattened or averaged); the
caller chooses, and says so beside the figure. No figure here means anything alone: put `floor` beside it, the same
figure between two disjoint halves of the real data, and compare rows of a table at the same n.

How they are fooled: all see music only through the encoder, and none sees a copy: the training set itself scores best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["floor", "frechet_distance", "latent_table", "mmd", "precision_recall"]

_ROWS = 1000  # of a distance matrix at a time
_MEDIAN_OF = 2000  # rows for the bandwidth
T = TypeVar("T")
Rows = NDArray[np.float64]


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Return the squared Frechet distance of normals fitted to `a` (n, d) and `b` (m, d) (Heusel et al. 2017, eq. 6).

        |mu_a - mu_b|^2 + trace(S_a + S_b - 2 (S_a^.5 S_b S_a^.5)^.5)

    The root is of a symmetric matrix, so it needs eigenvalues only, and a singular covariance does no harm to it. But
    n and m must be well above d: n rows span n - 1 directions, in all others the fitted variance is 0, those differ
    from sample to sample, and the distance comes out too large: by about d / (2 n) of the variance at n = m, which is
    half of it at n = d. Fooled by anything with the right mean and covariance. Raises ValueError for arrays of other
    shapes, or not finite.

    >>> frechet_distance([[0.0], [2.0]], [[3.0], [5.0]])
    9.0
    """
    a, b = _rows(a, b)
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(_positive(values))) @ vectors.T
    product = root @ cov_b @ root
    overlap = np.sqrt(_positive(np.linalg.eigvalsh((product + product.T) / 2))).sum()
    gap = a.mean(axis=0) - b.mean(axis=0)
    return max(0.0, float(gap @ gap + np.trace(cov_a) + np.trace(cov_b) - 2 * overlap))


def mmd(a: ArrayLike, b: ArrayLike, kernel: Literal["rbf", "polynomial"] = "rbf") -> float:
    """Estimate the squared maximum mean discrepancy of `a` (n, d) from real data `b` (m, d) (Gretton et al. 2012).

    The estimate is of mean 0 where both come from one distribution, hence now and then below 0. Kernels:

        rbf           exp(-|x - y|^2 / (2 s^2)), s the median distance in `b` (of 2,000 rows, evenly spread, if more)
        polynomial    (x . y / d + 1)^3, as KID (Binkowski et al. 2018)

    rbf sees any difference, best those about as large as s; polynomial is fooled by equal moments up to the third.
    Raises ValueError for arrays of other shapes, or not finite, and for rbf where half of `b` is one point.
    """
    a, b = _rows(a, b)
    similar = _kernel(kernel, b)
    return _within(similar, a) + _within(similar, b) - 2 * _between(similar, a, b)


def precision_recall(real: ArrayLike, generated: ArrayLike, k: int = 3) -> tuple[float, float]:
    """Measure improved precision and recall (Kynkaanniemi et al. 2019): how real, and how complete, `a` is.

    Around each point of a set lies a ball up to its k-th nearest neighbour in the set. Precision is the share of
    `generated` (n, d) inside a ball of `real` (m, d), recall the share of `real` inside a ball of `generated`. Fooled
    by one outlier, whose ball holds much; precision by copies of one good melody, recall by wide noise; both grow with
    n. Raises ValueError for arrays of other shapes, or not finite, or of k points or fewer.
    """
    real, generated = _rows(real, generated)
    if not 1 <= k < min(len(real), len(generated)):
        raise ValueError(f"k must be 1 or more and below the {min(len(real), len(generated))} points, not {k}")
    return _share_inside(generated, real, k), _share_inside(real, generated, k)


def latent_table(generated: ArrayLike, real: ArrayLike) -> dict[str, float]:
    """Return five figures: frechet, mmd_rbf, mmd_polynomial, precision, recall."""
    precision, recall = precision_recall(real, generated)
    return {
        "frechet": frechet_distance(generated, real),
        "mmd_rbf": mmd(generated, real, "rbf"),
        "mmd_polynomial": mmd(generated, real, "polynomial"),
        "precision": precision,
        "recall": recall,
    }


def floor(
    real: ArrayLike, metric: Callable[[Rows, Rows], T], seed: int = 0, groups: NDArray[np.integer] | None = None
) -> T:
    """Apply `metric` to two disjoint halves of real data (n, d), chosen by `seed`: no model can do much better.

    With `groups` (n,), such as songs, each is in one half only. A half has n / 2 rows, and metrics depend on how many
    there are: give twice as many rows as are compared in the table. Raises ValueError for fewer than two groups.

    >>> halves = floor(np.arange(20.0)[:, None], lambda a, b: (a, b), groups=np.repeat([0, 1], 10))
    >>> [len(half) for half in halves]
    [10, 10]
    """
    real = _rows(real)[0]
    song = np.arange(len(real)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if song.shape != (len(real),) or song.max() < 1:
        raise ValueError(f"groups are one a row, {len(real)}, and two or more differ; not {song.shape}")
    order = np.random.default_rng(seed).permutation(song.max() + 1)
    size = np.cumsum(np.bincount(song)[order])
    cut = min(max(1, int(np.abs(size - len(real) / 2).argmin()) + 1), len(order) - 1)
    first = np.isin(song, order[:cut])
    return metric(real[first], real[~first])


def _rows(*sets: ArrayLike) -> list[Rows]:
    arrays = [np.asarray(x, np.float64) for x in sets]
    for x in arrays:
        if x.ndim != 2 or len(x) < 2 or x.shape[1:] != arrays[0].shape[1:] or not x.shape[1]:
            shapes = " and ".join(str(x.shape) for x in arrays)
            raise ValueError(f"sets are (n, d), n 2 or more and the same d, not {shapes}")
        if not np.isfinite(x).all():
            raise ValueError("sets must be finite, and there is a NaN or an infinity in one")
    return arrays


def _positive(values: Rows) -> Rows:
    """Eigenvalues of a positive semi-definite matrix, those that are rounding errors set to 0."""
    return np.where(values > values.max() * len(values) * np.finfo(np.float64).eps, values, 0)


def _squared_distances(x: Rows, y: Rows) -> Rows:
    """|x_i - y_j|^2, 0 where it is a rounding error: (n, d), (m, d) -> (n, m)."""
    centre = y.mean(axis=0)
    x, y = x - centre, y - centre
    size = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)
    distance: Rows = size - 2 * (x @ y.T)
    distance[distance < 1e-13 * size] = 0
    return distance


def _kernel(name: str, real: Rows) -> Callable[[Rows, Rows], Rows]:
    if name == "polynomial":
        return lambda x, y: np.asarray((x @ y.T / x.shape[1] + 1) ** 3)
    if name != "rbf":
        raise ValueError(f"a kernel is rbf or polynomial, not {name!r}")
    some = real[np.linspace(0, len(real) - 1, min(len(real), _MEDIAN_OF)).astype(np.int64)]
    width = float(np.median(np.sqrt(_squared_distances(some, some)[np.triu_indices(len(some), 1)])))
    if width == 0:
        raise ValueError("rbf: the median distance in the real data is 0, so there is no bandwidth")
    return lambda x, y: np.exp(_squared_distances(x, y) / (-2 * width**2))


def _within(similar: Callable[[Rows, Rows], Rows], x: Rows) -> float:
    """Mean kernel of two different rows of a set."""
    total = 0.0
    for rows in _blocks(x):
        block = similar(x[rows], x)
        total += float(block.sum() - np.trace(block, offset=rows.start))
    return total / (len(x) * (len(x) - 1))


def _between(similar: Callable[[Rows, Rows], Rows], x: Rows, y: Rows) -> float:
    return sum(float(similar(x[rows], y).sum()) for rows in _blocks(x)) / (len(x) * len(y))


def _blocks(x: Rows) -> Iterator[slice]:
    return (slice(begin, begin + _ROWS) for begin in range(0, len(x), _ROWS))


def _share_inside(points: Rows, centres: Rows, k: int) -> float:
    """Share of `points` in a ball around one of `centres` that reaches the centre's k-th nearest other centre."""
    # the point itself is the nearest, at 0, so the k-th other one is in place k
    radius = [np.partition(_squared_distances(centres[rows], centres), k, axis=1)[:, k] for rows in _blocks(centres)]
    reach = np.concatenate(radius)
    inside = [(_squared_distances(points[rows], centres) <= reach).any(axis=1) for rows in _blocks(points)]
    return float(np.concatenate(inside).mean())
