import json
import math
import time

import numpy as np
import pytest

from cantilena.metrics import latent_distances
from cantilena.metrics.latent_distances import floor, frechet_distance, latent_table, mmd, precision_recall
from golden.make_golden import GOLDEN
from golden.make_golden import mmd as slow_mmd
from golden.make_golden import share_inside as slow_share_inside


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_the_table_is_that_of_the_slow_implementation():
    golden = json.loads(GOLDEN.read_text("utf-8"))
    points, expected = golden["inputs"]["points"], golden["figures"]["latent"]
    # there, precision is of a in b
    found = latent_table(points["a"], points["b"])
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-9)


def test_frechet_in_one_dimension_is_the_closed_form():
    """(mu_a - mu_b)^2 + (s_a - s_b)^2."""
    a, b = 3 * normal(0, 50, 1) + 1, 0.2 * normal(1, 70, 1) - 4
    expected = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


def test_frechet_of_two_gaussians_is_what_the_covariances_say():
    """Rows are made to have exactly the covariances S_a = (Q A)(Q A)^T and S_b = (Q B)(Q B)^T, A and B diagonal."""
    rotation = np.linalg.qr(normal(2, 6, 6))[0]
    white = np.linalg.qr(normal(3, 40, 7) - normal(3, 40, 7).mean(0))[0][:, :6] * math.sqrt(39)
    white -= white.mean(0)
    white = white @ np.linalg.inv(np.linalg.cholesky(np.cov(white, rowvar=False))).T
    stds_a, stds_b = np.array([1, 2, 3, 0.5, 0, 4]), np.array([2, 2, 1, 0.1, 1, 0])
    a, b = white * stds_a @ rotation.T + 7, white * stds_b @ rotation.T
    expected = 6 * 49 + ((stds_a - stds_b) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_frechet_of_covariances_that_do_not_commute_is_the_nuclear_norm():
    """trace (S_a^.5 S_b S_a^.5)^.5 is the sum of singular values of X_a X_b^T, X the centred rows over root n - 1."""
    a, b = normal(4, 30, 5) @ normal(5, 5, 5), normal(6, 50, 5) @ normal(7, 5, 5) + 1
    x, y = ((s - s.mean(0)) / math.sqrt(len(s) - 1) for s in (a, b))
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + (x**2).sum() + (y**2).sum()
    expected -= 2 * np.linalg.norm(x @ y.T, "nuc")
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_too_few_rows_are_stable_and_biased_as_the_docstring_says():
    a, b = normal(8, 60, 60), normal(9, 60, 60)  # singular: 59 directions of 60
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(a, b) / 60 == pytest.approx(0.5, abs=0.1)
    many = frechet_distance(normal(8, 6000, 60), normal(9, 6000, 60)) / 60
    assert many == pytest.approx(60 / 12000, abs=0.002)


def test_identical_sets_are_at_no_distance_and_wholly_covered():
    a = normal(0, 200, 8) + 1000
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert precision_recall(a, a) == (1, 1)
    repeated = np.repeat(100 * normal(1, 200, 37), 6, axis=0)  # balls of no size
    assert precision_recall(repeated, repeated) == (1, 1)
    assert (latent_distances._squared_distances(repeated, repeated)[np.arange(1200), np.arange(1200)] == 0).all()


def test_moving_both_sets_changes_nothing_where_the_figure_is_of_distances():
    a, b = normal(0, 60, 4), 1.5 * normal(1, 80, 4) + 0.3
    assert frechet_distance(a + 5, b + 5) == pytest.approx(frechet_distance(a, b))
    assert mmd(a + 1e7, b + 1e7) == pytest.approx(mmd(a, b), abs=1e-6)
    assert precision_recall(a + 1e7, b + 1e7) == precision_recall(a, b)
    assert frechet_distance(a + 5, a) == pytest.approx(4 * 25)


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_mmd_is_that_of_a_double_loop_in_blocks_too(kernel, monkeypatch: pytest.MonkeyPatch):
    a, b = normal(0, 21, 2), 0.7 * normal(1, 17, 2) + 0.2
    expected = slow_mmd(a.tolist(), b.tolist(), kernel)
    assert mmd(a, b, kernel) == pytest.approx(expected, abs=1e-12)
    monkeypatch.setattr(latent_distances, "_ROWS", 4)
    assert mmd(a, b, kernel) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kernel", ["rbf", "polynomial"])
def test_mmd_is_unbiased_and_sees_a_difference(kernel):
    same = [mmd(normal(2 * seed, 30, 3), normal(2 * seed + 1, 40, 3), kernel) for seed in range(200)]
    error = np.std(same) / math.sqrt(200)
    assert abs(np.mean(same)) < 3 * error
    assert min(same) < 0 < max(same)
    assert mmd(normal(0, 30, 3) + 1, normal(1, 40, 3), kernel) > np.mean(same) + 4 * np.std(same)


def test_mmd_of_the_polynomial_kernel_is_as_the_moments_say():
    """In one dimension (x y + 1)^3 = sum of c_j x^j y^j, c = 1 3 3 1; nearly, for that many points: sum c_j (E x^j - E y^j)^2."""
    a, b = normal(0, 1500, 1), normal(1, 1500, 1) + 0.5
    expected = sum(c * (np.mean(a**j) - np.mean(b**j)) ** 2 for j, c in enumerate((1, 3, 3, 1)))
    assert mmd(a, b, "polynomial") == pytest.approx(expected, rel=0.05)


def test_precision_and_recall_tell_apart_what_they_are_for():
    left, right = normal(0, 100, 3), normal(1, 100, 3) + 100
    both = np.concatenate([left, right])
    assert precision_recall(left, right) == (0, 0)  # disjoint
    half = precision_recall(both, normal(2, 100, 3))  # one mode of two: real, but half is missing
    assert half[0] > 0.9
    assert 0.4 < half[1] <= 0.5
    assert precision_recall(normal(2, 100, 3), both) == half[::-1]


def test_precision_and_recall_are_those_of_a_double_loop_in_blocks_too(monkeypatch: pytest.MonkeyPatch):
    real, generated = normal(0, 40, 2), 1.5 * normal(1, 30, 2)
    for k in (1, 3, 7):
        expected = tuple(
            slow_share_inside(*sets, k)
            for sets in ((generated.tolist(), real.tolist()), (real.tolist(), generated.tolist()))
        )
        assert precision_recall(real, generated, k) == pytest.approx(expected)
    monkeypatch.setattr(latent_distances, "_ROWS", 7)
    assert precision_recall(real, generated, 7) == pytest.approx(expected)


def test_the_floor_is_of_two_disjoint_halves_that_split_no_song():
    rows, songs = np.arange(100.0)[:, None], np.repeat([5, 2, 9, 7, 70, 1, 30], [10, 20, 5, 15, 20, 10, 20])
    seen = set()
    for seed in range(20):
        first, second = floor(rows, lambda a, b: (a[:, 0].astype(int), b[:, 0].astype(int)), seed, songs)
        assert sorted([*first, *second]) == list(range(100))
        assert not set(songs[first]) & set(songs[second])
        assert 35 <= len(first) <= 65
        seen.add(tuple(first))
    assert len(seen) > 10
    assert floor(rows, lambda a, b: len(a) - len(b)) == 0


def test_songs_split_between_halves_would_flatter_the_floor():
    """Every song a cluster of its own: halves by song share none, halves by piece share them all."""
    songs = np.repeat(np.arange(40), 10)
    rows = 10 * normal(0, 40, 4)[songs] + 0.1 * normal(1, 400, 4)
    by_piece, by_song = floor(rows, latent_table), floor(rows, latent_table, groups=songs)
    assert by_piece["precision"] > 0.9
    assert by_song["precision"] < 0.1
    assert by_song["frechet"] > 3 * by_piece["frechet"]


def test_thousands_of_rows_take_seconds():
    a, b = normal(0, 2, 1000, 400)
    begin = time.process_time()
    latent_table(a, b)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda a: frechet_distance(a, a[:, :2]), r"the same d, not \(10, 3\) and \(10, 2\)"),
        (lambda a: frechet_distance(a[0], a[0]), r"sets are \(n, d\), n 2 or more"),
        (lambda a: mmd(a, np.where(a == a[0, 0], np.nan, a)), "sets must be finite"),
        (lambda a: mmd(a, a, "linear"), "a kernel is rbf or polynomial, not 'linear'"),
        (lambda a: mmd(a, 0 * a), "the median distance in the real data is 0"),
        (lambda a: precision_recall(a, a[:3]), "k must be 1 or more and below the 3 points, not 3"),
        (lambda a: floor(a, mmd, groups=np.zeros(10, int)), "two or more differ"),
        (lambda a: floor(a, mmd, groups=np.arange(9)), "groups are one a row, 10"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(ValueError, match=said):
        call(normal(0, 10, 3))
