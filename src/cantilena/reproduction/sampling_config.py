"""`SamplingConfig`: how many melodies the paper's table takes, and how each row is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from cantilena.reproduction.baselines import Setting
from cantilena.sampling import Sampling

__all__ = ["SamplingConfig"]


@dataclass(frozen=True)
class SamplingConfig:
    """How many melodies are made, and how they are sampled. Raises ValueError where there would be too few."""

    n: int = 1000  # melodies of each row and setting, for each seed
    seeds: int = 1  # repetitions, with other noise and other test windows
    steps: int = 100  # of the diffusion row, ancestral
    temperature: float = 0.99
    settle: float = 0.3  # share of the noise levels, at the end, where notes are decided and no noise is added
    resample: int = 1  # visits of each level; each more lets later phrases and earlier ones agree
    infill_steps: int = 20  # the same when infilling, `steps` at most
    infill_resample: int = 6  # what is made has to agree with what is held (RePaint)
    paper_steps: int | None = None  # of the row `paper`, whose paper takes 1000; as `steps` if not given
    workers: int = 1

    def __post_init__(self) -> None:
        if self.n < 10 or self.seeds < 1 or self.workers < 1:
            raise ValueError(
                f"n is 10 or more, seeds and workers 1 or more; not {self.n}, {self.seeds}, {self.workers}"
            )

    def sampling(self, setting: Setting) -> Sampling:
        """The keywords that sample the diffusion row."""
        if setting == "infilling":
            steps = min(self.steps, self.infill_steps)
            return {"steps": steps, "temperature": self.temperature, "resample": self.infill_resample}
        return {
            "steps": self.steps, "temperature": self.temperature, "settle": self.settle, "resample": self.resample
        }  # fmt: skip

    @property
    def paper_sampling(self) -> Sampling:
        """The keywords that sample the row `paper`: plain ancestral sampling, without temperature or resampling."""
        return {"steps": self.paper_steps or self.steps, "temperature": 1.0}
