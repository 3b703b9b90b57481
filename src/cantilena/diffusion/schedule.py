"""`NoiseSchedule`: how much of x_0 is left at level t, and the Gaussian algebra that follows from it.

    x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps,   eps ~ N(0, I)      (Ho et al. 2020, eq. 4)

t counts as in papers: 0 is data (alpha_bar 1), T is noise, and every real number between is a level, too. A
network predicts eps, x_0 or v; `to_x0`, `to_eps` and `target` turn each into the others, for NumPy and torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "MAX_LOG_SNR",
    "Array",
    "Noise",
    "NoiseSchedule",
    "Prediction",
    "target",
    "to_alpha_bar",
    "to_eps",
    "to_x0",
]

MAX_LOG_SNR = 15.0  # beyond it x_t is x_0, or noise, to 1 part in 1800: no network needs to tell the difference

Array: TypeAlias = NDArray[np.float32]  # data: float32; a float64 array stays float64 (tests measure orders with it)
Levels: TypeAlias = NDArray[np.float64]  # coefficients are always float64
Noise: TypeAlias = Callable[[tuple[int, ...]], Array]  # standard normal numbers of a shape
Prediction: TypeAlias = Literal["eps", "x0", "v"]


MAX_LEVELS = 100_000


@dataclass(frozen=True, eq=False)
class NoiseSchedule:
    """What is left of the data at each level: `alpha_bar` float64 (T+1,), from exactly 1 down, never to 0.

    Make one with `linear`, `cosine` or `from_config`; `config` is what `to_config` gives back.
    Raises ValueError for a table that does not fall from 1 towards 0.

    >>> schedule = NoiseSchedule.cosine(T=1000)
    >>> schedule.alpha_bar_at([0, 500, 1000]).round(4)
    array([1.    , 0.4938, 0.    ])
    >>> schedule.timesteps(4)
    array([1000.,  750.,  500.,  250.,    0.])
    """

    alpha_bar: Levels
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        alpha_bar = np.array(self.alpha_bar, np.float64)
        if alpha_bar.ndim != 1 or alpha_bar.size < 2:
            raise ValueError(f"alpha_bar is one row of T + 1 levels, T >= 1, not an array of shape {alpha_bar.shape}")
        if alpha_bar[0] != 1 or not (np.diff(alpha_bar) < 0).all() or not alpha_bar[-1] > 0:
            raise ValueError("alpha_bar must start at exactly 1, fall at every level and stay above 0")
        alpha_bar.setflags(write=False)
        object.__setattr__(self, "alpha_bar", alpha_bar)

    # -- making --------------------------------------------------------------------------------

    @classmethod
    def linear(cls, T: int = 1000, beta_start: float = 1e-6, beta_end: float = 1e-2) -> NoiseSchedule:
        """Betas evenly from `beta_start` to `beta_end` (Ho et al. 2020, section 4); the defaults are the paper's.

        With the paper's betas alpha_bar_T is .0066: x_T still holds 8 % of x_0, which sampling from N(0, I) ignores.
        """
        betas = np.linspace(beta_start, beta_end, T)
        config = {"name": "linear", "T": T, "beta_start": beta_start, "beta_end": beta_end}
        return cls(_cumulate(betas), config)

    @classmethod
    def cosine(cls, T: int = 1000, s: float = 0.008) -> NoiseSchedule:
        """alpha_bar ~ cos^2((t/T + s) / (1 + s) pi/2), betas at most .999 (Nichol & Dhariwal 2021, eq. 17)."""
        f = np.cos((np.arange(T + 1) / T + s) / (1 + s) * np.pi / 2) ** 2
        return cls(_cumulate(np.minimum(1 - f[1:] / f[:-1], 0.999)), {"name": "cosine", "T": T, "s": s})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> NoiseSchedule:
        """The schedule that a recipe or a model folder names; what is left out has its default.

        Raises ValueError for an unknown name or setting, and for what makes no schedule.

        >>> NoiseSchedule.from_config({"name": "cosine", "T": 100}).T
        100
        """
        settings = dict(config)
        known: dict[Any, tuple[Callable[..., NoiseSchedule], set[str]]] = {
            "linear": (cls.linear, {"T", "beta_start", "beta_end"}),
            "cosine": (cls.cosine, {"T", "s"}),
        }
        name = settings.pop("name", None)
        if name not in known:
            raise ValueError(f"a noise schedule is named {' or '.join(known)}, not {name!r}")
        make, names = known[name]
        if extra := sorted(set(settings) - names):
            raise ValueError(f"the {name} noise schedule has {', '.join(sorted(names))}, not {', '.join(extra)}")
        T = settings.pop("T", 1000)
        if not isinstance(T, int) or isinstance(T, bool) or not 1 <= T <= MAX_LEVELS:
            raise ValueError(f"a noise schedule has 1 to {MAX_LEVELS:,} levels T, not {str(T)[:40]}")
        for key, value in settings.items():
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
                raise ValueError(f"{key} of a noise schedule is a number from 0 to 1, not {str(value)[:40]}")
        with np.errstate(all="ignore"):  # what is no schedule is refused below
            return make(T=T, **settings)

    def to_config(self) -> dict[str, Any]:
        """The inverse of `from_config`, ready for JSON; ValueError for a schedule made from a bare table."""
        if not self.config:
            raise ValueError("a schedule made from a table has no config: use NoiseSchedule.linear or .cosine")
        return dict(self.config)

    # -- levels --------------------------------------------------------------------------------

    @property
    def T(self) -> int:
        """The noisiest level."""
        return self.alpha_bar.size - 1

    def alpha_bar_at(self, t: ArrayLike) -> Levels:
        """alpha_bar at real levels t in [0, T], of any shape; ValueError outside.

        Between neighbours sqrt(alpha_bar) is linear, so t ~ U(0, T) is the draw "uniformly between neighbours" that
        the paper trains with (after WaveGrad, Chen et al. 2021, section 3.2); at integers it is the table, exactly.
        """
        t = np.asarray(t, np.float64)
        if not ((t >= 0) & (t <= self.T)).all():
            raise ValueError(f"noise levels lie between 0 and {self.T}, not {t.min():g}..{t.max():g}")
        below = np.floor(t).astype(np.int64)
        root = np.sqrt(self.alpha_bar)
        mixed = root[below] + (t - below) * (root[np.minimum(below + 1, self.T)] - root[below])
        alpha_bar: Levels = np.where(t == below, self.alpha_bar[below], mixed**2)
        return alpha_bar

    def log_snr(self, t: ArrayLike) -> Levels:
        """log(alpha_bar / (1 - alpha_bar)) at levels t: what a denoiser is told, kept within +-15."""
        alpha_bar = self.alpha_bar_at(t)
        with np.errstate(divide="ignore"):  # t = 0: infinite, then 15
            log_snr: Levels = np.clip(np.log(alpha_bar) - np.log1p(-alpha_bar), -MAX_LOG_SNR, MAX_LOG_SNR)
        return log_snr

    def timesteps(self, steps: int, start: float | None = None) -> Levels:
        """The `steps` + 1 levels that a sampler visits, evenly from `start` (T) to 0; they need not be integers.

        Where `steps` divides T these are diffusers' "trailing" timesteps (which count one lower), then 0.
        """
        if steps < 1:
            raise ValueError(f"a sampler takes at least 1 step, not {steps}")
        start = self.T if start is None else start
        if not 0 < start <= self.T:
            raise ValueError(f"a sampler starts at a level above 0, up to {self.T}, not {start}")
        t: Levels = np.arange(steps, -1, -1) * start / steps  # multiplied first: integers stay exact
        return t

    # -- the Gaussians -------------------------------------------------------------------------

    def q_sample(self, x_0: Array, t: ArrayLike, eps: Array, s: ArrayLike = 0.0) -> Array:
        """x_t from x_0 and standard normal `eps`, or from x_s where `s` is given: q(x_t | x_s), s <= t.

            x_t = sqrt(alpha) x_s + sqrt(1 - alpha) eps,  alpha = alpha_bar_t / alpha_bar_s      (Ho et al., eq. 2, 4)

        x_0, eps: (B, ...); t, s: () or (B,).
        """
        alpha = self.alpha_bar_at(t) / self.alpha_bar_at(s)
        if not (alpha <= 1).all():
            raise ValueError(f"noise is added from level s up to t >= s, not from {s!r} to {t!r}")
        return _beside(np.sqrt(alpha), x_0) * x_0 + _beside(np.sqrt(1 - alpha), x_0) * eps

    def q_posterior(self, x_0: Array, x_t: Array, t: ArrayLike, s: ArrayLike) -> tuple[Array, Array]:
        """Mean (B, ...) and variance (broadcasts to it) of q(x_s | x_t, x_0), for any two levels s < t.

        Ho et al. 2020, eq. 6 and 7, with beta = 1 - alpha_bar_t / alpha_bar_s for a stride of any length. At s = 0
        the mean is x_0 and the variance 0, exactly. x_0, x_t: (B, ...); t, s: () or (B,).
        """
        bar_t, bar_s = self.alpha_bar_at(t), self.alpha_bar_at(s)
        if not (bar_t < bar_s).all():
            raise ValueError(f"the posterior of x_s given x_t needs s < t, not s = {s!r}, t = {t!r}")
        alpha = bar_t / bar_s
        beta = 1 - alpha
        to_0 = np.sqrt(bar_s) * beta / (1 - bar_t)
        to_t = np.sqrt(alpha) * (1 - bar_s) / (1 - bar_t)
        mean = _beside(to_0, x_0) * x_0 + _beside(to_t, x_t) * x_t
        return mean, _beside((1 - bar_s) / (1 - bar_t) * beta, x_0)


def _cumulate(betas: Levels) -> Levels:
    return np.concatenate([[1.0], np.cumprod(1 - betas)])


def _beside(coefficient: ArrayLike, x: Array) -> Array:
    """A coefficient () or (B,) in the type and rank of data x (B, ...), so that the two broadcast."""
    c = np.asarray(coefficient)
    return c.reshape(c.shape + (1,) * (x.ndim - c.ndim)).astype(x.dtype)


# -- predictions: operators only, so that arrays and tensors both pass ------------------------------


def target(x_0: Any, eps: Any, alpha_bar: Any, kind: Prediction) -> Any:
    """What a network of this kind learns to predict from x_t; v = sqrt(ab) eps - sqrt(1 - ab) x_0.

    v: Salimans & Ho 2022, section 4. `alpha_bar` must broadcast against the data, as (B, 1, 1) does, and be float64
    or come from float64: in float32, 1 - alpha_bar of the paper's first level is 5 % off.
    """
    match _checked(kind):
        case "eps":
            return eps
        case "x0":
            return x_0
        case "v":
            return alpha_bar**0.5 * eps - (1 - alpha_bar) ** 0.5 * x_0


def to_x0(prediction: Any, x_t: Any, alpha_bar: Any, kind: Prediction) -> Any:
    """x0_hat from a prediction (Ho et al. 2020, eq. 15; Salimans & Ho 2022, appendix D). Shapes as in `target`."""
    match _checked(kind):
        case "eps":
            return (x_t - (1 - alpha_bar) ** 0.5 * prediction) / alpha_bar**0.5
        case "x0":
            return prediction
        case "v":
            return alpha_bar**0.5 * x_t - (1 - alpha_bar) ** 0.5 * prediction


def to_eps(prediction: Any, x_t: Any, alpha_bar: Any, kind: Prediction) -> Any:
    """eps_hat from a prediction; `to_eps(x0_hat, x_t, alpha_bar, "x0")` inverts `to_x0`. Shapes as in `target`."""
    match _checked(kind):
        case "eps":
            return prediction
        case "x0":
            return (x_t - alpha_bar**0.5 * prediction) / (1 - alpha_bar) ** 0.5
        case "v":
            return alpha_bar**0.5 * prediction + (1 - alpha_bar) ** 0.5 * x_t


def _checked(kind: Prediction) -> Prediction:
    if kind not in ("eps", "x0", "v"):
        raise ValueError(f"a network predicts eps, x0 or v, not {kind!r}")
    return kind


def to_alpha_bar(log_snr: ArrayLike) -> Levels:
    """The inverse of log(alpha_bar / (1 - alpha_bar)), in float64.

    >>> to_alpha_bar([-2, 0, 2]).round(3)
    array([0.119, 0.5  , 0.881])
    """
    return np.asarray(1 / (1 + np.exp(-np.asarray(log_snr, np.float64))))
