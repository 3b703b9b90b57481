"""Draw a `Melody`: a piano roll in systems, laid out as a page of music is, and a notebook cell that plays it.

     title                                 64 bars · ...
     the whole melody as a skyline, on one line            (where there are two systems or more)
     1        2        3        4        5                 bar numbers
    |        |        |        |        |                  black keys shaded
 C4 |________|________|________|________|__                a line below every C
    |        |        |        |        |

Colour follows pitch, from indigo at the melody's lowest note to gold at its highest. A note held over the end of a
system runs over the edge and is drawn on, paler, in the next; a bar in which nothing sounds holds a whole rest. The
page is light, and dark where the reader's screen is set so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from cantilena.music import render
from cantilena.music.melody import Melody, pitch_name
from cantilena.music.texts import printable

__all__ = ["Html", "changed_bars", "show", "to_html", "to_svg"]

_WIDTH, _LEFT, _RIGHT, _FOOT = 1000.0, 44.0, 22.0, 22.0  # user units, as all lengths below
_ROW_GAP = 32.0  # between systems; bar numbers stand in it
_ROW_HEIGHT = 120.0  # what each of eight systems can have on a page of A4's shape; a wide range takes more
_SKY_TOP, _SKY_HEIGHT = 62.0, 44.0
_OVERHANG = 6.0  # how far a note that is held over a system's end runs past it
_SHOWN_BARS, _HEARD_SECONDS = 64, 135  # of a melody in a notebook, whose file holds every cell's sound
_BLACK = (1, 3, 6, 8, 10)
_SANS = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
_SERIF = "Georgia,'Times New Roman',serif"

# From the lowest note to the highest: OKLCH, hue 280 to 75, lightness .43 to .77, so a grey printer keeps the order.
_RAMP = np.array([
    (0x44, 0x41, 0x9A), (0x5E, 0x41, 0xA2), (0x7D, 0x43, 0xA8), (0xA4, 0x42, 0x9E), (0xC8, 0x46, 0x82),
    (0xDC, 0x54, 0x67), (0xEA, 0x6A, 0x4B), (0xEB, 0x88, 0x3B), (0xE9, 0xA5, 0x35),
])  # fmt: skip

_INKS = {  # class: (property, on a light page, on a dark one)
    "paper": ("fill", "#fffefb", "#16171b"),
    "black": ("fill", "#8a7c55", "#000;fill-opacity:.4"),
    "wash": ("fill", "#dfe9f0", "#24323d"),
    "beat": ("stroke", "#eae6db", "#2a2c32"),
    "bar": ("stroke", "#c9c3b4", "#4a4d55"),
    "octave": ("stroke", "#d3ccbb", "#3f424a"),
    "edge": ("stroke", "#6f6a5f", "#9a9ca3"),
    "sky": ("fill", "#c0b9cc", "#57516a"),
    "rest": ("fill", "#a8a193", "#63666e"),
    "ghost": ("stroke", "#7d776b", "#9799a0"),
    "text": ("fill", "#2f2d29", "#e6e4de"),
    "mute": ("fill", "#7d776b", "#9799a0"),
}


def to_svg(
    melody: Melody, *, title: str = "", bars_per_row: int = 8, highlight: Sequence[tuple[int, int]] | None = None,
    before: Melody | None = None,
) -> str:  # fmt: skip
    """A self-contained SVG page; 64 bars have about the shape of a sheet of A4.

    `highlight` washes ranges of bars: (first, last), counted from 1 and inclusive as in `Melody.slice`.
    Notes that `before` had and the melody has not are drawn as outlines, where they were.
    Raises ValueError for bars that the melody has not, and for less than one bar a row.

    >>> svg = to_svg(Melody.from_notes([0, 4, 8], [4, 8, 16], [60, 62, 64]), title="Do, re & mi")
    >>> svg[:4], "Do, re &amp; mi" in svg, "1 bar · 3 notes · C4-E4 · 120 qpm" in svg
    ('<svg', True, True)
    """
    if bars_per_row < 1:
        raise ValueError(f"a row holds one bar or more, not {bars_per_row}")
    for first, last in highlight or ():
        if not 1 <= first <= last <= melody.bars:
            raise ValueError(f"bars {first}-{last} are not inside 1-{melody.bars}")
    gone = [] if before is None else _gone(before, melody)
    page = _Page.of(melody, bars_per_row, [pitch for *_, pitch in gone])
    spans = [((first - 1) * page.bar, last * page.bar) for first, last in highlight or ()]
    title = printable(title)  # which XML can hold, and which steers nothing
    if len(title) > 90:
        title = f"{title[:89]}…"
    name, size = escape(title or "Melody"), f'width="{_WIDTH:g}" height="{_n(page.height)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="cantilena" {size} viewBox="0 0 {_WIDTH:g} {_n(page.height)}" '
        f'role="img" aria-label="{name}: {_meta(melody)}">',
        f"<title>{name}</title>",
        _dark(),
        f"<rect {_ink('paper')} {size}/>",
        *_heading(melody, title),
        *(_skyline(melody, page, spans) if page.rows > 1 else ()),
        *_systems(page, spans),
        *_rests(melody, page),
        *_ghosts(gone, page),
        *_notes(melody, page),
        "</svg>\n",
    ]
    return "\n".join(parts)


class Html(str):
    """HTML that a notebook shows as what it is."""

    def _repr_html_(self) -> str:
        return str(self)


def show(melody: Melody) -> Html:
    """A melody to be looked at and heard, where a notebook's cell ends in it; a `Result` shows itself."""
    return Html(to_html(melody))


def to_html(melody: Melody) -> str:
    """A fragment for a notebook: the roll, and a player with the sound in it (8 bits, 11 kHz, mono).

    It is 2 MB for 64 bars at 120 qpm and never much more: of a longer melody it has the first 64 bars, of a slower
    one the sound of as many bars as last `_HEARD_SECONDS`, and says so.
    """
    shown = melody.slice(1, min(melody.bars, _SHOWN_BARS))
    heard = shown.slice(1, max(1, min(shown.bars, int(_HEARD_SECONDS * shown.bars / shown.seconds))))
    svg = base64.b64encode(to_svg(shown).encode()).decode()
    wav = base64.b64encode(render.to_wav(heard, rate=11_000, mono=True, bits=8)).decode()
    parts = [(shown.bars, "shown"), (heard.bars, "heard")]
    cut = ", ".join(f"the first {bars} {what}" for bars, what in parts if bars < melody.bars)
    caption = f"<figcaption>Of {melody.bars:,} bars {cut}; a saved file has all.</figcaption>\n" if cut else ""
    return (
        f'<figure style="margin:0;max-width:{_WIDTH:g}px">\n'
        f'<img alt="{escape(repr(melody))}" style="width:100%" src="data:image/svg+xml;base64,{svg}">\n'
        f'<audio controls style="width:100%" src="data:audio/wav;base64,{wav}"></audio>\n'
        f"{caption}</figure>"
    )


def changed_bars(before: Melody, melody: Melody) -> list[tuple[int, int]]:
    """The ranges of bars in which a note begins, or began, that the other has not; and those that are new."""
    bar = melody.metre.bar_steps
    starts = {start for start, *_ in set(_each(before)) ^ set(_each(melody))}
    bars = {start // bar + 1 for start in starts} | set(range(before.bars + 1, melody.bars + 1))
    ranges: list[tuple[int, int]] = []
    for number in sorted(bars & set(range(1, melody.bars + 1))):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


@dataclass(frozen=True)
class _Page:
    """Where things stand; a row is a system, counted from 0."""

    bars: int
    bar: int  # steps of one
    beat: int  # steps of one
    row_bars: int
    low: int  # lowest pitch that has a lane
    high: int  # highest

    @classmethod
    def of(cls, melody: Melody, bars_per_row: int, more: Sequence[int] = ()) -> _Page:
        """Lanes for all notes, and `more` pitches, and two semitones on either side; at least an octave and a half."""
        pitch = np.append(melody.notes.pitch, np.array(more, int))
        low, high = (int(pitch.min()) - 2, int(pitch.max()) + 2) if pitch.size else (60, 76)
        missing = max(0, 19 - (high - low + 1))
        bar, beat = melody.metre.bar_steps, melody.metre.beat_steps
        row_bars = min(bars_per_row, melody.bars)
        return cls(melody.bars, bar, beat, row_bars, low - missing // 2, high + (missing + 1) // 2)

    @property
    def rows(self) -> int:
        return -(-self.bars // self.row_bars)

    @property
    def step(self) -> float:
        """The width of a step."""
        return (_WIDTH - _LEFT - _RIGHT) / (self.row_bars * self.bar)

    @property
    def lane(self) -> float:
        """The height of a semitone."""
        lane = _ROW_HEIGHT / (self.high - self.low + 1)
        return min(6.5, max(2.8, lane)) if self.rows > 1 else min(9.0, max(2.8, 1.5 * lane))

    @property
    def row_height(self) -> float:
        return self.lane * (self.high - self.low + 1)

    @property
    def height(self) -> float:
        return self.top(self.rows) - _ROW_GAP + _FOOT

    def x(self, step: int) -> float:
        """The left edge of a step, counted from the start of its row."""
        return _LEFT + step * self.step

    def y(self, row: int, pitch: int) -> float:
        """The upper edge of a pitch's lane."""
        return self.top(row) + (self.high - pitch) * self.lane

    def top(self, row: int) -> float:
        head = _SKY_TOP + _SKY_HEIGHT + 18 if self.rows > 1 else 46
        return head + row * (_ROW_GAP + self.row_height) + _ROW_GAP

    def cut(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(row, start, end) of each piece of a span of steps, in steps from the start of that row."""
        size = self.row_bars * self.bar
        for row in range(start // size, (end - 1) // size + 1):
            yield row, max(start - row * size, 0), min(end - row * size, size)


# -- the page from the top down ----------------------------------------------------------------


def _heading(melody: Melody, title: str) -> Iterator[str]:
    meta, place = _meta(melody), f'x="{_LEFT:g}" y="42"'
    if title:
        ems = sum(1.0 if ord(letter) > 0x2E80 else 0.56 for letter in title)  # about: the font is the reader's
        size = _n(min(25.0, max(13.0, (_WIDTH - _LEFT - _RIGHT - 6.9 * len(meta) - 24) / ems)))
        yield f'<text {_ink("text")} {place} font-family="{_SERIF}" font-size="{size}">{escape(title)}</text>'
        place = f'x="{_WIDTH - _RIGHT:g}" y="42" text-anchor="end"'
    yield f'<text {_ink("mute")} {place} font-family="{_SANS}" font-size="13">{meta}</text>'


def _skyline(melody: Melody, page: _Page, spans: list[tuple[int, int]]) -> Iterator[str]:
    """The shape of the whole: pitch as height, rests as gaps, a tick where a system begins."""
    steps = page.bars * page.bar
    x = [_n(_LEFT + step * (_WIDTH - _LEFT - _RIGHT) / steps) for step in range(steps + 1)]
    floor = _SKY_TOP + _SKY_HEIGHT
    scale = (_SKY_HEIGHT - 8) / (page.high - page.low)
    for start, end in spans:
        yield f'<path {_ink("wash")} d="M{x[start]} {floor:g}V{_SKY_TOP:g}H{x[end]}V{floor:g}z"/>'
    shape, before = "", -1
    for start, end, pitch in _each(melody):
        if start != before:
            shape += f"M{x[start]} {floor:g}"
        shape += f"V{_n(floor - 4 - (pitch - page.low) * scale)}H{x[end]}"
        before = end
        shape += "" if melody.events[end : end + 1].sum() > 1 else f"V{floor:g}z"
    if shape:
        yield f'<path {_ink("sky")} d="{shape}"/>'
    systems = range(0, page.bars, page.row_bars)
    ticks = "".join(f"M{x[bar * page.bar]} {floor:g}v5" for bar in systems)
    yield f'<path {_ink("bar")} d="M{x[0]} {floor:g}H{x[-1]}{ticks}"/>'
    numbers = (f'<text x="{x[bar * page.bar]}" y="{floor + 15:g}">{bar + 1}</text>' for bar in systems)
    yield f'<g {_ink("mute")} font-family="{_SANS}" font-size="9">{"".join(numbers)}</g>'


def _systems(page: _Page, spans: list[tuple[int, int]]) -> Iterator[str]:
    """Lanes, lines and labels of every system, in layers from the paper up."""
    black, beat, bar, octave, edge = "", "", "", "", ""
    labels, numbers = [], []
    for row in range(page.rows):
        bars = min(page.row_bars, page.bars - row * page.row_bars)
        left, right, down = _n(page.x(0)), _n(page.x(bars * page.bar)), f"{_n(page.top(row))}v{_n(page.row_height)}"
        for pitch in range(page.low, page.high + 1):
            y = page.y(row, pitch)
            if pitch % 12 in _BLACK:
                black += f"M{left} {_n(y)}H{right}v{_n(page.lane)}H{left}z"
            if pitch % 12 == 0:
                octave += f"M{left} {_n(y + page.lane)}H{right}"
                place = f'x="{_LEFT - 8:g}" y="{_n(y + page.lane / 2)}" dy=".35em"'
                labels.append(f"<text {place}>{pitch_name(pitch)}</text>")
        for step in range(1, bars * page.bar + 1):
            if step % page.bar and step % page.bar % page.beat == 0:
                beat += f"M{_n(page.x(step))} {down}"
            elif step % page.bar == 0:
                bar += f"M{_n(page.x(step))} {down}"
        for index in range(bars):
            place = f'x="{_n(page.x(index * page.bar))}" y="{_n(page.top(row) - 6)}"'
            numbers.append(f"<text {place}>{row * page.row_bars + index + 1}</text>")
        edge += f"M{left} {down}"
    end = page.x(bars * page.bar)
    edge += f"M{_n(end)} {down}"
    for start, stop in spans:
        for row, first, last in page.cut(start, stop):
            place = f'x="{_n(page.x(first))}" y="{_n(page.top(row))}"'
            size = f'width="{_n((last - first) * page.step)}" height="{_n(page.row_height)}"'
            yield f"<rect {_ink('wash')} {place} {size}/>"
    yield f'<path {_ink("black")} fill-opacity=".085" d="{black}"/>'
    yield f'<path {_ink("beat")} d="{beat}"/>'
    yield f'<path {_ink("octave")} d="{octave}"/>'
    yield f'<path {_ink("bar")} d="{bar}"/>'
    yield f'<path {_ink("edge")} d="{edge}"/>'
    yield f'<path {_ink("edge")} stroke-width="2.6" d="M{_n(end + 4.4)} {down}"/>'  # the double bar that ends a piece
    yield f'<g {_ink("mute")} font-family="{_SANS}" font-size="11.5" text-anchor="end">{"".join(labels)}</g>'
    yield f'<g {_ink("mute")} font-family="{_SANS}" font-size="11">{"".join(numbers)}</g>'


def _rests(melody: Melody, page: _Page) -> Iterator[str]:
    """A whole rest in every bar in which nothing sounds."""
    sounds = np.zeros(melody.events.size, bool)
    for start, end, _ in _each(melody):
        sounds[start:end] = True
    for bar in np.flatnonzero(~sounds.reshape(melody.bars, -1).any(axis=1)).tolist():
        row, index = divmod(bar, page.row_bars)
        x, y = page.x(index * page.bar + page.bar // 2), page.top(row) + page.row_height / 2
        yield f'<path {_ink("rest")} d="M{_n(x - 13)} {_n(y - 3)}h26v1.2h-6v5h-14v-5h-6z"/>'


def _notes(melody: Melody, page: _Page) -> Iterator[str]:
    """A rounded rectangle for each note, grouped by pitch; where a system ends, one for each piece."""
    shapes: dict[int, list[str]] = {}
    thick = min(8, max(6, 1.25 * page.lane))
    for note_start, note_end, pitch in _each(melody):
        pieces = list(page.cut(note_start, note_end))
        for row, start, end in pieces:
            held, holds = (row, start, end) != pieces[0], (row, start, end) != pieces[-1]
            left, right = page.x(start) - _OVERHANG * held, page.x(end) + (_OVERHANG if holds else -1)
            pale = ' opacity=".5"' if held else ""
            shapes.setdefault(pitch, []).append(
                f'<rect x="{_n(left)}" y="{_n(page.y(row, pitch) + (page.lane - thick) / 2)}" '
                f'width="{_n(right - left)}" height="{_n(thick)}" rx="2"{pale}/>'
            )
    low, high = min(shapes, default=0), max(shapes, default=0)
    for pitch, rects in sorted(shapes.items()):
        yield f'<g class="note" fill="{_colour(pitch, low, high)}">{"".join(rects)}</g>'


def _gone(before: Melody, melody: Melody) -> list[tuple[int, int, int]]:
    """The notes of `before` that `melody` has not, as far as it goes."""
    stays = set(_each(melody))
    return [note for note in _each(before) if note not in stays and note[1] <= melody.events.size]


def _ghosts(gone: Sequence[tuple[int, int, int]], page: _Page) -> Iterator[str]:
    """The outlines of notes that were there."""
    high = min(8, max(6, 1.25 * page.lane)) - 2
    outlines = "".join(
        f"M{_n(page.x(first) + 0.5)} {_n(page.y(row, pitch) + (page.lane - high) / 2)}"
        f"h{_n((last - first) * page.step - 2)}v{_n(high)}h{_n(2 - (last - first) * page.step)}z"
        for start, end, pitch in gone
        for row, first, last in page.cut(start, end)
    )
    if outlines:
        yield f'<path {_ink("ghost")} fill="none" stroke-dasharray="2 1.5" d="{outlines}"/>'


# -- words of the format -----------------------------------------------------------------------


def _each(melody: Melody) -> Iterator[tuple[int, int, int]]:
    return zip(*(column.tolist() for column in melody.notes), strict=True)


def _meta(melody: Melody) -> str:
    return repr(melody).removeprefix("Melody(").removesuffix(")").replace(", ", " · ")


def _colour(pitch: int, low: int, high: int) -> str:
    """Along the ramp; its middle is enough for a range of less than an octave and a half."""
    place = (len(_RAMP) - 1) * (0.5 + (pitch - (low + high) / 2) / max(high - low, 18))
    return "#" + "".join(f"{round(np.interp(place, range(len(_RAMP)), channel)):02x}" for channel in _RAMP.T)


def _ink(name: str) -> str:
    kind, light, _ = _INKS[name]
    return f'class="{name}" {kind}="{light}"'


def _dark() -> str:
    rules = "".join(f".cantilena .{name}{{{kind}:{dark}}}" for name, (kind, _, dark) in _INKS.items())
    return f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"


def _n(value: float) -> str:
    """A length to a tenth, without trailing zeros."""
    return f"{value:.1f}".removesuffix(".0")
