"""The latent space: its statistics, its inverse, its file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cantilena.errors import ModelError
from cantilena.latent import LatentSpace

N, Z = 20_000, 6


def posterior() -> tuple[np.ndarray, np.ndarray]:
    """Dimensions 1 and 4 are unused: posterior deviations about 1, means about 0."""
    rng = np.random.default_rng(0)
    mean = rng.standard_normal((N, Z)) * [0.9, 0.05, 0.6, 2.0, 0.1, 0.8] + [0, 0, 3, -1, 0.5, 0]
    std = rng.uniform(0.9, 1.1, (N, Z)) * [0.3, 1.0, 0.8, 0.1, 0.98, 0.5]
    return mean.astype(np.float32), std.astype(np.float32)


@pytest.fixture(scope="module")
def space() -> LatentSpace:
    return LatentSpace.fit(*posterior())


# -- fitting ----------------------------------------------------------------------------------------


def test_what_is_trained_on_has_mean_0_and_deviation_1(space: LatentSpace) -> None:
    mean, std = posterior()
    z = mean + std * np.random.default_rng(1).standard_normal((N, Z))
    x_0 = space.normalize(z)
    assert (space.Z, space.D, x_0.shape, x_0.dtype) == (Z, 4, (N, 4), np.float32)
    np.testing.assert_allclose(x_0.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(x_0.std(axis=0), 1, atol=0.02)


def test_scale_is_the_total_variance(space: LatentSpace) -> None:
    mean, std = (a.astype(np.float64) for a in posterior())
    np.testing.assert_allclose(space.mean, mean.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(space.scale**2, mean.var(axis=0) + (std**2).mean(axis=0), rtol=1e-5)


def test_dimensions_are_kept_below_an_averaged_deviation_of_9_tenths(space: LatentSpace) -> None:
    assert space.kept.tolist() == [True, False, True, True, False, True]
    mean = np.random.default_rng(0).standard_normal((1000, 3))
    std = np.tile([[0.85, 0.89, 0.91]], (1000, 1))
    std[::2] += 0.02  # averages .86, .90, .92
    assert LatentSpace.fit(mean, std).kept.tolist() == [True, False, False]
    std[::2], std[1::2] = 0.2, 1.3  # averages .75, not their root mean square .93
    assert LatentSpace.fit(mean, std).D == 3
    with pytest.raises(ValueError, match=r"no latent dimension is used: posterior deviations average 0\.95"):
        LatentSpace.fit(mean, np.full_like(mean, 0.95))


def test_a_dimension_that_never_changes_is_dropped() -> None:
    mean = np.random.default_rng(0).standard_normal((100, 2)) * [1, 0]
    assert LatentSpace.fit(mean, np.full((100, 2), [0.1, 0.0])).kept.tolist() == [True, False]


def test_clipping_is_at_the_quantiles_of_what_is_trained_on(space: LatentSpace) -> None:
    mean, std = posterior()
    z = mean[:, None] + std[:, None] * np.random.default_rng(2).standard_normal((N, 20, Z))
    low, high = np.quantile(space.normalize(z).reshape(-1, 4), [0.001, 0.999], axis=0)
    np.testing.assert_allclose(space.low, low, atol=0.2)  # about -3.1 and 3.1, from 20 numbers beyond each
    np.testing.assert_allclose(space.high, high, atol=0.2)
    clipped = space.clip(np.array([[-50, -0.5, 0.5, 50]], np.float32))
    assert clipped.dtype == np.float32
    np.testing.assert_array_equal(clipped, [[space.low[0], -0.5, 0.5, space.high[3]]])


def test_a_float16_cache_gives_the_same_space(space: LatentSpace) -> None:
    cache = [a.astype(np.float16) for a in posterior()]
    half, same = LatentSpace.fit(*cache), LatentSpace.fit(*(a.astype(np.float64) for a in cache))
    for name in ("mean", "scale", "low", "high"):
        np.testing.assert_allclose(getattr(half, name), getattr(space, name), atol=2e-3)
        np.testing.assert_allclose(getattr(half, name), getattr(same, name), atol=1e-6)  # nothing is summed in float16


def test_a_second_fit_is_the_same(space: LatentSpace) -> None:
    assert LatentSpace.fit(*posterior()).fingerprint == space.fingerprint


def test_min_max_is_the_papers_scaling() -> None:
    mean, std = posterior()
    paper = LatentSpace.fit_min_max(mean, std)
    assert paper.kept.tolist() == LatentSpace.fit(mean, std).kept.tolist()
    assert (paper.low.tolist(), paper.high.tolist()) == ([-1] * 4, [1] * 4)
    x_0 = paper.normalize(mean + std * np.random.default_rng(1).standard_normal((N, Z)))
    assert -1.1 < x_0.min() < -0.9
    assert 0.8 < x_0.max() < 1.2
    tiny = np.array([[0.0, 4.0], [1.0, 2.0]])  # one pair for all dimensions: 0 and 4
    np.testing.assert_allclose(
        LatentSpace.fit_min_max(tiny, np.zeros((2, 2))).normalize(tiny), [[-1, 1], [-0.5, 0]], atol=1e-6
    )


@pytest.mark.parametrize("fit", [LatentSpace.fit, LatentSpace.fit_min_max])
def test_posteriors_that_are_none_are_refused(fit: type) -> None:
    good = np.ones((4, 2))
    with pytest.raises(ValueError, match=r"both \(phrases, Z\), not \(4, 2\) and \(4, 3\)"):
        fit(good, np.ones((4, 3)))
    with pytest.raises(ValueError, match=r"both \(phrases, Z\)"):
        fit(np.ones((0, 2)), np.ones((0, 2)))
    with pytest.raises(ValueError, match="finite"):
        fit(good * np.nan, good)
    with pytest.raises(ValueError, match="std not negative"):
        fit(good, -good)


# -- down and up ------------------------------------------------------------------------------------


def test_denormalize_inverts_normalize_and_drops_to_the_mean(space: LatentSpace) -> None:
    z = np.random.default_rng(3).standard_normal((2, 32, Z)).astype(np.float32)
    back = space.denormalize(space.normalize(z))
    assert (back.shape, back.dtype) == ((2, 32, Z), np.float32)
    np.testing.assert_allclose(back[..., space.kept], z[..., space.kept], atol=1e-6)
    assert (back[..., ~space.kept] == space.mean[~space.kept]).all()
    x_0 = np.random.default_rng(4).standard_normal((5, 4)).astype(np.float32)
    np.testing.assert_allclose(space.normalize(space.denormalize(x_0)), x_0, atol=1e-5)


def test_other_shapes_are_refused(space: LatentSpace) -> None:
    with pytest.raises(ValueError, match=r"z has 6 dimensions, not shape \(2, 4\)"):
        space.normalize(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"x_0 has 4 dimensions, not shape \(2, 6\)"):
        space.denormalize(np.zeros((2, 6)))


def test_parts_that_do_not_fit_are_refused(space: LatentSpace) -> None:
    parts = {name: getattr(space, name) for name in ("mean", "scale", "kept", "low", "high")}
    for change, message in [
        ({"kept": space.kept.astype(int)}, "bool"),
        ({"kept": np.zeros(Z, bool)}, "at least one"),
        ({"mean": space.mean[:-1]}, "mean must be"),
        ({"low": space.low * np.nan}, "low must be"),
        ({"scale": -space.scale}, "scale must be positive"),
        ({"low": space.high, "high": space.low}, "low below high"),
    ]:
        with pytest.raises(ValueError, match=message):
            LatentSpace(**{**parts, **change})
    with pytest.raises(ValueError, match="read-only"):
        space.mean[0] = 1


# -- the file ---------------------------------------------------------------------------------------


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_a_file_round_trips_bit_for_bit(space: LatentSpace, tmp_path: Path) -> None:
    for name in ("latent.npz", "other.name"):
        space.save(tmp_path / name)
        again = LatentSpace.load(tmp_path / name)
        for part in ("mean", "scale", "kept", "low", "high"):
            assert getattr(again, part).dtype == getattr(space, part).dtype
            assert np.array_equal(getattr(again, part), getattr(space, part))
        assert again.fingerprint == space.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latent.npz", "other.name"]
    assert (tmp_path / "latent.npz").read_bytes() == (tmp_path / "other.name").read_bytes()


def test_every_part_is_in_the_fingerprint(space: LatentSpace) -> None:
    parts = {name: getattr(space, name) for name in ("mean", "scale", "kept", "low", "high")}
    prints = {space.fingerprint}
    for name in ("mean", "scale", "low", "high"):
        prints.add(LatentSpace(**{**parts, name: parts[name] * np.float32(1.0001)}).fingerprint)
    assert len(prints) == 5
    assert all(len(p) == 16 for p in prints)


def test_broken_files_are_a_model_error_in_one_line(space: LatentSpace, tmp_path: Path) -> None:
    space.save(tmp_path / "good")
    good = (tmp_path / "good").read_bytes()
    parts = {name: getattr(space, name) for name in ("mean", "scale", "kept", "low", "high")}

    def npz(**arrays: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()

    array = io.BytesIO()
    np.save(array, space.mean)
    flipped = bytearray(good)
    flipped[good.index(space.mean.tobytes())] ^= 0xFF
    header = repr({"descr": "<f4", "fortran_order": False, "shape": (6,)}).encode() + b" " * 20_000  # numpy: two lines
    wide = io.BytesIO()
    with zipfile.ZipFile(wide, "w") as file:
        file.writestr("mean.npy", b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header)
    broken = {
        "wide": wide.getvalue(),
        "empty": b"",
        "garbage": b"not a zip\n" * 20,
        "cut": good[: len(good) // 2],
        "flipped": bytes(flipped),
        "array": array.getvalue(),
        "lacking": npz(mean=space.mean),
        "misshapen": npz(**{**parts, "low": space.low[:1]}),
        "pickled": npz(**{**parts, "mean": np.array([Bomb(tmp_path / "exploded")], object)}),
    }
    for name, data in broken.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(data)
        with pytest.raises(ModelError, match=f"{name}.npz: not a latent space .*; export the model again") as error:
            LatentSpace.load(path)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "exploded").exists()
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(ModelError, match="no such file"):
            LatentSpace.load(path)
