"""`Composer`: the front door, and the only place where all stairs meet. Melody in, Melody out.

composer = cantilena.load()
melody = composer.compose(seed=7)
melody.save("tune.mid")
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from cantilena.editor import RESAMPLE, Editor, Source, asked_rules
from cantilena.edits.draw import WINDOW
from cantilena.edits.finish import finish
from cantilena.edits.length import WHOLE, Length, lead_round, stream
from cantilena.edits.motif import develop, read_motif, two_bars
from cantilena.edits.pick import choose, surprise
from cantilena.edits.sign import sign
from cantilena.edits.steer import Steering
from cantilena.model import DEFAULT_MODEL, Model
from cantilena.music.melody import PHRASE_STEPS, Melody, check_tempo
from cantilena.receipt import Tune
from cantilena.rules import Asked, Rules
from cantilena.sampling import Sampling, Voice, voice_of

__all__ = ["RESAMPLE", "Composer", "load"]

PICK_OF = 64  # draws
LONG_RESAMPLE = 2  # above 64 bars: with one visit the key wanders, with four the tune stands still (CHANGELOG)


def load(name: str | Path = DEFAULT_MODEL, *, threads: int = 1) -> Composer:
    """A composer with a shipped model, by name, or one in a folder of yours. ModelError where there is none."""
    return Composer(Model.load(name, threads=threads))


class Composer(Editor):
    """Composes melodies with a `Model`. Everything random comes from the seeds you give.

    Each verb is a method: what takes music is in `Editor`, what gives latents in `Drawing`.
    """

    def compose(
        self, seed: int = 0, *, bars: int = WHOLE, qpm: float | None = None, loop: bool = False,
        motif: Melody | Source | None = None, cadence: bool = False, rules: Asked | None = None,
        **sampling: Unpack[Sampling],
    ) -> Tune:  # fmt: skip
        """A new melody of 2 to 1,000 bars; the same seed and arguments give the same notes on the same machine.

        Fewer than 64 bars are the part of 64 that stands best alone, more are seen through overlapping windows and have
        no seam. With `loop` the end leads back to the start. A `motif` (two bars of a MIDI file or Melody) opens the
        tune as it is and comes back in it; with `cadence` the tune ends on a long, stable note. `rules` are asked of
        the melody: words such as {"key": "D dorian", "density": "4..6"}, or rules, your own functions among them; see
        `cantilena.rules`. `qpm` is 120, or the motif's. The other keywords are those of `Sampling`. Raises ValueError
        for a wrong argument, MidiError for a file without a motif.
        """
        return self.compose_many(
            [seed], bars=bars, qpm=qpm, loop=loop, motif=motif, cadence=cadence, rules=rules, **sampling
        )[0]

    def compose_many(
        self, seeds: Sequence[int], *, bars: int = WHOLE, qpm: float | None = None, loop: bool = False,
        motif: Melody | Source | None = None, cadence: bool = False, rules: Asked | None = None,
        **sampling: Unpack[Sampling],
    ) -> list[Tune]:  # fmt: skip
        """One melody a seed, as `compose` would each alone; see there."""
        length, asked = Length(bars, loop), asked_rules(rules)
        check_tempo(120.0 if qpm is None else qpm)
        bars = length.bars
        if motif is not None and (loop or asked):
            raise ValueError(f"a tune of a motif takes no {'loop' if loop else 'rules'}: give one or the other")
        if loop and cadence:
            raise ValueError("a loop does not come to rest: give --loop or --cadence")
        if bars > WHOLE or motif is not None:
            sampling = {"resample": LONG_RESAMPLE if motif is None else RESAMPLE, **sampling}
        if motif is not None:
            voice: Sampling = {"voice": Voice(purity=0), **sampling}
            theme = two_bars(motif) if isinstance(motif, Melody) else read_motif(motif)
            draw = self.draw(voice)
            melodies = [
                develop(self.told(voice, seed), draw, theme, bars, seed=seed, cadence=cadence) for seed in seeds
            ]
            qpm = theme.qpm if qpm is None else qpm
        elif asked:
            melodies = [self._steered(seed, length, asked, cadence, sampling) for seed in seeds]
        else:
            drawn = self.sample(seeds, **length.asked, **sampling)  # (seeds, P, D)
            melodies = [
                finish(self.told(sampling, seed), self._ring(x_0, seed, length, sampling), length, cadence=cadence)
                for seed, x_0 in zip(seeds, drawn, strict=True)
            ]
        given: dict[str, Any] = {
            "bars": bars, "qpm": qpm, "loop": loop or None, "motif": motif, "cadence": cadence or None,
        }  # fmt: skip
        tunes = []
        for seed, melody in zip(seeds, melodies, strict=True):
            receipt = sign(self.model, "compose", melody, sampling, files=("motif",), rules=asked, seed=seed, **given)
            tunes.append(Tune(melody.events, 120.0 if qpm is None else qpm, receipt))
        return tunes

    def _ring(
        self, x_0: NDArray[np.float32], seed: int, length: Length, sampling: Sampling
    ) -> NDArray[np.float32]:  # fmt: skip
        """What was drawn; for a loop of fewer than 64 bars, a part of it that leads round."""
        if not length.loop or length.bars >= WHOLE:
            return x_0
        draw = self.draw({"resample": RESAMPLE, **sampling})
        return lead_round(self.told(sampling, seed), draw, x_0, length.bars, seed=seed)

    def _steered(self, seed: int, length: Length, rules: Rules, cadence: bool, sampling: Sampling) -> Melody:
        """A melody of this length by rules, which see its first bars: a part that stands alone is not looked for."""
        asked, model = length.asked, self.told(sampling, seed)
        steering = Steering.alone(model, rules, asked["phrases"], length.bars)
        asked |= {"cost": steering.cost(), "ties": steering.ties(asked["phrases"])}
        x_0 = self.sample([seed], **asked, **sampling)[0]
        return finish(model, self._ring(x_0, seed, length, sampling), length, rules, cadence=cadence)

    def pick(
        self, k: int, *, of: int = PICK_OF, seed: int = 0, rules: Asked | None = None, **arguments: Any
    ) -> list[Tune]:
        """`k` of the tunes that `compose` gives with seeds `seed`, `seed` + 1 ..., the best first: see `edits.pick`.

        Of `of` draws, those keep that meet the `rules`, sound like data and differ from each other; fewer than `k`
        where the rest would be near-duplicates. Each tune's receipt has its own seed. Arguments and errors as of
        `compose`; ValueError where fewer are drawn than wanted.
        """
        asked = asked_rules(rules)
        if not 1 <= k <= of:
            raise ValueError(f"1 to {of} of {of} draws can be picked, not {k}")
        tunes = self.compose_many(range(seed, seed + of), rules=asked, **arguments)
        whole = [Melody.from_tokens(np.resize(t.events, WINDOW * PHRASE_STEPS)) for t in tunes]  # 64 bars of each
        voice = voice_of(arguments.get("voice", "lead"))
        denoise = self.denoiser(np.tile(voice.labels, (of, 1)))
        surprises = surprise(denoise, np.stack([self.encode(m) for m in whole]), self.model.schedule)
        costs = [asked.total(t) if asked else 0.0 for t in tunes]
        return [tunes[i] for i in choose(tunes, k, costs, surprises.tolist())]

    def stream(self, seed: int = 0, *, qpm: float = 120.0, **sampling: Unpack[Sampling]) -> Iterator[Melody]:
        """A melody without an end: a generator of its next bars, two or a few more at a time.

        The first come after one sample of 64 bars; then 32 bars are composed after each 32 that were taken. The same
        seed gives the same music. Keywords and errors as in `compose`.
        """
        return stream(self.told(sampling, seed), self.draw({"resample": RESAMPLE, **sampling}), seed, qpm)
