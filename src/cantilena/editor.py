"""`Editor`: what `Composer` does to music that is there. A song goes in and comes out, or a Melody."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, Unpack, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cantilena.diffusion.path import ddim_invert
from cantilena.diffusion.windows import windowed
from cantilena.drawing import Drawing
from cantilena.edits import extend as _extend
from cantilena.edits import morph as _morph
from cantilena.edits import vary as _vary
from cantilena.edits.draw import Draw
from cantilena.edits.edited import Edited
from cantilena.edits.recompose import recompose
from cantilena.edits.sign import sign
from cantilena.edits.steer import check_held
from cantilena.edits.subject import Alone, InFile, Sign, Subject
from cantilena.music.bars import Bars, parse_bars
from cantilena.music.extract import extract
from cantilena.music.locks import lock_melody
from cantilena.music.melody import Melody
from cantilena.music.midi import read_song
from cantilena.music.passage import read_passage
from cantilena.music.room import make_room, room_after, room_before, room_between
from cantilena.receipt import Tune
from cantilena.rules import Asked, Rules, make_rules
from cantilena.sampling import STEPS, Sampling, Voice, voice_of

__all__ = ["RESAMPLE", "BarsGiven", "Editor", "Grid", "Source", "asked_rules"]

RESAMPLE = 4  # visits of each level: benchmarks/edits.py shows the seams
BarsGiven: TypeAlias = str | Sequence[tuple[int, int]]
Grid: TypeAlias = Literal["odd", "even"]
Source: TypeAlias = str | Path | bytes  # a MIDI file


class Editor(Drawing):
    """The verbs that take music: infill, extend, bridge, vary, morph, blend.

    A song is a MIDI file, of which every event but the composed notes comes back as it was, and the result is an
    `Edited`; or a Melody, and so is the result. Its melody's track is chosen as `cantilena inspect` shows, or `track`.
    The voice is the track's own unless it is given. Raises ValueError for a wrong argument and MidiError (one line)
    for a song that cannot be edited so.
    """

    @overload
    def infill(
        self, song: Melody, bars: BarsGiven, *, keep: Melody | None = None, grid: Grid | None = None, seed: int = 0,
        rules: Asked | None = None, **sampling: Unpack[Sampling],
    ) -> Melody: ...  # fmt: skip

    @overload
    def infill(
        self, song: str | Path | bytes, bars: BarsGiven, *, track: int | None = None,
        keep: str | Path | bytes | None = None, grid: Grid | None = None, seed: int = 0,
        rules: Asked | None = None, **sampling: Unpack[Sampling],
    ) -> Edited: ...  # fmt: skip

    def infill(
        self, song: Melody | str | Path | bytes, bars: BarsGiven, *, track: int | None = None,
        keep: Melody | str | Path | bytes | None = None, grid: Grid | None = None, seed: int = 0,
        rules: Asked | None = None, **sampling: Unpack[Sampling],
    ) -> Melody | Edited:  # fmt: skip
        """Compose `bars` ("17-32,41-44", counted from 1, or pairs) of a song anew; all else stays as it is.

        `song` is a MIDI file, of which everything but the bars' notes comes back event by event, or a Melody. The
        melody's track is chosen as `cantilena inspect` shows, or `track`. Notes of `keep` stand in the result as they
        are. Phrases of two bars begin on bars of the `grid`, "odd" or "even"; by default on the first bar given.
        `rules` see the new bars as one melody. The voice is the track's own unless it is given; `resample` is
        RESAMPLE. Raises ValueError for a wrong argument, MidiError (one line) for a song that cannot be edited so.
        """
        spans, asked = parse_bars(bars), asked_rules(rules)
        _seed(seed)
        _lead(1, spans, grid)
        subject: Subject
        if isinstance(song, Melody):
            if track is not None or not (keep is None or isinstance(keep, Melody)):
                raise ValueError("of a Melody no track is chosen, and the notes to keep are a Melody")
            subject = Alone(lock_melody(song, spans, keep), song.qpm)
        elif isinstance(keep, Melody):
            raise ValueError("of a MIDI file the notes to keep are a MIDI file")
        else:
            subject = InFile(read_passage(song, spans, track=track, keep=keep))
        if asked is not None:
            check_held(asked, subject.locks, subject.first)
        sampling = {"resample": RESAMPLE, "voice": subject.voice, **sampling}
        model, draw = self.told(sampling, seed), self.draw(sampling)
        lead = _lead(subject.first, spans, grid)
        tokens = recompose(model, subject.locks, draw, seed=seed, lead=lead, rules=asked)
        signed = self._signed(
            "infill", sampling, ("song", "keep"), song=song, bars=spans, track=track, keep=keep, grid=grid, seed=seed
        )
        return subject.result(tokens, signed, rules=asked)

    @overload
    def extend(
        self, song: Melody, bars: int = 32, *, before: bool = False, seed: int = 0, rules: Asked | None = None,
        **sampling: Unpack[Sampling],
    ) -> Melody: ...  # fmt: skip

    @overload
    def extend(
        self, song: Source, bars: int = 32, *, before: bool = False, track: int | None = None, seed: int = 0,
        rules: Asked | None = None, **sampling: Unpack[Sampling],
    ) -> Edited: ...  # fmt: skip

    def extend(
        self, song: Melody | Source, bars: int = 32, *, before: bool = False, track: int | None = None, seed: int = 0,
        rules: Asked | None = None, **sampling: Unpack[Sampling],
    ) -> Melody | Edited:  # fmt: skip
        """Go on with a melody for 1 to 1,000 new `bars` after its last, or lead up to its first (`before`).

        Other tracks that go on longer stay beneath the new bars; with `before` all that the file has comes so many
        bars later. However many bars are new, they have no seam (`diffusion.windowed`). `rules` see them as
        one melody.
        """
        _seed(seed)
        asked = asked_rules(rules)
        subject: Subject
        if isinstance(song, Melody):
            _no_track(track)
            subject = Alone(make_room(bars, before=song) if before else make_room(bars, after=song), song.qpm)
        else:
            subject = InFile((room_before if before else room_after)(song, bars, track=track))
        sampling = {"resample": RESAMPLE, "voice": subject.voice, **sampling}
        model, draw = self.told(sampling, seed), self.draw(sampling)
        tokens = _extend.extend(model, subject.locks, draw, seed=seed, rules=asked)
        signed = self._signed(
            "extend", sampling, ("song",), song=song, bars=bars, before=before or None, track=track, seed=seed
        )
        return subject.result(tokens, signed, rules=asked)

    @overload
    def bridge(
        self, a: Melody, b: Melody, bars: int = 8, *, seed: int = 0, rules: Asked | None = None,
        **sampling: Unpack[Sampling],
    ) -> Melody: ...  # fmt: skip

    @overload
    def bridge(
        self, a: Source, b: Source, bars: int = 8, *, track: int | None = None, track_b: int | None = None,
        seed: int = 0, rules: Asked | None = None, **sampling: Unpack[Sampling],
    ) -> Edited: ...  # fmt: skip

    def bridge(
        self, a: Melody | Source, b: Melody | Source, bars: int = 8, *, track: int | None = None,
        track_b: int | None = None, seed: int = 0, rules: Asked | None = None, **sampling: Unpack[Sampling],
    ) -> Melody | Edited:  # fmt: skip
        """Song `a`, then 1 to 1,000 new `bars` of its melody that lead to song `b`, then b: both as they are.

        The tracks of b, and its tempo, stand behind those of a in one file. `rules` see the new bars.
        """
        _seed(seed)
        asked = asked_rules(rules)
        subject: Subject
        if isinstance(a, Melody) and isinstance(b, Melody):
            _no_track(track if track_b is None else track_b)
            subject = Alone(make_room(bars, after=a, before=b), a.qpm)
        elif isinstance(a, Melody) or isinstance(b, Melody):
            raise ValueError("a bridge leads from one MIDI file to another, or from one Melody to another")
        else:
            subject = InFile(room_between(a, b, bars, track=track, track_b=track_b))
        sampling = {"resample": RESAMPLE, "voice": subject.voice, **sampling}
        model, draw = self.told(sampling, seed), self.draw(sampling)
        tokens = _extend.bridge(model, subject.locks, draw, seed=seed, rules=asked)
        signed = self._signed(
            "bridge", sampling, ("a", "b"), a=a, b=b, bars=bars, track=track, track_b=track_b, seed=seed
        )
        return subject.result(tokens, signed, rules=asked)

    @overload
    def vary(
        self, song: Melody, strength: float, *, bars: BarsGiven | None = None, grid: Grid | None = None, seed: int = 0,
        **sampling: Unpack[Sampling],
    ) -> Melody: ...  # fmt: skip

    @overload
    def vary(
        self, song: Source, strength: float, *, bars: BarsGiven | None = None, track: int | None = None,
        grid: Grid | None = None, seed: int = 0, **sampling: Unpack[Sampling],
    ) -> Edited: ...  # fmt: skip

    def vary(
        self, song: Melody | Source, strength: float, *, bars: BarsGiven | None = None, track: int | None = None,
        grid: Grid | None = None, seed: int = 0, **sampling: Unpack[Sampling],
    ) -> Melody | Edited:  # fmt: skip
        """A variation of a melody, or of some `bars` of it: `strength` 0 is the melody as it is, 1 is a new one.

        Between them about 1 - strength of the notes stay, and where the song repeats, so does the variation. The same
        seed at another strength is the same variation, nearer or farther. `grid` is as in `infill`.
        """
        _seed(seed)
        asked = None if bars is None else parse_bars(bars)
        subject: Subject
        if isinstance(song, Melody):
            _no_track(track)
            spans = asked or ((1, song.bars),)
            subject = Alone(lock_melody(song, spans), song.qpm)
        else:
            read = read_song(song)
            spans = asked or _vary.melody_bars(read, track)
            subject = InFile(read_passage(read, spans, track=track))
        sampling = {"voice": subject.voice, **sampling}
        model, draw = self.told(sampling, seed), self.draw(sampling)
        lead = _lead(subject.first, spans, grid)
        locks, tokens = _vary.vary(model, subject.locks, draw, strength=strength, seed=seed, lead=lead)
        signed = self._signed(
            "vary", sampling, ("song",), song=song, strength=strength, bars=asked, track=track, grid=grid, seed=seed
        )
        return subject.result(tokens, signed, locks=locks)

    @overload
    def morph(
        self, a: Melody | Source, b: Melody | Source, *, steps: int = 8, step: None = None,
        tracks: Sequence[int] | None = None, seed: int = 0, voice: str | Voice = "any", sampling_steps: int = STEPS,
    ) -> list[Tune]: ...  # fmt: skip

    @overload
    def morph(
        self, a: Melody | Source, b: Melody | Source, *, steps: int = 8, step: int,
        tracks: Sequence[int] | None = None, seed: int = 0, voice: str | Voice = "any", sampling_steps: int = STEPS,
    ) -> Tune: ...  # fmt: skip

    def morph(
        self, a: Melody | Source, b: Melody | Source, *, steps: int = 8, step: int | None = None,
        tracks: Sequence[int] | None = None, seed: int = 0, voice: str | Voice = "any", sampling_steps: int = STEPS,
    ) -> list[Tune] | Tune:  # fmt: skip
        """`steps` melodies that lead from the melody of song `a` to that of `b`, which are the first and the last.

        All are as long as the shorter of the two. `tracks` are the two tracks' numbers. `step` asks for one of them
        alone, counted from 1, or, as 0, for all in a row.
        """
        _seed(seed)
        if step is not None and not 0 <= step <= steps:
            raise ValueError(f"a morph of {steps} steps has no step {step}")
        ways = self._ways(voice, sampling_steps)
        one, other = _morph.melodies_of([a, b], tracks)
        found = _morph.morph(self.told({"voice": voice}, seed), one, other, *ways, steps=steps, seed=seed)
        given: dict[str, Any] = {
            "a": a,
            "b": b,
            "steps": steps,
            "tracks": tracks,
            "voice": voice,
            "sampling_steps": sampling_steps,
        }

        def told(melody: Melody, k: int) -> Tune:
            receipt = sign(self.model, "morph", melody, {}, files=("a", "b"), step=k, seed=seed, **given)
            return Tune(melody.events, melody.qpm, receipt)

        if step is None:
            return [told(melody, k) for k, melody in enumerate(found, 1)]
        return told(found[step - 1] if step else _morph.in_a_row(found), step)

    def blend(
        self, songs: Sequence[Melody | Source], weights: ArrayLike, *, tracks: Sequence[int] | None = None,
        seed: int = 0, voice: str | Voice = "any", sampling_steps: int = STEPS,
    ) -> Tune:  # fmt: skip
        """One melody of several: `weights` (places, songs) say how much of each is heard, from its start to its end.

        The places are evenly spaced, and between them the weights are too. Where one song weighs all, its own notes
        stand. It is as long as the shortest of the songs.
        """
        _seed(seed)
        ways, parts = self._ways(voice, sampling_steps), _morph.melodies_of(songs, tracks)
        melody = _morph.blend(self.told({"voice": voice}, seed), parts, weights, *ways, seed=seed)
        files = [f"songs.{k}" for k in range(len(songs))]
        rows = np.asarray(weights, np.float64).tolist()
        receipt = sign(
            self.model, "blend", melody, {}, files=files, songs=list(songs), weights=rows, tracks=tracks, seed=seed,
            voice=voice, sampling_steps=sampling_steps,
        )  # fmt: skip
        return Tune(melody.events, melody.qpm, receipt)

    def _ways(self, voice: str | Voice, steps: int) -> tuple[Draw, _morph.Invert]:
        """Down from noise and up to it, both without chance."""
        denoise = windowed(self.denoiser(voice_of(voice).labels[None]))

        def invert(x_0: NDArray[np.float32], *, to: float) -> NDArray[np.float32]:
            *_, x_t = ddim_invert(denoise, x_0, self.model.schedule, steps=steps, to=to)
            return x_t

        return self.draw({"voice": voice, "sampler": "ddim", "steps": steps}), invert

    def _signed(self, verb: str, sampling: Sampling, files: Sequence[str], **given: Any) -> Sign:
        """What makes the receipt of a verb with these arguments, of which `files` name files."""
        return partial(sign, self.model, verb, sampling=sampling, files=files, **given)


def _seed(seed: int) -> None:
    if isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seeds are integers from 0 up, not {seed}")


def _no_track(track: int | None) -> None:
    if track is not None:
        raise ValueError("of a Melody no track is chosen")


def _lead(first: int, spans: Bars, grid: Grid | None) -> int:
    """How many bars before bar `first` phrases begin: 0 or 1, so that one begins on the first bar given, or `grid`."""
    if grid not in (None, "odd", "even"):
        raise ValueError(f"phrases begin on odd or even bars, not {grid!r}")
    on_odd = spans[0][0] % 2 == 1 if grid is None else grid == "odd"
    return int((first % 2 == 1) != on_odd)


def asked_rules(asked: Asked | None) -> Rules | None:
    """Rules as a verb takes them; those of a file are read from it."""
    return None if asked is None else make_rules(asked, read=_melody_of)


def _melody_of(path: str) -> Melody:
    found = extract(read_song(path)).melody
    assert found is not None
    return found
