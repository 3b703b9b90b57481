"""`SamplingConfig`: how many melodies the paper's table takes, and how each row is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from cantilena.reproduction.decoding import Decoding, Decodings

__all__ = ["SamplingConfig"]


@dataclass(frozen=True)
class SamplingConfig:
    """How many melodies are made, and how they are sampled. Raises ValueError where there would be too few."""

    n: int = 1000  # melodies of each row and setting, for each seed
    seeds: int = 1  # repetitions, with other noise and other test windows
    steps: int = 100  # of plain ancestral sampling
    paper_steps: int | None = None  # of the row `paper`, whose paper takes 1000; as `steps` if not given
    tuned: Decodings | None = None  # of the rows that are tuned; without them they are left out
    workers: int = 1

    def __post_init__(self) -> None:
        if self.n < 10 or self.seeds < 1 or self.workers < 1:
            raise ValueError(
                f"n is 10 or more, seeds and workers 1 or more; not {self.n}, {self.seeds}, {self.workers}"
            )

    def plain(self, network: str) -> Decoding:
        """How a network is drawn from plainly: no temperature, no settling, one visit of each level."""
        return Decoding(steps=(self.paper_steps or self.steps) if network == "paper" else self.steps)
