"""`compose` and `pick`: melodies from nothing, or from a motif."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import asdict, replace
from numpy.typing import NDArray

from cantilena.asked import AskedRules, asked_rules
from cantilena.edits.bound_sampler import WINDOW
from cantilena.edits.finish import finish
from cantilena.edits.length import Length, lead_round
from cantilena.edits.motif import develop, first_phrase, read_motif
from cantilena.edits.pick import choose, denoising_error, unlike_a_tune
from cantilena.edits.song_form import SAMPLES, SHORTEST, compose_song, octaves_to
from cantilena.edits.steer import Steering
from cantilena.edits.tune_form import compose_tune, draw_density, draw_form, draw_home, draw_style
from cantilena.engine import Engine
from cantilena.labels import Home, PhraseForm, places
from cantilena.music.melody import Melody, transpose
from cantilena.music.metre import Metre
from cantilena.music.midi import to_midi
from cantilena.requests import Compose, Pick
from cantilena.rules import Chords, Form, Key, Rhythm, Rules, binds, chord_notes
from cantilena.sampling import Sampling
from cantilena.sources import Source
from cantilena.verbs.gate import Drawn, broken, first_fit, unfit
from cantilena.verbs.known import known_of
from cantilena.verbs.outcome import RESAMPLE, TUNE_GUIDANCE, Outcome, drawn_by, measured, settled
from cantilena.voices import VOICES, Voice, voice_of

__all__ = ["compose", "compose_many", "pick"]

SONG_GUIDANCE = 3.0  # benchmarks/tunes.py
SHORTEST_TUNE = 4  # bars
BASS = 43  # the median pitch of a bass, about
_BASS = VOICES["bass"].role
LONG_RESAMPLE = 2  # above 64 bars: with one visit the key wanders, with four the tune stands still (docs/findings.md)


def compose(engine: Engine, request: Compose) -> Outcome:
    """A new melody: a song of parts that come again, see `edits.song_form`, or where that is not asked one draw.

    Of one draw fewer than 64 bars are the part of 64 that stands best alone; more have no seam.
    """
    return compose_many(engine, request, [request.seed])[0]


def compose_many(engine: Engine, request: Compose, seeds: Sequence[int]) -> list[Outcome]:
    """One melody a seed, as `compose` would each alone."""
    rules, theme = asked_rules(request.rules), _theme(engine, request)
    metre = Metre.parse(request.metre) if theme is None else theme.metre
    length = Length(request.bars, request.loop, metre, engine.model.least)
    request = _settled(engine, request, rules, theme, length)
    each = [replace(request, seed=seed) for seed in seeds]
    if theme is None and _is_song(engine, request, rules):
        each = [_styled(engine, one) for one in each]
    draw = partial(_melodies, engine, length=length, rules=rules, theme=theme)
    drawn = [_fit(draw, one, melody, rules, theme) for one, melody in zip(each, draw(each), strict=True)]
    return [_outcome(one, *found, rules) for one, found in zip(each, drawn, strict=True)]


def _melodies(
    engine: Engine, requests: Sequence[Compose], *, length: Length, rules: Rules | None, theme: Melody | None
) -> list[Melody]:
    """A draw of each of some requests that differ in nothing but their seeds and styles."""
    request, seeds = requests[0], [one.seed for one in requests]
    drawn = _drawn(request)
    if theme is not None:
        sample, bars, cadence = partial(engine.sample, **drawn), request.bars, request.cadence
        return [
            develop(engine.told(drawn, seed), sample, theme, bars, seed=seed, cadence=cadence) for seed in seeds
        ]  # fmt: skip
    if _is_song(engine, request, rules):
        melodies = _songs(engine, requests, length, rules)
    elif rules is not None:
        return [_steered(engine, request, seed, length, rules) for seed in seeds]
    else:
        found = engine.sample(seeds, **length.asked, **_placed(engine, length), **drawn)  # (seeds, P, D)
        melodies = [_finished(engine, request, x_0, seed, length) for seed, x_0 in zip(seeds, found, strict=True)]
    if engine.model.places_phrases and rules is None:
        return [_in_register(melody, voice_of(request.voice or "lead")) for melody in melodies]
    return melodies


def _fit(
    draw: Callable[[list[Compose]], list[Melody]], request: Compose, first: Melody, rules: Rules | None,
    theme: Melody | None,
) -> Drawn[Melody]:  # fmt: skip
    """The draw of a request that passes the gate: it is music, as far as its motif is, and keeps the rules."""
    theme_is = theme is None or not unfit(theme)

    def fault(melody: Melody) -> float:
        return (unfit(melody) if theme_is else 0.0) + broken(rules, melody)

    return first_fit(lambda seed: draw([replace(request, seed=seed)])[0], fault, request.seed, first=first)


def pick(engine: Engine, request: Pick) -> Outcome:
    """The best of many draws, with all that were picked as its parts, each with a request of its own seed.

    They meet the rules, sound like data and differ from each other: see `edits.pick`. There are fewer than asked for
    where the rest would be near-duplicates.
    """
    one = Compose(**{name: value for name, value in asdict(request).items() if name not in ("k", "of")})
    if _is_song(engine, one, asked_rules(one.rules)):
        one = replace(one, plain=True)  # one draw each: a song is itself the best of several
    tunes = compose_many(engine, one, range(request.seed, request.seed + request.of))
    melodies = [tune.melody for tune in tunes]
    size = WINDOW * melodies[0].metre.phrase_steps
    whole = [m.like(np.resize(m.events, size)) for m in melodies]  # 64 bars of each in 4/4
    labels = engine.labels(_drawn(tunes[0].request))  # type: ignore[arg-type]
    denoise = engine.denoiser(np.tile(labels, (request.of, 1)))
    errors = denoising_error(denoise, np.stack([engine.encode(m) for m in whole]), engine.model.schedule)
    rules = asked_rules(request.rules)
    costs = [unlike_a_tune(m) + (rules.total(m) if rules else 0.0) for m in melodies]
    best = [tunes[i] for i in choose(melodies, request.k, costs, errors.tolist())]
    return dataclasses.replace(best[0], parts=tuple(best))


def _in_register(melody: Melody, voice: Voice) -> Melody:
    """A tune moved by octaves to where a bass lies, for a bass: a network of tunes has hardly heard one."""
    if voice.role != _BASS or not melody.notes.pitch.size:
        return melody
    return melody.like(transpose(melody.events, octaves_to(melody, BASS)))


def _styled(engine: Engine, request: Compose) -> Compose:
    """The request with a style, of a model that knows some: one of its metre, by the seed's chance."""
    if request.style is not None:
        return request
    return replace(request, style=draw_style(engine.model.tunes.styles, request.metre, request.seed))


def _songs(engine: Engine, requests: Sequence[Compose], length: Length, rules: Rules | None) -> list[Melody]:
    """Songs laid out of several draws; of a model that is told the places of phrases, tunes in a real form and key."""
    counted = _Counted(engine, len(requests) * (1 if engine.model.places_phrases else SAMPLES))
    if engine.model.places_phrases:
        return [_tune(engine, counted, request, length, rules) for request in requests]
    sample, told = partial(counted.sample, **_drawn(requests[0])), partial(engine.told, _drawn(requests[0]))
    return [compose_song(sample, told, request.seed, length.bars, length.metre) for request in requests]


def _tune(engine: Engine, counted: _Counted, request: Compose, length: Length, rules: Rules | None) -> Melody:
    """A tune in the form, the key and the density that are asked for, or in real tunes' of the style."""
    bars, metre, model, form, seed = length.bars, length.metre, engine.model, _form(rules), request.seed
    letters = None if form is None else form.letters(bars, metre)
    asked = PhraseForm(letters) if letters else draw_form(model.tunes.forms, request.style, length.phrases, seed)
    if rules is not None and any(isinstance(rule, Rhythm) for rule in rules.rules):  # that is another than the form's
        asked = asked._replace(rhythms=None)
    density = draw_density(model.tunes.densities, request.style, str(metre), seed)
    drawn = _drawn(request, draw_home(model.tunes.homes, request.style, seed), density)
    sample, told = partial(counted.sample, **drawn), partial(engine.told, drawn)
    home = None if drawn["known"].home is None else Key.at_home(*drawn["known"].home)
    key, binding = (None, None) if rules is None else (rules.key, rules.binding)
    sung = voice_of(request.voice or "lead").role != _BASS
    return compose_tune(
        sample, told, seed, bars=bars, metre=metre, asked=asked, key=key, home=home, rules=binding, form=form,
        sung=sung,
    )  # fmt: skip


class _Counted:
    """An engine that counts the steps of so many samples, or more, as one, for who is told of them."""

    def __init__(self, engine: Engine, samples: int) -> None:
        self._done, self._samples, self._told = 0, samples, engine.on_step
        self.sample = dataclasses.replace(engine, on_step=self._step if engine.on_step else None).sample

    def _step(self, _: int, steps: int) -> None:
        self._done += 1
        every = self._samples * steps
        if self._told:
            self._told(min(self._done, every), every)


def _drawn(request: Compose, home: Home | None = None, density: float | None = None) -> Sampling:
    """How a settled request wants its samples drawn; in the key and as dense as it asks for, or else as given here."""
    drawn = drawn_by(request)
    drawn["metre"] = metre = Metre.parse(request.metre)
    drawn["known"] = known_of(asked_rules(request.rules), metre, home=home, density=density)
    return drawn


def _placed(engine: Engine, length: Length, form: Form | None = None) -> dict[str, Any]:
    """What a network of tunes is told of the phrases of a new melody that is drawn for a length, and of its form."""
    if not engine.model.places_phrases or length.loop:
        return {}
    letters = None if form is None else form.letters(length.bars, length.metre)
    return {"places": places(length.asked["phrases"], letters)}


def _is_song(engine: Engine, request: Compose, rules: Rules | None) -> bool:
    """Whether a melody is made as a song: it is to be sung, and nothing shapes it that a song cannot keep."""
    tunes = engine.model.places_phrases
    shaped = request.plain or request.loop or request.motif is not None
    asked = rules is not None and not (tunes and all(isinstance(rule, Form) or binds(rule) for rule in rules.rules))
    shortest = SHORTEST_TUNE if tunes else SHORTEST
    sung = request.voice != "any" and (tunes or request.voice != "bass")
    asked = asked or engine.model.least > WINDOW  # parts are cut out of 64 bars
    return not (shaped or asked) and request.bars >= shortest and sung


def _form(rules: Rules | None) -> Form | None:
    """The form that is asked for."""
    return None if rules is None else next((rule for rule in rules.rules if isinstance(rule, Form)), None)


def _theme(engine: Engine, request: Compose) -> Melody | None:
    """The two bars that a tune is to open with."""
    if request.motif is None:
        return None
    source = Source.of(request.motif)
    return (
        read_motif(source.data, name=source.name, metres=engine.model.metres)
        if source.melody is None
        else first_phrase(source.melody)
    )


def _settled(
    engine: Engine, request: Compose, rules: Rules | None, theme: Melody | None, length: Length
) -> Compose:  # fmt: skip
    song = _is_song(engine, request, rules)
    long = length.phrases > WINDOW and not song
    again = theme is not None and not engine.model.places_phrases  # tunes of a motif are no better for it
    visits = RESAMPLE if again else LONG_RESAMPLE if long else 1
    closes = request.loop and length.phrases < WINDOW
    more: dict[str, Any] = {"loop_resample": request.resample or RESAMPLE} if closes else {}
    if song:
        more["guidance"] = TUNE_GUIDANCE if engine.model.places_phrases else SONG_GUIDANCE
    request = replace(request, metre=str(length.metre))
    voice = "lead" if theme is None else Voice(purity=0)
    qpm = 120.0 if theme is None else theme.qpm
    request = settled(request, rules, voice=voice, resample=visits, qpm=qpm, **more)
    return settled(request, rules, voice=voice, resample=visits, program=voice_of(request.voice).program)


def _finished(
    engine: Engine, request: Compose, x_0: NDArray[np.float32], seed: int, length: Length, rules: Rules | None = None
) -> Melody:
    """What was drawn, (P, D), as a melody of this length."""
    model = engine.told(_drawn(request), seed)
    if request.loop_resample is not None:
        sample = engine.bound_sampler({**_drawn(request), "resample": request.loop_resample})
        x_0 = lead_round(model, sample, x_0, length.bars, seed=seed)
    return finish(model, x_0, length, rules, cadence=request.cadence)


def _steered(engine: Engine, request: Compose, seed: int, length: Length, rules: Rules) -> Melody:
    """A melody of this length by rules, which see its first bars: a part that stands alone is not looked for."""
    asked = length.asked
    steering = Steering.alone(engine.told(_drawn(request), seed), rules, asked["phrases"], length.bars)
    asked |= {"cost": steering.cost(), "shared": steering.shared(asked["phrases"])}
    x_0 = engine.sample([seed], **asked, **_placed(engine, length, _form(rules)), **_drawn(request))[0]
    return _finished(engine, request, x_0, seed, length, rules)


def _outcome(request: Compose, melody: Melody, draw: int, rules: Rules | None) -> Outcome:
    assert request.qpm is not None  # both are settled
    assert request.program is not None
    melody = Melody(melody.events, request.qpm, melody.metre)
    if request.motif is None:
        voice = request.voice if isinstance(request.voice, str) else "melody"
        what = request.style if request.style is not None and voice in ("lead", "melody") else voice
    else:
        what = Path(Source.of(request.motif).name).stem
    name = f"Cantilena, {what}, seed {request.seed}"
    chords = AskedRules.of(request.rules).chords if request.rules is not None and request.chord_track else None
    beneath = chord_notes(Chords(chords), request.bars, melody.metre) if chords is not None else ()
    midi = to_midi(melody, program=request.program, track_name=name, beneath=beneath)
    return Outcome(request, melody, midi, name, rows=measured(rules, melody), draw=draw)
