"""`Composer`: the front door, and the only place where all stairs meet. Melody in, Melody out.

composer = cantilena.load()
melody = composer.compose(seed=7)
melody.save("tune.mid")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, Unpack, cast, overload

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.samplers import SAMPLERS, Denoise, SeededNoise, Step, ddpm
from cantilena.diffusion.schedule import to_alpha_bar, to_x0
from cantilena.edit import Correct, recompose
from cantilena.model import DEFAULT_MODEL, LABEL_NULLS, Model
from cantilena.music.bars import parse_bars
from cantilena.music.extract import ROLES, UNKNOWN_FAMILY
from cantilena.music.locks import Locks, lock_melody
from cantilena.music.melody import Melody
from cantilena.music.midi import write_whole
from cantilena.music.passage import read_passage

__all__ = [
    "MAX_BARS",
    "MAX_RESAMPLE",
    "RESAMPLE",
    "STEPS",
    "TEMPERATURE",
    "VOICES",
    "Composer",
    "Edited",
    "Sampling",
    "Voice",
    "chosen",
    "load",
]

MAX_BARS = 64
STEPS = 20
TEMPERATURE = 0.97  # CHANGELOG: what it does to leaps, keys and repetitions
MAX_RESAMPLE = 10
RESAMPLE = 4  # of edits: benchmarks/edits.py shows the seams
_BATCH = 64  # melodies sampled at once: more gain nothing and cost memory
BarsGiven: TypeAlias = str | Sequence[tuple[int, int]]
Grid: TypeAlias = Literal["odd", "even"]
OnStep: TypeAlias = Callable[[int, int], None]  # steps done, and in all


class Voice(NamedTuple):
    """What a melody is asked to be, as labels (None = not said), and the General MIDI program that plays it."""

    role: int | None = None  # index into extract.ROLES
    family: int | None = None  # index into extract.FAMILIES
    purity: int | None = None  # 0: less than a tenth of the notes was dropped, 1: up to .4, 2: more
    rests: int | None = None  # 0: no 2-bar phrase is silent, 1: some are
    program: int = 0

    @property
    def labels(self) -> NDArray[np.int64]:
        """The four indices that the denoiser sees."""
        given = (self.role, self.family, self.purity, self.rests)
        return np.array([null if v is None else v for v, null in zip(given, LABEL_NULLS, strict=True)], np.int64)


VOICES: dict[str, Voice] = {
    "lead": Voice(role=0, purity=0),
    "any": Voice(),
    "bass": Voice(role=1, family=4, purity=0, program=33),
    "keys": Voice(family=0, program=0),
    "organ": Voice(family=2, program=16),
    "guitar": Voice(family=3, program=25),
    "strings": Voice(family=6, program=48),
    "brass": Voice(family=7, program=61),
    "reed": Voice(family=8, program=65),
    "flute": Voice(family=9, program=73),
    "synth": Voice(family=10, program=80),
}


def load(name: str | Path = DEFAULT_MODEL, *, threads: int = 1) -> Composer:
    """A composer with a shipped model, by name, or one in a folder of yours. ModelError where there is none."""
    return Composer(Model.load(name, threads=threads))


class Sampling(TypedDict, total=False):
    """How a melody is drawn: the keywords that every composing method takes. All have defaults."""

    voice: str | Voice  # a key of VOICES or a Voice; "lead"
    sampler: str  # "ddpm" (default), "ddim" or "dpm_solver_pp": see cantilena.diffusion
    steps: int  # 20
    temperature: float  # of ddpm: noise of each step, 0..1.5; lower is calmer and repeats more; TEMPERATURE
    resample: int  # visits of each level, 1..10: phrases agree better, with held ones too, for as many times the time
    guidance: float  # above 1 follows the voice more strictly (Ho & Salimans 2022); 1
    on_step: OnStep  # called with steps done, and in all


def chosen(**options: Any) -> Sampling:
    """The options that were chosen, as keywords: None is what was left to the default."""
    return cast(Sampling, {name: value for name, value in options.items() if value is not None})


@dataclass(frozen=True, eq=False)
class Edited:
    """A song after an edit."""

    midi: bytes  # the file
    track: int  # index of the edited one
    before: Melody  # its melody, of the whole stretch in 4/4 around the edited bars
    after: Melody

    def save(self, path: str | Path) -> None:
        """Write the file, replacing what is there in one step."""
        write_whole(Path(path), self.midi)


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
                lambda one, condition, correct: self.sample([one], condition=condition, correct=correct, **sampling),
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
        condition: Condition | None = None,
        correct: Correct | None = None,
        **sampling: Unpack[Sampling],
    ) -> NDArray[np.float32]:
        """Latents of new melodies: (seeds, 32, D). Keywords as in `Sampling`; `condition` holds phrases of each fixed.

        `correct` is given every x0_hat (B, 32, D), of at most 64 melodies, and returns the one to go on with.
        Raises ValueError where the condition is for another number of melodies.
        """
        if condition is not None and len(condition.x_0) != len(seeds):
            raise ValueError(f"a condition for {len(condition.x_0)} melodies does not fit {len(seeds)} seeds")
        on_step = sampling.get("on_step")
        sample = _sampler(sampling)
        labels, guidance = _voice(sampling.get("voice", "lead")).labels, sampling.get("guidance", 1.0)
        batches = [slice(i, i + _BATCH) for i in range(0, len(seeds), _BATCH)]
        found = []
        for k, part in enumerate(batches):
            batch = seeds[part]
            held = condition and Condition(condition.x_0[part], condition.known[part])
            noise = SeededNoise(batch)
            x_T = noise((len(batch), 32, self.model.space.D))
            denoise = _corrected(self.denoiser(np.tile(labels, (len(batch), 1)), guidance), correct)
            for step in sample(denoise, x_T, self.model.schedule, noise, condition=held):
                if on_step:
                    on_step(k * step.steps + step.i, len(batches) * step.steps)
            found.append(step.x0_hat)
        return np.concatenate(found) if found else np.zeros((0, 32, self.model.space.D), np.float32)

    def decode(self, x_0: NDArray[np.float32]) -> NDArray[np.int8]:
        """Latents (..., D) -> the likeliest token at every step (..., 32)."""
        return np.asarray(self.model.decode(self.model.space.denormalize(x_0)).argmax(-1), np.int8)

    def encode(self, melody: Melody) -> NDArray[np.float32]:
        """The phrases of a melody as latents (phrases, D): their posterior means."""
        mean, _ = self.model.encode(melody.phrases())
        return self.model.space.normalize(mean)

    def denoiser(self, labels: NDArray[np.int64], guidance: float = 1.0) -> Denoise:
        """The network as samplers want it: labels (B, 4) bound, the prediction turned into a clipped x0_hat.

        With `guidance` w other than 1 both branches share x0_prev: prediction = null + w (labelled - null).
        """
        model = self.model
        nulls = np.broadcast_to(np.array(LABEL_NULLS, np.int64), labels.shape)

        def denoise(
            x_t: NDArray[np.float32], log_snr: NDArray[np.float32], x0_prev: NDArray[np.float32]
        ) -> NDArray[np.float32]:
            prediction = model.denoise(x_t, log_snr, x0_prev, labels)
            if guidance != 1 and not np.array_equal(labels, nulls):
                null = model.denoise(x_t, log_snr, x0_prev, np.ascontiguousarray(nulls))
                prediction = null + np.float32(guidance) * (prediction - null)
            alpha_bar = to_alpha_bar(log_snr)[:, None, None]
            return model.space.clip(to_x0(prediction, x_t, alpha_bar, model.prediction))

        return denoise


def _corrected(denoise: Denoise, correct: Correct | None) -> Denoise:
    if correct is None:
        return denoise
    return lambda x_t, log_snr, x0_prev: correct(denoise(x_t, log_snr, x0_prev))


def _sampler(sampling: Sampling) -> Callable[..., Iterator[Step]]:
    """The sampler that is asked for, with its settings bound."""
    name, steps, resample = (
        sampling.get("sampler", "ddpm"), sampling.get("steps", STEPS), sampling.get("resample", 1)
    )  # fmt: skip
    if not 1 <= resample <= MAX_RESAMPLE:
        raise ValueError(f"each level is visited 1 to {MAX_RESAMPLE} times, not {resample}")
    if name not in SAMPLERS:
        raise ValueError(f"a sampler is one of {', '.join(SAMPLERS)}, not {name!r}")
    if name == "ddpm":
        return partial(ddpm, steps=steps, resample=resample, temperature=sampling.get("temperature", TEMPERATURE))
    if "temperature" in sampling:
        raise ValueError(f"a temperature is for the sampler ddpm: {name} draws no noise")
    return partial(SAMPLERS[name], steps=steps, resample=resample)


def _voice(voice: str | Voice) -> Voice:
    if isinstance(voice, Voice):
        return voice
    if voice not in VOICES:
        raise ValueError(f"a voice is one of {', '.join(VOICES)}, not {voice!r}")
    return VOICES[voice]
