"""What each verb does to a song: `python examples/edits.py SONGS [VERB ...]` draws docs/edits/VERB.svg, all twelve.

SONGS is a folder or an archive with the OpenScore Lieder (CC0, github.com/OpenScore/Lieder) as MIDI files, each named
by its number there. Of a song its voice is edited.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rolls import Roll, inks, matrix, picture

import cantilena
from cantilena.corpus.sources import Sources
from cantilena.music.extract import extract
from cantilena.music.melody import REST, Melody
from cantilena.music.metre import COMMON
from cantilena.music.midi import read_song
from cantilena.rules import Density, Form, Key, Range, Rules, estimate_key, similarity

SEEDS = {"long": 3, "loop": 3, "morph": 2, "steer": 3}  # of 1, 2 and 3, all tried; 1 for the other verbs
SONGS = {  # number in OpenScore Lieder: whose, and its name
    "lc4978478": "Schumann, “Er, der Herrlichste von allen”",
    "lc4978488": "Schumann, “Du Ring an meinem Finger”",
    "lc4985965": "Schubert, “Am Meer”",
    "lc6487832": "Schubert, “Fischerweise”",
    "lc4985938": "Schubert, “Mein!”",
    "lc5000397": "Clara Schumann, “Liebst du um Schönheit”",
    "lc29589143": "Fauré, “Chanson d’amour”",
    "lc30299786": "Fauré, “Lydia”",
    "lc29477528": "Wolf, “Verborgenheit”",
}
EDIT = {"kept": "as it was", "gone": "goes", "new": "composed"}
KEY, RANGE, DENSITY = "D dorian", "C4-A5", "4..6"


class Edits:
    """The twelve pictures, a method each. Songs are voices and the bar at which each begins."""

    def __init__(self, composer: cantilena.Composer, songs: dict[str, tuple[Melody, int]]) -> None:
        self.composer, self.songs = composer, songs

    def song(self, number: str) -> Melody:
        """A voice with the silent bars before it, so that bars have the numbers that they have in the file."""
        voice, begins = self.songs[number]
        return Melody(np.append(np.zeros(begins * COMMON.bar_steps, np.int8), voice.events), voice.qpm)

    def seed(self, verb: str) -> int:
        return SEEDS.get(verb, 1)

    def infill(self) -> str:
        song = self.song("lc4978478")
        after = self.composer.infill(song, "33-40", seed=self.seed("infill")).melody
        title = f"infill: bars 33-40 of {SONGS['lc4978478']}, composed anew"
        note = "All other notes stay as they are; the new ones join them on both sides."
        return edit(title, note, song, after, (25, 48), (33, 40))

    def keep(self) -> str:
        song = self.song("lc4978488")
        start, end, pitch = song.notes
        bar = start // COMMON.bar_steps + 1
        held = (start % COMMON.bar_steps == 0) & (bar >= 17) & (bar <= 24)
        kept = Melody.from_notes(start[held], end[held], pitch[held], bars=song.bars)
        after = self.composer.infill(song, "17-24", keep=kept, seed=self.seed("keep")).melody
        title = f"keep: bars 17-24 of {SONGS['lc4978488']}, composed around their first notes"
        note = "What stands on the first beat of a bar is locked; the rest of the bars is new."
        return edit(title, note, song, after, (9, 32), (17, 24), kept)

    def extend(self) -> str:
        song = self.song("lc5000397")
        after = self.composer.extend(song, 16, seed=self.seed("extend")).melody
        shown = (song.bars - 15, song.bars + 16)
        title = f"extend: 16 bars after the end of {SONGS['lc5000397']}"
        note = "The last 16 bars of the song, and how the melody goes on."
        return edit(title, note, song, after, shown, (song.bars + 1, song.bars + 16))

    def extend_before(self) -> str:
        voice, _ = self.songs["lc30299786"]
        after = self.composer.extend(voice, 16, before=True, seed=self.seed("extend-before")).melody
        rolls = [
            Roll("The voice as it begins", voice.slice(1, 16), ["kept"] * count(voice.slice(1, 16)), at=16),
            Roll("16 bars that lead to it; then its own", after.slice(1, 32),
                 inks(after, ("kept", shifted(voice, 16)))[: count(after.slice(1, 32))], shaded=[(1, 16)]),
        ]  # fmt: skip
        title = f"extend --before: 16 bars that lead up to {SONGS['lc30299786']}"
        return picture(title, "The first 16 bars of the voice, and what goes before.", rolls, without("gone"))

    def bridge(self) -> str:
        (one, _), (other, _) = self.songs["lc29589143"], self.songs["lc30299786"]
        after = self.composer.bridge(one, other, 8, seed=self.seed("bridge"))
        begins = one.bars + 8
        shown = after.slice(one.bars - 11, begins + 12)
        a, b = one.slice(one.bars - 11, one.bars), other.slice(1, 12)
        rolls = [
            Roll(f"The end of {SONGS['lc29589143']}", a, ["kept"] * count(a), first=one.bars - 11),
            Roll(f"The beginning of {SONGS['lc30299786']}", b, ["other"] * count(b), at=20),
            Roll("8 bars from one to the other", shown, inks(shown, ("kept", a), ("other", shifted(b, 20))),
                 first=one.bars - 11, shaded=[(one.bars + 1, begins)]),
        ]  # fmt: skip
        title = "bridge: 8 bars that lead from one song to another"
        key = {"kept": "the first song", "other": "the second", "new": "composed"}
        return picture(title, "Both songs stay as they are.", rolls, key)

    def long(self) -> str:
        joined = [self.composer.compose(self.seed("long") + k) for k in range(4)]
        whole = self.composer.compose(self.seed("long"), bars=256)
        rolls = []
        for what, ink, parts in (
            ("before: four tunes of 64 bars, end to end", "kept", joined),
            ("after: one tune of 256", "new", [whole.slice(64 * k + 1, 64 * k + 64) for k in range(4)]),
        ):
            for k, part in enumerate(parts):
                label = f"{what}, bars {64 * k + 1}-{64 * k + 64}: {estimate_key(part)}"
                rolls.append(Roll(label, part, [ink] * count(part), first=64 * k + 1))
        title = "long: 256 bars in one breath"
        note = "The model sees 64 bars at a time. One tune is seen through windows that overlap, and has no joint."
        return picture(title, note, rolls, {"kept": "four tunes", "new": "one tune"}, tall=62)

    def loop(self) -> str:
        rolls = []
        for what, ink, once in (
            ("before: 8 bars, played twice", "kept", self.composer.compose(self.seed("loop"), bars=8)),
            (
                "after: 8 bars composed as a loop, played twice",
                "new",
                self.composer.compose(self.seed("loop"), bars=8, loop=True),
            ),
        ):
            twice = Melody.from_tokens(np.tile(once.events, 2))
            rolls.append(Roll(what, twice, [ink] * count(twice), wraps=8, shaded=[(8, 9)]))
        title = "loop: 8 bars whose end leads back to their start"
        note = "Shaded: the last bar and the first, where the loop closes."
        return picture(title, note, rolls, {"kept": "composed as a tune", "new": "composed as a loop"})

    def motif(self) -> str:
        voice, _ = self.songs["lc29477528"]
        two = voice.slice(1, 2)
        tune = self.composer.compose(self.seed("motif"), bars=16, motif=two, cadence=True)
        again = [Melody.from_tokens(np.append(np.zeros(32 * k, np.int8), two.events)) for k in range(8)]
        rolls = [
            Roll(f"The first two bars of {SONGS['lc29477528']}", two, ["kept"] * count(two)),
            Roll(
                "A tune of them that comes to rest", tune, inks(tune, *(("kept", m) for m in again)), shaded=[(3, 16)]
            ),
        ]
        title = "compose --motif --cadence: a tune of 16 bars from two bars of a song"
        note = "The motif opens the tune, comes back in it, and the last note is long and on a stable degree."
        return picture(title, note, rolls, {"kept": "the motif, and where it comes back", "new": "composed"})

    def vary(self) -> str:
        song = self.song("lc4985965")
        shown = song.slice(2, 17)
        rolls = [Roll("The song", shown, ["kept"] * count(shown), first=2)]
        for strength in (0.25, 0.5, 0.75):
            varied = self.composer.vary(song, strength, seed=self.seed("vary"))
            part = varied.slice(2, 17)
            marks = inks(part, ("kept", shown))
            label = f"strength {strength:g}: of these bars' notes, {marks.count('kept')} of {count(shown)} are there"
            rolls.append(Roll(label, part, marks, first=2))
        title = f"vary: {SONGS['lc4985965']}, nearer and farther"
        return picture(title, "The same variation at three strengths.", rolls, without("gone"))

    def morph(self) -> str:
        one, other = self.song("lc6487832").slice(11, 18), self.song("lc4985938").slice(10, 17)
        rolls = []
        steps = self.composer.morph(one, other, steps=8, seed=self.seed("morph")).parts
        for k, step in enumerate(steps, 1):
            label = f"{k}: {SONGS['lc6487832']}" if k == 1 else f"{k}: {SONGS['lc4985938']}" if k == 8 else f"{k}"
            rolls.append(Roll(label, step, inks(step, ("kept", one), ("other", other))))
        title = "morph: one song becomes another in 8 steps"
        note = "8 bars of each. The first and the last are the songs themselves."
        key = {"kept": "notes of the first", "other": "notes of the last", "new": "composed"}
        return picture(title, note, rolls, key, tall=70)

    def steer(self) -> str:
        allowed = Rules([Key(KEY), Range(RANGE)])
        rules = Rules([Key(KEY), Range(RANGE), Density(DENSITY)])
        rolls = []
        for label, tune in (
            ("before: the seed alone", self.composer.compose(self.seed("steer"), bars=16)),
            ("after: the same seed, asked", self.composer.compose(self.seed("steer"), bars=16, rules=rules)),
        ):
            fits = allowed.allowed(tune.events.size)[tune.notes.start, tune.events[tune.notes.start]]
            marks = ["new" if ok else "wrong" for ok in fits]
            notes = (tune.events.reshape(-1, COMMON.bar_steps) > REST).sum(axis=1).tolist()
            below = [(str(k), "kept" if 4 <= k <= 6 else "wrong") for k in notes]
            rolls.append(Roll(label, tune, marks, below=below))
        title = f"compose --key “{KEY}” --range {RANGE} --density {DENSITY}"
        note = "Beneath each bar: how many notes begin in it."
        return picture(title, note, rolls, {"new": "a note as asked", "wrong": "not as asked"})

    def form(self) -> str:
        form = Form("AABA")
        before = self.composer.compose(self.seed("form"), bars=32)
        after = self.composer.compose(self.seed("form"), bars=32, rules=[form])
        parts = [(1, 8), (9, 16), (25, 32)]
        rolls = [
            Roll(
                label, tune, ["kept" if start // COMMON.bar_steps // 8 != 2 else "other" for start in tune.notes.start],
                shaded=parts,
            )
            for label, tune in (("before: the seed alone", before), ("after: the same seed, asked for A A B A", after))
        ]  # fmt: skip
        asked = form.target(32)

        def squares(top: float) -> tuple[str, float]:
            shown = ((similarity(before), f"before: {form.distance(before):.2f} from what is asked"), (asked, "asked"),
                     (similarity(after), f"after: {form.distance(after):.2f} from what is asked"))  # fmt: skip
            return "".join(matrix(m, 46 + 330 * k, top + 22, 8, label, 8) for k, (m, label) in enumerate(shown)), 296

        title = "compose --form AABA: the first eight bars come again, then eight others, then the first"
        note = (
            "Squares: how alike bars are, each with each, 1-32 left to right and top to bottom. Grey: nothing is asked."
        )
        return picture(title, note, rolls, {"kept": "where A is asked", "other": "where B is asked"}, foot=squares)


def edit(
    title: str, note: str, song: Melody, after: Melody, shown: tuple[int, int], edited: tuple[int, int],
    kept: Melody | None = None,
) -> str:  # fmt: skip
    """A song before and after an edit of its bars `edited`, in which `kept` notes are locked; bars `shown` of it."""
    stays = without_bars(song, edited, kept).slice(shown[0], min(shown[1], song.bars))
    before, result = song.slice(shown[0], stays.bars + shown[0] - 1), after.slice(*shown)
    within = [edited] if edited[0] <= song.bars else []
    rolls = [
        Roll("before", before, inks(before, ("kept", stays), rest="gone"), first=shown[0], shaded=within),
        Roll("after", result, inks(result, ("kept", stays)), first=shown[0], shaded=[edited]),
    ]
    return picture(title, note, rolls, EDIT if within else without("gone"))


def without_bars(song: Melody, bars: tuple[int, int], kept: Melody | None) -> Melody:
    """The notes of a song that an edit leaves as they are: those outside `bars` and the `kept` ones."""
    start, end, pitch = song.notes
    bar = start // COMMON.bar_steps + 1
    stays = (bar < bars[0]) | (bar > bars[1])
    if kept is not None:
        stays |= np.isin(start, kept.notes.start)
    return Melody.from_notes(start[stays], end[stays], pitch[stays], bars=song.bars)


def without(ink: str) -> dict[str, str]:
    return {name: meaning for name, meaning in EDIT.items() if name != ink}


def shifted(melody: Melody, bars: int) -> Melody:
    """Silence, then the melody."""
    return Melody(np.append(np.zeros(bars * COMMON.bar_steps, np.int8), melody.events))


def count(melody: Melody) -> int:
    return melody.notes.pitch.size


def read_voices(source: str) -> dict[str, tuple[Melody, int]]:
    """The voice of each of `SONGS`, and how many bars are silent before it."""
    found = {}
    for file in Sources([source]):
        number = next((k for k in SONGS if file.name.endswith(f"__{k}.mid")), None)
        if number:
            voice = extract(read_song(file.data, name=file.name), track=0)
            assert voice.melody is not None
            found[number] = (voice.melody, voice.first_bar)
    if missing := ", ".join(sorted(SONGS.keys() - found.keys())):
        raise SystemExit(f"{source}: the OpenScore Lieder {missing} are not there")
    return found


def main(source: str, *verbs: str) -> None:
    edits = Edits(cantilena.load(), read_voices(source))
    pictures: dict[str, Callable[[], str]] = {
        "infill": edits.infill, "keep": edits.keep, "extend": edits.extend, "extend-before": edits.extend_before,
        "bridge": edits.bridge, "long": edits.long, "loop": edits.loop, "motif": edits.motif, "vary": edits.vary,
        "morph": edits.morph, "steer": edits.steer, "form": edits.form,
    }  # fmt: skip
    folder = Path(__file__).parents[1] / "docs" / "edits"
    folder.mkdir(exist_ok=True)
    for verb in verbs or pictures:
        (folder / f"{verb}.svg").write_text(pictures[verb]())


if __name__ == "__main__":
    main(*sys.argv[1:])
