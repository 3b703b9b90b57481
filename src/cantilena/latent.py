"""`LatentSpace`: z of the VAE <-> x_0 of the diffusion model, fitted once, on training data.

A VAE leaves some dimensions of z unused: there the posterior is the prior, whatever the phrase. They are dropped (the
paper keeps 42 of 512), and decode at their mean; the paper fills them with noise, which can only blur the phrase.
The others are standardised, so that the noise schedule means the same for each.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.errors import ModelError
from cantilena.files import new_file

__all__ = ["MAX_STD", "LatentSpace"]

_LARGEST = 1e6  # of the numbers of a latent space that is read; ours are below 20
MAX_STD = 0.9  # a dimension whose posterior deviation averages more carries too little to keep
CLIP_QUANTILES = (0.001, 0.999)

_Float: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """x_0 = (z - mean) / scale on the kept dimensions: z (..., Z) <-> x_0 (..., D), D <= Z.

    mean, scale: float32 (Z,), scale positive where kept; kept: bool (Z,); low, high: float32 (D,), between which
    `clip` keeps an x0_hat. Make one with `fit`. Raises ValueError where these do not fit together.

    >>> space = LatentSpace.fit(mean=[[3.0, 0.2], [5.0, 0.4]], std=[[0.1, 0.95], [0.1, 1.0]])
    >>> space
    LatentSpace(1 of 2 dimensions kept)
    >>> space.denormalize(space.normalize([3.0, 7.0]))
    array([3. , 0.3], dtype=float32)
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    kept: NDArray[np.bool_]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("mean", "scale", "low", "high"):
            object.__setattr__(self, name, np.array(getattr(self, name), np.float32))
        kept = np.array(self.kept)
        object.__setattr__(self, "kept", kept)
        if kept.dtype != np.bool_ or kept.ndim != 1 or not kept.any():
            raise ValueError("kept says for each dimension whether it is used: bool (Z,), at least one of them True")
        for name, size in (("mean", self.Z), ("scale", self.Z), ("low", self.D), ("high", self.D)):
            array = getattr(self, name)
            if array.shape != (size,) or not np.isfinite(array).all():
                raise ValueError(f"{name} must be ({size},) finite numbers, not of shape {array.shape}")
            array.setflags(write=False)
        kept.setflags(write=False)
        if not (self.scale[kept] > 0).all() or not (self.low < self.high).all():
            raise ValueError("scale must be positive where a dimension is kept, and low below high")

    # -- making --------------------------------------------------------------------------------

    @classmethod
    def fit(cls, mean: ArrayLike, std: ArrayLike) -> LatentSpace:
        """Standardise: mean and std (N, Z) are the posterior of each of N training phrases.

            scale^2 = var(mean) + mean(std^2)         the variance of z itself (law of total variance)

        Kept is what has an averaged std below .9. x0_hat is to be clipped to the .1 % and 99.9 % quantiles of x_0.
        Raises ValueError where nothing is kept.
        """
        mean, std = _posterior(mean, std)
        centre, scale, kept = _moments(mean, std)
        ends = np.array([np.quantile(z, CLIP_QUANTILES) for z in _draws(mean, std, kept)])  # (D, 2)
        low, high = ((ends - centre[kept, None]) / scale[kept, None]).T
        return cls(_f32(centre), _f32(scale), kept, _f32(low), _f32(high))

    @classmethod
    def fit_min_max(cls, mean: ArrayLike, std: ArrayLike) -> LatentSpace:
        """The paper's scaling: the least and the greatest number in training data become -1 and 1.

        One pair for all kept dimensions, as in the authors' code; `clip` keeps to -1..1 as well. For the `paper`
        recipe; arguments and errors as in `fit`.
        """
        mean, std = _posterior(mean, std)
        centre, scale, kept = _moments(mean, std)
        ends = np.array([(z.min(), z.max()) for z in _draws(mean, std, kept)])  # (D, 2)
        least, greatest = ends.min(), ends.max()
        centre[kept], scale[kept] = (least + greatest) / 2, (greatest - least) / 2
        one = np.ones(kept.sum(), np.float32)
        return cls(_f32(centre), _f32(scale), kept, -one, one)

    # -- looking -------------------------------------------------------------------------------

    @property
    def Z(self) -> int:
        """Dimensions of z."""
        return self.kept.size

    @property
    def D(self) -> int:
        """Dimensions of x_0: those that are kept."""
        return int(self.kept.sum())

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that name these numbers; a denoiser knows by it the space it was trained in."""
        digest = hashlib.sha256()
        for array in self._arrays().values():
            digest.update(array.astype("<f4").tobytes())
        return digest.hexdigest()[:16]

    # -- going down and up ---------------------------------------------------------------------

    def normalize(self, z: ArrayLike) -> NDArray[np.float32]:
        """z (..., Z) -> x_0 (..., D)."""
        z = np.asarray(z)
        if z.shape[-1:] != (self.Z,):
            raise ValueError(f"z has {self.Z} dimensions, not shape {z.shape}")
        return ((z[..., self.kept] - self.mean[self.kept]) / self.scale[self.kept]).astype(np.float32, copy=False)

    def denormalize(self, x_0: ArrayLike) -> NDArray[np.float32]:
        """x_0 (..., D) -> z (..., Z), the dropped dimensions at their mean; inverts `normalize` on the kept ones."""
        x_0 = np.asarray(x_0)
        if x_0.shape[-1:] != (self.D,):
            raise ValueError(f"x_0 has {self.D} dimensions, not shape {x_0.shape}")
        z = np.tile(self.mean, (*x_0.shape[:-1], 1))
        z[..., self.kept] = x_0 * self.scale[self.kept] + self.mean[self.kept]
        return z

    def clip(self, x_0: ArrayLike) -> NDArray[np.float32]:
        """An estimate x_0 (..., D) kept between the training quantiles `low` and `high`."""
        return np.clip(x_0, self.low, self.high).astype(np.float32, copy=False)

    # -- keeping -------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write an .npz of plain arrays, under exactly this name, replacing the file in one step."""
        path = Path(path)
        with new_file(path) as part, part.open("wb") as file:
            np.savez(file, **self._arrays())  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> LatentSpace:
        """The inverse of `save`; raises ModelError for a file that is missing, broken or something else. No pickle."""
        path = Path(path)
        if not path.is_file():
            raise ModelError(f"{path}: no such file; a model folder has a latent.npz, `cantilena export` writes it")
        try:
            with np.load(path, allow_pickle=False) as arrays:
                space = cls(**{name: arrays[name] for name in cls.__dataclass_fields__})
            space._check_sizes()
            return space
        except Exception as error:  # a broken zip or array fails in a dozen ways; each means the same to the reader
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise ModelError(f"{path}: not a latent space ({reason}); export the model again") from error

    def _check_sizes(self) -> None:
        """ValueError where numbers are so large, or scales so small, that float32 could not carry what they make."""
        for name in ("mean", "scale", "low", "high"):
            if not (np.abs(getattr(self, name)) <= _LARGEST).all():
                raise ValueError(f"{name} has numbers beyond {_LARGEST:g}")
        if not (self.scale[self.kept] >= 1 / _LARGEST).all():
            raise ValueError(f"scale has numbers below {1 / _LARGEST:g}")

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __repr__(self) -> str:
        return f"LatentSpace({self.D} of {self.Z} dimensions kept)"


def _posterior(mean: ArrayLike, std: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Checked, and turned to (Z, N): a cache is large and float16, and what follows goes dimension by dimension."""
    mean, std = np.asarray(mean), np.asarray(std)
    if mean.ndim != 2 or mean.shape != std.shape or not mean.size:
        raise ValueError(f"mean and std are both (phrases, Z), not {mean.shape} and {std.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std >= 0).all()):
        raise ValueError("mean and std must be finite, and std not negative")
    return np.ascontiguousarray(mean.T), np.ascontiguousarray(std.T)


def _moments(mean: NDArray[Any], std: NDArray[Any]) -> tuple[_Float, _Float, NDArray[np.bool_]]:
    """Centre and scale of z, and which dimensions are kept, from (Z, N)."""
    moments = [
        (m.mean(dtype=np.float64), m.var(dtype=np.float64) + np.square(s, dtype=np.float64).mean(), s.mean(dtype=float))
        for m, s in zip(mean, std, strict=True)
    ]
    centre, variance, average = np.array(moments).T
    kept: NDArray[np.bool_] = (average < MAX_STD) & (variance > 0)
    if not kept.any():
        raise ValueError(f"no latent dimension is used: posterior deviations average {average.min():.3f} and more")
    return centre, np.sqrt(variance), kept


def _f32(array: _Float) -> NDArray[np.float32]:
    return array.astype(np.float32)


def _draws(mean: NDArray[Any], std: NDArray[Any], kept: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """From (Z, N), for each kept dimension: one z ~ N(mean, std^2) a phrase, what the diffusion model trains on.

    The normal numbers are the same for everyone: the golden-ratio sequence, which fills (0, 1) more evenly than chance
    would, through the inverse of the normal distribution function.
    """
    x = np.linspace(-6, 6, 2401)
    cdf = [0.5 * math.erfc(-value / math.sqrt(2)) for value in x]
    u = (np.arange(mean.shape[1]) + 0.5) * ((math.sqrt(5) - 1) / 2) % 1
    eps = np.interp(u, cdf, x)
    for d in np.flatnonzero(kept):
        yield mean[d] + std[d] * eps
