"""A tune in ABC (version 2.1) into a `Sheet`. What is only looked at, not heard, is passed over."""

from __future__ import annotations

import re
from fractions import Fraction

from cantilena.errors import MidiError
from cantilena.notation.abc_fields import (
    parse_key,
    parse_length,
    parse_metre,
    parse_order,
    parse_tempo,
    parse_voice,
)
from cantilena.notation.abc_voice import NOTE, Voice, length_of, note_of, sing
from cantilena.notation.chords import normal_chord
from cantilena.notation.sheet import Bar, Part, Sheet

__all__ = ["read_abc"]

_MAX_TUNE = 1 << 20  # characters of a tune
_FIELD = re.compile(r"([A-Za-z]):(?![|:])(.*)")
_TOKEN = re.compile(  # each part is bounded, so that a line without an end takes no time without end
    r"""\[(?P<inline>[A-Za-z]):(?P<value>[^\]]{0,300})\]
    | "(?P<text>[^"]{0,300})"
    | !(?P<sign>[^!|\s][^!]{0,100})! | \+(?P<old>[^+|\s]{1,100})\+
    | \{[^}]{0,300}\}
    | (?P<ends>:{0,9})(?:\[\||\.?\|)[|\]]{0,9}(?P<begins>(?::{1,9}(?![:|]))?)
      (?:\[?(?P<nth>\d{1,2}(?:[,-]\d{1,2}){0,30})(?![/\d]))?
    | (?P<both>:{2,9})(?:\[?(?P<nth3>\d{1,2}(?:[,-]\d{1,2}){0,30}))?
    | \[\s?(?P<nth2>\d{1,2}(?:[,-]\d{1,2}){0,30})
    | \[(?P<chord>[^\]|]{0,300})\](?P<length>\d{0,4}(?:/+\d{0,4})?)(?P<tie>-?)
    | (?P<note>(?:\^\^|__|\^/|_/|[\^_=])?[A-Ga-g][,']*\d{0,4}(?:/+\d{0,4})?-?)
    | [zx](?P<rest>\d{0,4}(?:/+\d{0,4})?)
    | [ZX](?P<bars>\d{0,3})
    | \((?P<p>\d)(?::(?P<q>\d?))?(?::(?P<r>\d{0,2}))?
    | (?P<broken><+|>+)
    | (?P<overlay>&)
    | (?P<late>-)
    """,
    re.VERBOSE,
)
_OVER = re.compile(r"""(?:\s|"[^"]{0,300}"|![^!|\s][^!]{0,100}!){0,20}[\^_=]{0,2}[A-Ga-gzx\[(]""")
_JUMPS = {"D.C.": "D.C.", "dacapo": "D.C.", "D.C.alfine": "D.C.", "D.C.alcoda": "D.C.",
          "D.S.": "D.S.", "dalsegno": "D.S.", "D.S.alfine": "D.S.", "D.S.alcoda": "D.S."}  # fmt: skip


def read_abc(text: str, name: str) -> Sheet:
    """The sheet of a tune, as `tunebook` gives its text. MidiError (one line) where it has no K: field, or no end."""
    if len(text) > _MAX_TUNE:
        raise MidiError(f"{name}: a tune of more than {_MAX_TUNE:,} characters is no ABC")
    tune = _Tune(name)
    tune.read(text)
    return tune.sheet()


class _Tune:
    def __init__(self, name: str):
        self.name, self.title, self.order = name, "", ""
        self.voices: dict[str, Voice] = {}
        self.told: dict[str, tuple[str, int]] = {}  # name and transposition of voices, by V: fields of the head
        self.unit: Fraction | None = None
        self.metre: tuple[int, int] | None = (4, 4)
        self.tempo: float | None = None
        self.key = parse_key("")
        self.program = self.transpose = 0
        self.current = ""
        self.in_head = True

    def read(self, tune: str) -> None:
        for line in tune.split("\n"):
            if line.startswith("%%"):
                self.directive(line)
                continue
            if not line.strip() and not self.in_head and self.voices:
                return
            line = re.split(r"(?<!\\)%", line, maxsplit=1)[0].rstrip()
            if found := _FIELD.match(line):
                self.field(found[1], found[2].strip(), inline=False)
            elif not self.in_head:
                self.music(line)
        if self.in_head:
            raise MidiError(f"{self.name}: the ABC tune has no K: field, which ends its head")

    def directive(self, line: str) -> None:
        if found := re.match(r"%%MIDI\s+program\s+(?:\d+\s+)?(\d{1,3})\b", line):
            program = min(int(found[1]), 127)
            if self.in_head or not self.voices:
                self.program = program
            else:
                self.voice().program = program
        elif found := re.match(r"%%MIDI\s+transpose\s+(-?\d{1,2})\b", line):
            if self.in_head:
                self.transpose = int(found[1])
            else:
                voice = self.voice()
                voice.key = voice.key._replace(transpose=int(found[1]))

    def voice(self) -> Voice:
        if self.current not in self.voices:
            name, transpose = self.told.get(self.current, ("", 0))
            key = self.key._replace(transpose=self.key.transpose + transpose)
            self.voices[self.current] = Voice(name, self.unit, self.metre, key, self.program)
        return self.voices[self.current]

    def field(self, kind: str, value: str, *, inline: bool) -> None:
        started = self.voices.get(self.current) if self.in_head else self.voice() if kind in "KMLw" else None
        match kind:
            case "T" if not self.title:
                self.title = value
            case "V":
                voice, name, transpose = parse_voice(value)
                self.told.setdefault(voice, (name, transpose))
                if not self.in_head or self.current == "":
                    self.current = voice
            case "K" if started is None:
                key = parse_key(value)
                self.key, self.in_head = key._replace(transpose=key.transpose + self.transpose), False
            case "K" if started is not None:
                started.key = parse_key(value, started.key)
                if started.open:
                    started.bars[-1].key = started.bars[-1].key if started.now else started.key.signature
            case "M" if started is None:
                self.metre = parse_metre(value)
            case "M" if started is not None:
                started.metre = parse_metre(value)
                if started.open and not started.now:
                    started.bars[-1].metre = started.metre
            case "L":
                length = parse_length(value)
                if started is None:
                    self.unit = length
                else:
                    started.unit = length
            case "Q" if (tempo := parse_tempo(value)) is not None:
                if self.in_head:
                    self.tempo = tempo
                else:
                    bar = self.voice().bar()
                    bar.tempos.append((self.voice().now, tempo))
            case "P" if self.in_head:
                self.order = parse_order(value)
            case "P" if re.fullmatch(r"[A-Z]", value):
                self.voice().close()
                self.voice().bar().signs.part = value
            case "w" if started is not None and not inline:
                sing(started, value)

    def music(self, line: str) -> None:
        voice = self.voice()
        voice.line, voice.verse = [], 0
        at = 0
        while at < len(line):
            found = _TOKEN.match(line, at)
            if not found:
                at += 1
                continue
            at = max(found.end(), at + 1)
            if found["inline"]:
                self.field(found["inline"], found["value"].strip(), inline=True)
                if found["inline"] == "V":
                    voice = self.voice()
                    voice.line, voice.verse = [], 0
            else:
                self.token(voice, found, over=bool(_OVER.match(line, at)))

    def token(self, voice: Voice, found: re.Match[str], *, over: bool) -> None:
        """Take one in; `over` says whether it stands over a note or a rest, as signs may."""
        unit = voice.length_unit
        if found["text"] is not None:
            if chord := normal_chord(found["text"]):
                bar = voice.bar()
                bar.chords.append((voice.now, chord))
        elif sign := found["sign"] or found["old"]:
            self.sign(voice, sign, over)
        elif found["ends"] is not None:
            self.line(voice, len(found["ends"]), bool(found["begins"]), found["nth"], found[0])
        elif found["both"]:
            self.line(voice, len(found["both"]) - 1 or 1, True, found["nth3"], found[0])
        elif found["nth2"]:
            self.line(voice, 0, False, found["nth2"], "")
        elif found["chord"] is not None:
            notes = [(note_of(voice, one), length_of(one[4])) for one in NOTE.finditer(found["chord"])]
            tie = bool(found["tie"])
            if notes:
                for note, _ in notes:
                    note.tied |= tie
                voice.advance(unit * notes[0][1] * length_of(found["length"]), [note for note, _ in notes])
                voice.line.append((len(voice.bars), notes[0][0]))
        elif found["note"]:
            one = NOTE.match(found["note"])
            assert one is not None
            note = note_of(voice, one)
            voice.advance(unit * length_of(one[4]), [note])
            voice.line.append((len(voice.bars), note))
        elif found["rest"] is not None:
            voice.advance(unit * length_of(found["rest"]), [])
        elif found["bars"] is not None:
            for _ in range(min(int(found["bars"] or 1), 999)):
                voice.advance(Fraction(4) if voice.metre is None else Fraction(4 * voice.metre[0], voice.metre[1]), [])
                voice.close()
        elif found["p"]:
            p = int(found["p"])
            compound = voice.metre is not None and voice.metre[1] == 8 and voice.metre[0] % 3 == 0
            suits = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, 3 if compound else 2)
            q, r = int(found["q"] or suits), int(found["r"] or p)
            if p and q:
                voice.tuplet = Fraction(q, p), r
        elif found["broken"]:
            voice.dot(found["broken"])
        elif found["late"]:
            for note in voice.last:
                note.tied = True
        elif found["overlay"]:
            voice.now, voice.last, voice.length = Fraction(0), [], Fraction(0)

    def sign(self, voice: Voice, text: str, over: bool) -> None:
        text = text.replace(" ", "")
        over = over and text.lower() in ("fine", "tocoda")
        last = voice.bars[-1] if voice.bars and not voice.open and not over else voice.bar()
        if text in _JUMPS:
            last.signs.jump = _JUMPS[text]
        elif text.lower() == "fine":
            last.signs.fine = True
            self.place(voice, "fine")
        elif text.lower() == "segno":
            voice.bar().signs.segno = True
            self.place(voice, "segno")
        elif text.lower() == "coda":
            voice.bar().signs.coda = True
            self.place(voice, "coda")
        elif text.lower() == "tocoda":
            last.signs.to_coda = True
            self.place(voice, "to_coda")

    def place(self, voice: Voice, sign: str) -> None:
        """Note where in its bar a sign stands."""
        if voice.open:
            voice.bars[-1].signs.at[sign] = voice.now

    def line(self, voice: Voice, ends: int, begins: bool, nth: str | None, drawn: str) -> None:
        voice.close()
        if ends and voice.bars:
            voice.bars[-1].signs.times = max(voice.bars[-1].signs.times, ends + 1)
        if ends or begins or "||" in drawn or "]" in drawn.rstrip("[0123456789,- "):
            voice.ending = frozenset()
        if nth:
            voice.ending = _numbers(nth)
        if voice.open:
            voice.bars[-1].signs.endings = voice.ending
            voice.bars[-1].signs.begins |= begins
        elif begins or nth:
            voice.bar().signs.begins |= begins

    def sheet(self) -> Sheet:
        """All voices side by side, bar for bar; the first says what metre, key and chords are, if it says it."""
        voices = [voice for voice in self.voices.values() if any(bar.notes for bar in voice.bars)]
        for voice in voices:
            if voice.open and not voice.bars[-1].length:
                voice.bars.pop()
        parts, bars = list[Part](), list[Bar]()
        for k, voice in enumerate(voices):
            parts.append(Part(voice.name or (f"{self.title} {k + 1}".strip() if k else self.title), voice.program))
            for i, bar in enumerate(voice.bars):
                if i == len(bars):
                    bars.append(Bar(bar.metre, bar.key))
                whole = bars[i]
                whole.length = max(whole.length, bar.length)
                whole.notes[k] = bar.notes.get(0, [])
                whole.tempos = whole.tempos or bar.tempos
                whole.chords = whole.chords or bar.chords
                whole.signs.join(bar.signs)
        if bars and self.tempo is not None and not any(at == 0 for at, _ in bars[0].tempos):
            bars[0].tempos.insert(0, (Fraction(0), self.tempo))
        return Sheet(self.title, parts, bars, self.order)


def _numbers(text: str) -> frozenset[int]:
    """Numbers of endings: "1", "1,3", "1-3"."""
    found: set[int] = set()
    for part in text.split(","):
        ends = [min(int(number), 99) for number in part.split("-") if number]
        if ends:
            found |= set(range(ends[0], ends[-1] + 1))
    return frozenset(found)
