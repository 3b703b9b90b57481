"""`Composer`: the front door, and the only place where all stairs meet. Melody in, Melody out.

composer = cantilena.load()
melody = composer.compose(seed=7)
melody.save("tune.mid")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.guidance import Cost
from cantilena.diffusion.samplers import Denoise, SeededNoise
from cantilena.diffusion.schedule import to_alpha_bar, to_x0
from cantilena.diffusion.windows import windowed
from cantilena.edits.draw import WINDOW, Correct, Draw
from cantilena.edits.edited import Edited
from cantilena.edits.recompose import recompose
from cantilena.model import DEFAULT_MODEL, LABEL_NULLS, Model
from cantilena.music.bars import parse_bars
from cantilena.music.extract import ROLES, UNKNOWN_FAMILY
from cantilena.music.locks import Locks, lock_melody
from cantilena.music.melody import Melody
from cantilena.music.passage import read_passage
from cantilena.sampling import Sampling, Voice, sampler_of, voice_of

__all__ = ["MAX_BARS", "RESAMPLE", "Composer", "load"]

MAX_BARS = 64
RESAMPLE = 4  # of edits: benchmarks/edits.py shows the seams
_BATCH = 64  # melodies sampled at once: more gain nothing and cost memory
BarsGiven: TypeAlias = str | Sequence[tuple[int, int]]
Grid: TypeAlias = Literal["odd", "even"]


def load(name: str | Path = DEFAULT_MODEL, *, threads: int = 1) -> Composer:
    """A composer with a shipped model, by name, or one in a folder of yours. ModelError where there is none."""
    return Composer(Model.load(name, threads=threads))


@dataclass(frozen=True, eq=False)
class Composer:
    """Composes melodies with a `Model`. Everything random comes from the seeds you give."""

    model: Model

    def compose(
        self, seed: int = 0, *, bars: int = MAX_BARS, qpm: float = 120.0, **sampling: Unpack[Sampling]
    ) -> Melody:
        """A new melody of `bars` bars; the same seed and arguments give the same notes on the same machine.

        The other keywords are those of `Sampling`. Raises ValueError for a wrong argument.
        """
        return self.compose_many([seed], bars=bars, qpm=qpm, **sampling)[0]

    def compose_many(
        self, seeds: Sequence[int], *, bars: int = MAX_BARS, qpm: float = 120.0, **sampling: Unpack[Sampling]
    ) -> list[Melody]:
        """One melody a seed, as `compose` would each alone; see there."""
        if not (isinstance(bars, int) and 2 <= bars <= MAX_BARS):
            raise ValueError(f"a melody has 2 to {MAX_BARS} bars, not {bars}")
        phrases = self.decode(self.sample(seeds, **sampling))  # (seeds, 32, 32)
        melodies = (Melody.from_phrases(p[: -(-bars // 2)], qpm) for p in phrases)
        return [m if m.bars == bars else m.slice(1, bars) for m in melodies]

    @overload
    def infill(
        self, song: Melody, bars: BarsGiven, *, keep: Melody | None = None, grid: Grid | None = None, seed: int = 0,
        **sampling: Unpack[Sampling],
    ) -> Melody: ...  # fmt: skip

    @overload
    def infill(
        self, song: str | Path | bytes, bars: BarsGiven, *, track: int | None = None,
        keep: str | Path | bytes | None = None, grid: Grid | None = None, seed: int = 0, **sampling: Unpack[Sampling],
    ) -> Edited: ...  # fmt: skip

    def infill(
        self, song: Melody | str | Path | bytes, bars: BarsGiven, *, track: int | None = None,
        keep: Melody | str | Path | bytes | None = None, grid: Grid | None = None, seed: int = 0,
        **sampling: Unpack[Sampling],
    ) -> Melody | Edited:  # fmt: skip
        """Compose `bars` ("17-32,41-44", counted from 1, or pairs) of a song anew; all else stays as it is.

        `song` is a MIDI file, of which everything but the bars' notes comes back event by event, or a Melody. The
        melody's track is chosen as `cantilena inspect` shows, or `track`. Notes of `keep` stand in the result as they
        are. Phrases of two bars begin on bars of the `grid`, "odd" or "even"; by default on the first bar given. The
        voice is the track's own unless it is given; `resample` is RESAMPLE. Raises ValueError for a wrong argument,
        MidiError (one line) for a song that cannot be edited so.
        """
        spans = parse_bars(bars)
        if seed < 0:
            raise ValueError(f"seeds are integers from 0 up, not {seed}")
        if grid not in (None, "odd", "even"):
            raise ValueError(f"phrases begin on odd or even bars, not {grid!r}")
        sampling.setdefault("resample", RESAMPLE)
        on_odd = spans[0][0] % 2 == 1 if grid is None else grid == "odd"

        def recomposed(locks: Locks, first: int, voice: Voice) -> NDArray[np.int8]:
            sampling.setdefault("voice", voice)
            return recompose(
                self.model,
                locks,
                self.draw(sampling),
                seed=seed,
                lead=int((first % 2 == 1) != on_odd),
            )

        if isinstance(song, Melody):
            if track is not None or not (keep is None or isinstance(keep, Melody)):
                raise ValueError("of a Melody no track is chosen, and the notes to keep are a Melody")
            locks = lock_melody(song, spans, keep)
            return Melody.from_tokens(locks.paste(recomposed(locks, 1, Voice(purity=0))), song.qpm)
        if isinstance(keep, Melody):
            raise ValueError("of a MIDI file the notes to keep are a MIDI file")
        passage = read_passage(song, spans, track=track, keep=keep)
        found = passage.candidate
        family = None if found.family == UNKNOWN_FAMILY else found.family
        own = Voice(role=ROLES.index(found.role), family=family, purity=0)
        after = passage.melody(recomposed(passage.locks, passage.stretch.first, own))
        return Edited(passage.write(after), found.track, passage.before, after)

    def sample(
        self,
        seeds: Sequence[int],
        *,
        phrases: int = WINDOW,
        circular: bool = False,
        period: int = 0,
        x_t: NDArray[np.float32] | None = None,
        start: float | None = None,
        condition: Condition | None = None,
        correct: Correct | None = None,
        cost: Cost | None = None,
        **sampling: Unpack[Sampling],
    ) -> NDArray[np.float32]:
        """Latents of new melodies: (seeds, P, D), P = `phrases`, at least 32. Keywords as in `Sampling`.

        More than 32 phrases are seen through overlapping windows, joined to a ring where `circular`, and repeat after
        `period` phrases (`diffusion.windowed`). `x_t` (seeds, P, D) at level `start` is where to start from, or noise.
        `condition` holds phrases of each melody fixed. `correct` is given every x0_hat (n, P, D) and returns the one
        to go on with; `cost` says what each of its phrases costs, and the sample is steered to cost little
        (`diffusion.branching`, of the sampler "ddpm" alone). Raises ValueError where these do not fit together.
        """
        if phrases < WINDOW:
            raise ValueError(f"a sample has at least {WINDOW} phrases, not {phrases}")
        for name, given in (("condition", condition.x_0 if condition else None), ("start", x_t)):
            if given is not None and given.shape[:2] != (len(seeds), phrases):
                raise ValueError(f"a {name} for {given.shape[:2]} does not fit {len(seeds)} seeds of {phrases} phrases")
        on_step = sampling.get("on_step")
        sample = sampler_of(sampling, cost)
        labels, guidance = voice_of(sampling.get("voice", "lead")).labels, sampling.get("guidance", 1.0)
        size = max(1, _BATCH * WINDOW // phrases)
        batches = [slice(i, i + size) for i in range(0, len(seeds), size)]
        found = []
        for k, part in enumerate(batches):
            batch = seeds[part]
            held = condition and Condition(condition.x_0[part], condition.known[part])
            noise = SeededNoise(batch)
            begin = noise((len(batch), phrases, self.model.space.D)) if x_t is None else x_t[part]
            denoise = self.denoiser(np.tile(labels, (len(batch), 1)), guidance)
            denoise = _corrected(windowed(denoise, size=WINDOW, circular=circular, period=period), correct)
            for step in sample(denoise, begin, self.model.schedule, noise, condition=held, start=start):
                if on_step:
                    on_step(k * step.steps + step.i, len(batches) * step.steps)
            found.append(step.x0_hat)
        return np.concatenate(found) if found else np.zeros((0, phrases, self.model.space.D), np.float32)

    def draw(self, sampling: Sampling) -> Draw:
        """`sample` of one seed with the keywords `sampling`, as edits ask for it."""

        def draw(seed: int, **asked: Any) -> NDArray[np.float32]:
            return self.sample([seed], **asked, **sampling)

        return draw

    def decode(self, x_0: NDArray[np.float32]) -> NDArray[np.int8]:
        """Latents (..., D) -> the likeliest token at every step (..., 32)."""
        return np.asarray(self.model.decode(self.model.space.denormalize(x_0)).argmax(-1), np.int8)

    def encode(self, melody: Melody) -> NDArray[np.float32]:
        """The phrases of a melody as latents (phrases, D): their posterior means."""
        mean, _ = self.model.encode(melody.phrases())
        return self.model.space.normalize(mean)

    def denoiser(self, labels: NDArray[np.int64], guidance: float = 1.0) -> Denoise:
        """The network as samplers want it: labels (B, 4) bound, the prediction turned into a clipped x0_hat.

        x_t may hold several samples of each of the B melodies, side by side. With `guidance` w other than 1 both
        predictions share x0_prev, and w goes from the one without labels to the one with them:
        null + w (labelled - null).
        """
        model = self.model
        nulls = np.broadcast_to(np.array(LABEL_NULLS, np.int64), labels.shape)

        def denoise(
            x_t: NDArray[np.float32], log_snr: NDArray[np.float32], x0_prev: NDArray[np.float32]
        ) -> NDArray[np.float32]:
            each = len(x_t) // len(labels)  # windows or branches of each melody, side by side
            prediction = model.denoise(x_t, log_snr, x0_prev, np.repeat(labels, each, axis=0))
            if guidance != 1 and not np.array_equal(labels, nulls):
                null = model.denoise(x_t, log_snr, x0_prev, np.repeat(nulls, each, axis=0))
                prediction = null + np.float32(guidance) * (prediction - null)
            alpha_bar = to_alpha_bar(log_snr)[:, None, None]
            return model.space.clip(to_x0(prediction, x_t, alpha_bar, model.prediction))

        return denoise


def _corrected(denoise: Denoise, correct: Correct | None) -> Denoise:
    if correct is None:
        return denoise
    return lambda x_t, log_snr, x0_prev: correct(denoise(x_t, log_snr, x0_prev))
