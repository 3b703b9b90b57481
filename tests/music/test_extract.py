"""The extraction rules, one hand-made file each."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_files import STEP, Note, chunk, midi, signature, song, track, tune

from cantilena.errors import MidiError
from cantilena.music.extract import FAMILIES, ROLES, UNKNOWN_FAMILY, Candidate, candidates, extract
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON, FOUR_FOUR, Metre
from cantilena.music.midi import read_song, to_midi

SCALE: list[Note] = [(4 * i, 4 * i + 4, 60 + i % 8) for i in range(32)]  # 8 bars


def found(data: bytes) -> list[Candidate]:
    return candidates(read_song(data), FOUR_FOUR)


def only(data: bytes) -> Candidate:
    (candidate,) = found(data)
    return candidate


def melody_of(data: bytes) -> Melody:
    melody = only(data).melody
    assert melody is not None
    return melody


def notes(melody: Melody) -> list[Note]:
    return list(zip(*(a.tolist() for a in melody.notes), strict=True))


@given(st.integers(0, 10_000), st.integers(8, 14))
def test_a_written_melody_is_extracted_as_it_was(seed: int, bars: int) -> None:
    melody = Melody.from_notes(*zip(*tune(seed, bars), strict=True), qpm=125)
    assert melody_of(to_midi(melody)) == melody


def test_every_region_in_common_time_is_a_melody_and_waltzes_are_not() -> None:
    waltz = [(128 + 4 * i, 132 + 4 * i, 60 + i % 7) for i in range(24)]  # 8 bars of 3/4
    again = [(224 + 4 * i, 228 + 4 * i, 67 - i % 8) for i in range(32)]
    signatures = [(0, 4, 4), (128, 3, 4), (224, 4, 4)]
    first, second = found(song(track(SCALE + waltz + again), signatures=signatures))
    assert (first.region, second.region) == (0, 1)
    assert first.melody is not None
    assert second.melody is not None
    assert notes(first.melody) == SCALE
    assert notes(second.melody) == [(s - 224, e - 224, p) for s, e, p in again]


def test_a_note_that_rings_into_a_waltz_ends_with_its_region() -> None:
    last = [(124, 150, 70)]
    signatures = [(0, 4, 4), (128, 3, 4)]
    assert notes(melody_of(song(track(SCALE[:-1] + last), signatures=signatures)))[-1] == (124, 128, 70)


@pytest.mark.parametrize(
    ("signature", "papers"),
    [((2, 2), True), ((4, 4), True), ((2, 4), False), ((3, 4), False), ((12, 8), False), ((5, 8), False)],
)
def test_the_paper_has_one_metre_and_we_have_all(signature: tuple[int, int], papers: bool) -> None:
    data = song(track(SCALE), signatures=[(0, *signature)])
    assert bool(found(data)) is papers
    (whole,) = candidates(read_song(data))
    assert whole.melody is not None
    assert (whole.melody.metre, notes(whole.melody), whole.off) == (Metre(*signature), SCALE, 0)


def test_a_metre_without_whole_steps_or_with_too_many_is_left_out() -> None:
    for metre in ((17, 4), (3, 64), (1, 128), (0, 4)):
        assert candidates(read_song(song(track(SCALE), signatures=[(0, *metre)]))) == []


def test_triplets_are_the_grid_of_notes_that_lie_nearer_to_them() -> None:
    events = []
    for i in range(64):  # long and short: at 0 and 2/3 of each quarter
        start = i // 2 * 480 + (320 if i % 2 else 0)
        events += [(start, bytes([0x90, 60 + i % 8, 80])), (start + 150, bytes([0x80, 60 + i % 8, 0]))]
    read = read_song(midi(chunk(events)))
    (shuffle,) = candidates(read)
    assert shuffle.melody is not None
    assert shuffle.melody.metre == Metre(4, 4, 3)
    assert shuffle.melody.notes.start[:4].tolist() == [0, 2, 3, 5]
    assert shuffle.off == 0
    (bent,) = candidates(read, FOUR_FOUR)
    assert bent.melody is not None
    assert bent.melody.metre == COMMON
    assert 0.04 < bent.off < 0.05  # of two notes one is a twelfth of a quarter off


def test_neighbouring_regions_are_joined_where_their_bar_lines_agree() -> None:
    joined = melody_of(song(track(SCALE), signatures=[(0, 4, 4), (64, 2, 2)]))
    assert notes(joined) == SCALE
    apart = found(song(track(SCALE), signatures=[(0, 4, 4), (72, 4, 4)]))  # in the middle of a bar
    assert [c.region for c in apart] == [0, 1]


def test_bars_are_counted_from_the_bar_of_the_first_onset() -> None:
    late = [(s + 3 * 16 + 12, e + 3 * 16 + 12, p) for s, e, p in SCALE]  # a pickup of one quarter, in bar 4
    candidate = only(song(track(late)))
    assert candidate.first_bar == 3
    assert candidate.melody is not None
    assert notes(candidate.melody) == [(s + 12, e + 12, p) for s, e, p in SCALE]


def test_notes_go_to_the_nearest_sixteenth_halves_up() -> None:
    ticks = [0, 59, 60, 179, 180, 300]  # of 120 a sixteenth
    filler = [(tick + 1200, tick + 1260, 70 + i) for i, tick in enumerate(range(0, 20 * 240, 240))]
    shifted = [(tick + k * 960, tick + k * 960 + 10, 60) for k, tick in enumerate(ticks)]
    events = []
    for start, end, pitch in [*shifted[:1], *filler]:
        events += [(start, bytes([0x90, pitch, 80])), (end, bytes([0x80, pitch, 0]))]
    assert notes(melody_of(midi(chunk(events))))[0][0] == 0
    for tick, step in zip(ticks, [0, 0, 1, 1, 2, 3], strict=True):
        events = []
        for k in range(16):
            start = tick + k * 960
            events += [(start, bytes([0x90, 60 + k % 5, 80])), (start + 10, bytes([0x80, 60 + k % 5, 0]))]
        first = notes(melody_of(midi(chunk(events))))[0]
        assert first == (step, step + 1, 60), "and a note is at least a sixteenth long"


def test_odd_divisions_are_rounded_like_any_other() -> None:
    events = []
    for i, (start, end, pitch) in enumerate(SCALE):
        events += [
            (round(start * 96.25 / 4), bytes([0x90, pitch, 80])),
            (round(end * 96.25 / 4) - 1, bytes([0x80, pitch, 0])),
        ]
        assert i < 32
    assert [s for s, _, _ in notes(melody_of(midi(chunk(events), division=96)))] == [s for s, _, _ in SCALE]


def test_the_highest_note_of_an_onset_wins_and_the_share_of_the_others_is_told() -> None:
    thirds = [(s, e, p - 4) for s, e, p in SCALE[:16]]
    candidate = only(song(track(SCALE + thirds)))
    assert candidate.melody is not None
    assert notes(candidate.melody) == SCALE
    assert candidate.dropped == pytest.approx(16 / 48)


def test_a_new_onset_cuts_the_note_before() -> None:
    legato = [(s, e + 3, p) for s, e, p in SCALE]
    assert notes(melody_of(song(track(legato))))[:-1] == SCALE[:-1]


def test_a_lower_note_cuts_too() -> None:
    over = [(0, 16, 90), *[(s, e, p) for s, e, p in SCALE if s]]
    assert notes(melody_of(song(track(over))))[0] == (0, 4, 90)


def test_the_last_note_rings_for_one_bar_past_its_own_at_most() -> None:
    assert melody_of(song(track([*SCALE[:-1], (124, 400, 70)]))).bars == 9
    assert notes(melody_of(song(track([*SCALE[:-1], (124, 400, 70)]))))[-1] == (124, 144, 70)
    assert notes(melody_of(song(track([*SCALE[:-1], (124, 130, 70)]))))[-1] == (124, 130, 70)


def test_pitches_outside_a_piano_are_not_heard() -> None:
    edge = [(0, 4, 21), (4, 8, 108), *SCALE[2:]]
    outside = [(8, 12, 120), (1, 3, 20), (5, 6, 109)]
    assert notes(melody_of(song(track(edge + outside)))) == edge


def test_rests_do_not_split() -> None:
    gap = [*SCALE[:16], *[(s + 48, e + 48, p) for s, e, p in SCALE[16:]]]  # three silent bars
    assert notes(melody_of(song(track(gap)))) == gap


@pytest.mark.parametrize(
    ("music", "reason"),
    [
        (SCALE[:12], "shorter than 4 bars"),
        ([(16 * i, 16 * i + 4, 60 + i) for i in range(7)], "with fewer than 8 notes"),
        ([(4 * i, 4 * i + 4, 60 + i % 4) for i in range(32)], "with fewer than 5 pitches"),
        ([(24 * i, 24 * i + 4, 60 + i) for i in range(12)], "with less than a note a bar"),
        ([*SCALE[:12], (16 * 8, 16 * 8 + 4, 60)], "mostly empty"),
        ([(4 * i, 4 * i + 4, 110 + i % 8) for i in range(32)], "without notes in 4/4"),
    ],
)
def test_why_a_track_is_no_melody(music: list[Note], reason: str) -> None:
    candidate = only(song(track(music)))
    assert candidate.melody is None
    assert candidate.reason == reason


@pytest.mark.parametrize(
    "music",
    [
        SCALE[:16],  # exactly 4 bars
        [(8 * i, 8 * i + 4, 60 + i % 5) for i in range(8)],  # exactly 8 notes, 5 pitches
        [(16 * i, 16 * i + 4, 60 + i) for i in range(8)],  # exactly a note a bar
        [*SCALE[:12], (16 * 5, 16 * 5 + 4, 60)],  # four of six bars are not empty
        [*SCALE[:12], (16 * 7, 16 * 7 + 4, 60)],  # exactly half of them
    ],
)
def test_what_is_just_a_melody(music: list[Note]) -> None:
    assert only(song(track(sorted(music)))).reason == ""


def test_drums_are_left_out_and_named() -> None:
    drums = only(song(track(SCALE, channel=9)))
    assert (drums.melody, drums.reason) == (None, "drums")


def test_families_and_the_unknown_one() -> None:
    programs = [None, 0, 7, 8, 32, 127]
    data = song(*(track(tune(i, 8), channel=i, program=program) for i, program in enumerate(programs) if program != 0))
    assert [c.family for c in found(data)] == [
        UNKNOWN_FAMILY,
        0,
        1,
        FAMILIES.index("bass"),
        FAMILIES.index("sound effects"),
    ]
    assert only(song(track(SCALE, program=0))).family == FAMILIES.index("piano")
    assert FAMILIES[UNKNOWN_FAMILY] == "unknown"


def roles(*tracks: bytes) -> list[str]:
    got = [c.role for c in found(song(*tracks))]
    assert set(got) <= set(ROLES)
    return got


def test_the_highest_pure_track_that_is_no_bass_leads() -> None:
    high, low, bass = tune(1, 8, low=72), tune(2, 8, low=60), tune(3, 8, low=30)
    assert roles(track(low), track(high, channel=1), track(bass, channel=2, program=33)) == ["other", "lead", "bass"]
    chords = [(s, e, p + d) for s, e, p in tune(4, 8, low=84) for d in (0, 4)]
    assert roles(track(low), track(chords, channel=1)) == ["lead", "other"], "half of its notes dropped"
    assert roles(track(chords)) == ["other"]


@pytest.mark.parametrize("name", ["Melody", "MELODIE", "vocals", "Voice 1", "Lead Gtr", "sing along"])
def test_names_that_lead(name: str) -> None:
    assert roles(track(tune(1, 8, low=40), name=name), track(tune(2, 8, low=70), channel=1)) == ["lead", "lead"]


@pytest.mark.parametrize(
    ("name", "role"), [("Bass", "bass"), ("E-BASS", "bass"), ("slap bass lead", "bass"), ("Bassoon", "lead")]
)
def test_names_that_are_basses(name: str, role: str) -> None:
    assert roles(track(tune(1, 8), name=name)) == [role]


def test_extract_takes_the_track_that_is_named_or_the_one_asked_for() -> None:
    data = song(
        track(tune(1, 30, low=30), program=33),
        track(tune(2, 12, low=60), channel=1, name="Lead"),
        track(tune(3, 8, low=60), channel=2, name="Voice"),
        track(tune(4, 12, low=60), channel=3, name="Backing Vocals"),
    )
    assert extract(read_song(data)).track == 2
    assert extract(read_song(data), track=0).role == "bass"


def test_extract_takes_what_is_most_like_a_tune_where_none_is_named() -> None:
    """Not the highest: an arpeggio over the tune; not the longest: a drone below it; and not what is chords."""
    line = tune(5, 16, low=62)
    arpeggio = [(i * STEP, (i + 1) * STEP, (84, 96, 88, 91, 103)[i % 5]) for i in range(256)]
    drone = [(i * 4 * STEP, (i + 1) * 4 * STEP, (48, 48, 48, 50, 52, 53, 55)[i % 7]) for i in range(100)]
    chords = [(s, e, p + d) for s, e, p in tune(6, 16, low=60) for d in (0, 4, 7)]
    data = song(*(track(some, channel=k) for k, some in enumerate((arpeggio, drone, line, chords))))
    assert extract(read_song(data)).track == 2


def test_extract_says_why_there_is_nothing() -> None:
    data = song(track(SCALE[:8]), track(SCALE, channel=9))
    with pytest.raises(
        MidiError, match=r"x.mid: no melody of 4 bars or more \(2 tracks: 1 shorter than 4 bars, 1 drums\)"
    ):
        extract(read_song(data, name="x.mid"))
    with pytest.raises(MidiError, match=r"is in 3/4, which this model does not know; it knows 4/4 and 2/2: set"):
        extract(read_song(song(track(SCALE), signatures=[(0, 3, 4)])), metres=FOUR_FOUR)


def test_a_change_of_metre_before_the_first_bar_line_of_the_file() -> None:
    early = midi(chunk([(0, signature(3, 4)), (0, signature(4, 4))]), track(SCALE))
    assert notes(melody_of(early)) == SCALE


def test_the_tempo_comes_along() -> None:
    assert melody_of(song(track(SCALE), qpm=75)).qpm == pytest.approx(75, rel=1e-5)
    assert STEP * 4 == 480


def test_a_file_of_endless_parts_is_refused_with_the_reason_and_at_once():
    """120 tracks in 60 stretches of changing metre: each would be read by itself."""
    changes = [(64 * k, *((3, 4) if k % 2 else (4, 4))) for k in range(60)]
    data = song(*[track([(0, 4, 60), (60 * 64, 60 * 64 + 4, 60)])] * 120, signatures=changes)
    began = time.process_time()
    with pytest.raises(MidiError, match=r"more than 5,000 parts, .* \(120 tracks, 60 stretches\)"):
        candidates(read_song(data, name="many.mid"))
    assert time.process_time() - began < 2
