"""What is written as MusicXML or ABC reads back as it was: notes, metre, key and chords; and every bar adds up."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cantilena.music.chunks import file_chunks, track_events
from cantilena.music.extract import extract
from cantilena.music.melody import Melody
from cantilena.music.metre import Metre
from cantilena.music.midi import read_song
from cantilena.notation.chords import Placed, chords_of, kind_of, normal_chord
from cantilena.notation.reading import to_midi
from cantilena.notation.spelling import alters, spell, tonality
from cantilena.notation.to_abc import to_abc
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.notation.written import written_bars
from cantilena.rules.chords import QUALITIES
from cantilena.rules.pitch import Key

METRES = [
    *(Metre(n, d) for n, d in ((4, 4), (3, 4), (2, 4), (6, 8), (9, 8), (12, 8), (5, 4), (2, 2), (3, 2), (7, 8), (5, 8), (3, 8), (6, 4))),
    *(Metre(n, d, 3) for n, d in ((4, 4), (3, 4), (2, 4), (2, 2), (6, 8), (12, 8), (5, 4))),
]  # fmt: skip
KEYS = [
    "C major",
    "F# minor",
    "Bb major",
    "D dorian",
    "Ab minor",
    "C# major",
    "E phrygian",
    "G# major",
    "A harmonic minor",
    "chromatic",
]
WRITERS = {"musicxml": to_musicxml, "abc": to_abc}


def tune(seed: int) -> tuple[Melody, str, list[Placed]]:
    """A tune of any rhythm on its grid, in a metre and a key, with chords anywhere."""
    draw = np.random.default_rng(seed)
    metre, key = METRES[seed % len(METRES)], KEYS[seed % len(KEYS)]
    bars = int(draw.integers(5, 12))
    start, end, pitch, at = [], [], [], int(draw.integers(0, metre.bar_steps))
    while at < bars * metre.bar_steps:
        length = int(
            draw.choice(
                [1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 14, 40],
                p=[0.1, 0.1, 0.15, 0.15, 0.08, 0.15, 0.05, 0.05, 0.05, 0.06, 0.03, 0.02, 0.01],
            )
        )
        if draw.random() < 0.85:
            start.append(at)
            end.append(min(at + length, bars * metre.bar_steps))
            pitch.append(int(draw.integers(40, 90)))
        at += length
    melody = Melody.from_notes(start, end, pitch, bars=bars, qpm=float(draw.integers(50, 200)), metre=metre)
    names = [root + quality for root in ("C", "F#", "Bb", "Eb") for quality in QUALITIES]
    steps = sorted(draw.choice(int(start[-1]), 6, replace=False).tolist())
    chords = [
        Placed(s // metre.bar_steps + 1, s % metre.bar_steps / metre.bar_steps, names[int(draw.integers(len(names)))])
        for s in steps
    ]
    return melody, key, chords


def keys_in(data: bytes) -> list[tuple[int, int]]:
    """(fifths, 1 of minor) of every key signature in a MIDI file."""
    events = [e for chunk in file_chunks(data, "x")[:-1] for e in track_events(chunk, "x")]
    return [(int.from_bytes(e.text[:1], "big", signed=True), e.text[1]) for e in events if e.message[:2] == b"\xff\x59"]


@pytest.mark.parametrize("written", WRITERS)
@pytest.mark.parametrize("seed", range(50))
def test_fifty_tunes_come_back_as_they_were(seed, written):
    melody, key, chords = tune(seed)
    data = to_midi(WRITERS[written](melody, title="A & B <tune>", key=key, chords=chords, program=40), "x")
    song = read_song(data)
    (track,) = song.tracks
    ticks = 480 / melody.metre.quarter_steps
    start, end, pitch = melody.notes
    assert (track.start / ticks).round(6).tolist() == start.tolist()
    assert (track.end / ticks).round(6).tolist() == end.tolist()
    assert track.pitch.tolist() == pitch.tolist()
    assert [s[1:] for s in song.time_signatures] == [(melody.metre.numerator, melody.metre.denominator)]
    fifths, minor = tonality(Key(key)).signature
    assert keys_in(data) == [(fifths, int(minor))]
    assert [(c.bar, c.name) for c in chords_of(song)] == [(c.bar, c.name) for c in chords]
    assert np.allclose([c.share for c in chords_of(song)], [c.share for c in chords])
    assert song.qpm == pytest.approx(melody.qpm, abs=0.01)
    assert (track.name, track.program) == ("A & B <tune>", 40)


def test_the_product_reads_the_same_melody():
    melody = Melody.from_notes(
        range(0, 96, 3), range(3, 99, 3), [60 + k * 5 % 12 for k in range(32)], bars=8, metre=Metre(6, 8)
    )
    for writer in WRITERS.values():
        assert extract(read_song(to_midi(writer(melody), "x"))).melody == melody


@pytest.mark.parametrize("metre", METRES, ids=str)
def test_every_value_is_one_that_can_be_written(metre):
    """Any start and length: values add up to the bar, none crosses a bar line, and triplets fill their quarter."""
    quarters = {"breve": 8, "whole": 4, "half": 2, "quarter": 1, "eighth": 1 / 2, "16th": 1 / 4}
    bar = metre.bar_steps
    for start in range(bar):
        for length in range(1, 2 * bar - start + 1):
            for values in written_bars(Melody.from_notes([start], [start + length], [60], bars=2, metre=metre)):
                assert sum(v.length for v in values) == bar
                for v in values:
                    if v.kind:
                        told = quarters[v.kind] * (1.5 if v.dotted else 1) * (2 / 3 if v.triplet else 1)
                        assert v.length == pytest.approx(told * metre.quarter_steps)
                opened = [v.length for v in values if v.triplet]
                assert sum(opened) % 3 == 0
                assert sum(v.opens > 0 for v in values) == sum(v.closes for v in values)


def test_syncopations_are_tied_over_beats_and_waltzes_dotted():
    (bar,) = written_bars(Melody.from_notes([0], [12], [60], metre=Metre(3, 4)))
    assert [(v.kind, v.dotted) for v in bar] == [("half", True)]
    (jig,) = written_bars(Melody.from_notes([0, 6, 8], [6, 8, 12], [60, 62, 64], metre=Metre(6, 8)))
    assert [(v.kind, v.dotted) for v in jig] == [("quarter", True), ("eighth", False), ("quarter", False)]
    (over,) = written_bars(Melody.from_notes([0], [8], [60], metre=Metre(6, 8)))
    assert [(v.kind, v.dotted) for v in over if v.pitch] == [("quarter", True), ("eighth", False)]
    (late,) = written_bars(Melody.from_notes([3], [8], [60]))
    assert [(v.kind, v.tied_to) for v in late if v.pitch] == [("16th", True), ("quarter", False)]


def test_beams_join_the_notes_of_a_beat():
    (bar,) = written_bars(Melody.from_notes([0, 2, 4, 7, 8, 9, 12], [2, 4, 7, 8, 9, 12, 16], [60] * 7))
    assert [v.beams for v in bar] == [
        ("begin",),
        ("end",),
        ("begin",),
        ("end", "backward hook"),
        ("begin", "forward hook"),
        ("end",),
        (),
    ]


@pytest.mark.parametrize("key", KEYS)
def test_notes_of_the_scale_are_spelled_as_the_signature_has_them(key):
    found = tonality(Key(key))
    if key in ("chromatic", "A harmonic minor"):
        return
    for tone in Key(key).scale:
        step, alter, octave = spell(60 + tone, found.signature)
        assert alter == alters(found.signature)[step]
        assert 12 * (octave + 1) + dict(C=0, D=2, E=4, F=5, G=7, A=9, B=11)[step] + alter == 60 + tone


def test_notes_outside_the_scale_are_spelled_as_is_usual():
    def names(key: str) -> str:
        signature = tonality(Key(key)).signature
        spelled = [spell(60 + k, signature) for k in range(12)]
        return " ".join(s.step + "#" * s.alter + "b" * -s.alter for s in spelled)

    assert names("C major") == "C C# D Eb E F F# G G# A Bb B"
    assert names("A minor") == "C C# D D# E F F# G G# A Bb B"
    assert names("Eb major") == "C Db D Eb E F Gb G Ab A Bb B"
    assert names("E major") == "C C# D D# E F F# G G# A A# B"
    assert names("C# major") == "B# C# D D# E E# F# G G# A A# B"


def test_accidentals_stand_once_in_a_bar_and_not_beyond_a_tie():
    melody = Melody.from_notes([0, 4, 8, 12, 20], [4, 8, 12, 20, 24], [66, 66, 65, 66, 65], bars=2)
    told = [e.text for e in ElementTree.fromstring(to_musicxml(melody, key="C major")).iter("accidental")]
    assert told == ["sharp", "natural", "sharp"]  # bar 2: F# tied over, then F, which the signature has
    body = to_abc(melody, key="C major").decode().split("K:C\n")[1]
    assert body.strip() == "^F2 ^F2 =F2 ^F2- | ^F2 =F2 z4 |]"


def test_a_key_that_is_not_told_is_estimated():
    up = [57, 59, 60, 62, 64, 65, 68, 69, 69, 64, 60, 57]
    melody = Melody.from_notes(range(0, 48, 4), range(4, 52, 4), up)
    assert "K:Amin" in to_abc(melody).decode()
    assert re.search(r"<fifths>0</fifths>\s*<mode>minor", to_musicxml(melody).decode())
    assert "K:C\n" in to_abc(Melody.from_notes([], [], [], bars=1)).decode()


@pytest.mark.parametrize("quality", QUALITIES)
def test_every_chord_has_a_kind(quality):
    assert kind_of(quality)[0] != "other"


@pytest.mark.parametrize(
    "name", ["G7addb9", "Csus4add7add9/G", "Ab7addb13", "C7alt", "F#m7addb9/E", "Dmaj7add#11", "C13b9#11"]
)
@pytest.mark.parametrize("written", WRITERS)
def test_chords_that_have_no_name_in_musicxml_come_back_too(name, written):
    melody = Melody.from_notes([0], [16], [60], bars=1)
    read = chords_of(read_song(to_midi(WRITERS[written](melody, chords=[Placed(1, 0, normal_chord(name))]), "x")))
    assert [chord.name for chord in read] == [normal_chord(name)] != [""]


@pytest.mark.parametrize(
    ("metre", "qpm", "abc", "beat", "dotted", "number"),
    [
        ((4, 4), 97.3, "Q:1/4=97.3", "quarter", False, "97.3"),
        ((6, 8), 165.0, "Q:3/8=110", "quarter", True, "110"),
        ((3, 8), 120.0, "Q:3/8=80", "quarter", True, "80"),
        ((2, 2), 165.0, "Q:1/2=82.5", "half", False, "82.5"),
        ((2, 1), 120.0, "Q:1/1=30", "whole", False, "30"),
        ((9, 8), 100.0, "Q:1/4=100", "quarter", False, "100"),  # 66.666... is no number to print
    ],
)
def test_a_tempo_is_told_in_the_beat_of_its_metre(metre, qpm, abc, beat, dotted, number):
    melody = Melody.from_notes([0], [4], [60], bars=1, qpm=qpm, metre=Metre(*metre))
    assert abc in to_abc(melody).decode().splitlines()
    metronome = ElementTree.fromstring(to_musicxml(melody)).find(".//metronome")
    assert metronome.findtext("beat-unit") == beat
    assert (metronome.find("beat-unit-dot") is not None) == dotted
    assert metronome.findtext("per-minute") == number
    assert [child.tag for child in metronome][-1] == "per-minute"
