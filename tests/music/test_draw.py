"""What a reader reads off the page, by its bar numbers and C labels alone, is the melody."""

import base64
import io
import re
import wave
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

import cantilena
from cantilena.music.draw import to_html, to_svg
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON
from cantilena.music.render import to_samples, to_wav

SVG = "{http://www.w3.org/2000/svg}"


def random_melody(seed: int, bars: int = 64, low: int = 21, high: int = 108) -> Melody:
    rng = np.random.default_rng(seed)
    cuts = np.unique(np.append(rng.integers(0, bars * COMMON.bar_steps, bars * 5), [0, bars * COMMON.bar_steps]))
    start, end = cuts[:-1], cuts[1:]
    sounding = rng.random(start.size) < 0.7
    return Melody.from_notes(start[sounding], end[sounding], rng.integers(low, high + 1, sounding.sum()), bars=bars)


def busy(seed: int, low: int = 21, high: int = 108, bars: int = 64) -> Melody:
    steps = np.arange(bars * COMMON.bar_steps)
    return Melody.from_notes(steps, steps + 1, np.random.default_rng(seed).integers(low, high + 1, steps.size))


@dataclass
class Reader:
    """Reads a page as a person does: rows and bars by the bar numbers, pitches by the C labels and their lines."""

    svg: str

    def __post_init__(self) -> None:
        self.root = ET.fromstring(self.svg)
        groups = list(self.root.iter(f"{SVG}g"))
        texts = {g.get("font-size"): [(float(t.get("x")), float(t.get("y")), t.text) for t in g] for g in groups}
        self.numbers = {int(text): (x, y) for x, y, text in texts["11"]}
        self.labels = [(y, 12 * (int(text[1:]) + 1)) for _, y, text in texts["11.5"] if text[0] == "C"]
        self.tops = sorted({y for _, y in self.numbers.values()})
        (edge,) = (
            p for p in self.root.iter(f"{SVG}path") if p.get("class") == "edge" and p.get("stroke-width") is None
        )
        self.systems = [
            (float(y), float(y) + float(v)) for y, v in re.findall(r"M[\d.]+ ([\d.]+)v([\d.]+)", edge.get("d"))
        ]
        self.row_bars = sum(y == self.tops[0] for _, y in self.numbers.values())
        self.left = self.numbers[1][0]
        (octave,) = (p for p in self.root.iter(f"{SVG}path") if p.get("class") == "octave")
        lines = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)", octave.get("d"))]
        self.lane = 2 * (lines[0] - self.labels[0][0])
        if len(self.labels) > len(self.tops):  # two C's in a row: their distance says it better
            (y1, c1), (y2, c2) = self.labels[:2]
            self.lane = abs((y1 - y2) / (c1 - c2))
        (bars,) = (p for p in self.root.iter(f"{SVG}path") if p.get("class") == "bar" and "v5" not in p.get("d"))
        self.right = max(float(x) for x in re.findall(r"M([\d.]+) ", bars.get("d")))
        self.step = (self.right - self.left) / self.row_bars / COMMON.bar_steps

    def row(self, y: float) -> int:
        return sum(top < y for top in self.tops) - 1

    def pitch(self, y: float) -> int:
        label, c = min(self.labels, key=lambda label: abs(label[0] - y))
        return c + round((label - y) / self.lane)

    def at(self, row: int, x: float) -> float:
        return row * self.row_bars * COMMON.bar_steps + (x - self.left) / self.step

    def notes(self) -> list[tuple[int, int, int]]:
        """(start, end, pitch), pieces joined over the ends of the systems."""
        pieces = []
        for group in self.root.iter(f"{SVG}g"):
            for rect in group.iter(f"{SVG}rect") if group.get("class") == "note" else ():
                x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
                row, pitch = self.row(y + height / 2), self.pitch(y + height / 2)
                pale, open_end = rect.get("opacity") is not None, x + width > self.right + 1
                start, end = (round(self.at(row, edge)) for edge in (x, x + width + 1))
                assert pale == (x < self.left - 1)
                if pale:
                    start = round(self.at(row, self.left))
                if open_end:
                    end = round(self.at(row, self.right))
                pieces.append((start, end, pitch, pale, open_end))
        notes: list[tuple[int, int, int]] = []
        held = False
        for start, end, pitch, pale, open_end in sorted(pieces):
            assert pale == held
            if pale:
                assert (notes[-1][1], notes[-1][2]) == (start, pitch)
                notes[-1] = (notes[-1][0], end, pitch)
            else:
                notes.append((start, end, pitch))
            held = open_end
        assert not held
        return notes


def by_class(svg: str, name: str) -> list[ET.Element]:
    return [element for element in ET.fromstring(svg).iter() if element.get("class") == name]


def truth(melody: Melody) -> list[tuple[int, int, int]]:
    return list(zip(*(column.tolist() for column in melody.notes), strict=True))


@pytest.mark.parametrize(
    ("melody", "bars_per_row"),
    [
        (random_melody(1), 8),
        (random_melody(2, low=60, high=64), 8),
        (random_melody(3, low=49, high=63), 4),
        (random_melody(4, low=100, bars=17), 8),
        (random_melody(5, high=30, bars=5), 8),
        (random_melody(6, bars=200, low=50, high=80), 8),
        (random_melody(7, bars=21), 5),
        (busy(8, 55, 84), 8),
        (Melody.from_notes([0, 1023], [1000, 1024], [21, 108]), 8),  # held over seven systems
        (Melody.from_notes([5], [70], [60], bars=6), 1),
        (Melody.from_notes([3], [5], [60]), 8),
    ],
)
def test_the_page_says_what_the_melody_is(melody, bars_per_row):
    reader = Reader(to_svg(melody, bars_per_row=bars_per_row))
    assert reader.notes() == truth(melody)
    assert sorted(reader.numbers) == list(range(1, melody.bars + 1))


def test_every_bar_stands_where_its_number_is():
    reader = Reader(to_svg(random_melody(1, bars=21)))
    for number, (x, y) in reader.numbers.items():
        row, bar = divmod(number - 1, 8)
        assert y == reader.tops[row]
        assert x == pytest.approx(reader.left + bar * COMMON.bar_steps * reader.step, abs=0.11)


def test_nothing_leaves_the_page_and_no_system_touches_the_next():
    for melody in (busy(1), random_melody(2, low=60, high=70), Melody.from_notes([0], [1024], [108])):
        svg = to_svg(melody)
        root, reader = ET.fromstring(svg), Reader(svg)
        width, height = (float(root.get(name)) for name in ("width", "height"))
        assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
        for element in root.iter(f"{SVG}rect"):
            x, y, w, h = (float(element.get(name, 0)) for name in ("x", "y", "width", "height"))
            assert x >= 0
            assert y >= 0
            assert x + w <= width
            assert y + h <= height
        for group in by_class(svg, "note"):
            for rect in group:
                y, h = float(rect.get("y")), float(rect.get("height"))
                top, bottom = reader.systems[reader.row(y)]
                assert top < y < y + h < bottom
        (black,) = by_class(svg, "black")
        for y, h in re.findall(r"M[\d.]+ ([\d.]+)H[\d.]+v([\d.]+)", black.get("d")):
            top, bottom = reader.systems[reader.row(float(y))]
            assert top - 0.2 < float(y) < float(y) + float(h) < bottom + 0.2
        for (_, bottom), number in zip(reader.systems, reader.tops[1:], strict=False):
            assert bottom + 15 < number  # air above the numbers below


def test_silent_bars_hold_a_whole_rest():
    melody = Melody.from_notes([16, 300, 310], [40, 310, 420], [60, 67, 64], bars=64)
    reader = Reader(to_svg(melody))
    silent = [b for b in range(64) if not any(s < 16 * b + 16 and e > 16 * b for s, e, _ in truth(melody))]
    drawn = []
    for rest in by_class(reader.svg, "rest"):
        x, y = (float(v) for v in re.match(r"M([\d.]+) ([\d.]+)", rest.get("d")).groups())
        drawn.append((reader.at(reader.row(y), x + 13) - 8) / COMMON.bar_steps)
    assert np.allclose(drawn, silent, atol=0.01)
    assert len(by_class(to_svg(Melody(np.zeros(80, np.int8))), "rest")) == 5
    assert not by_class(to_svg(busy(1)), "rest")


def test_the_skyline_has_the_shape_of_the_whole():
    melody = Melody.from_notes([0, 100, 164, 600], [64, 164, 200, 1024], [60, 72, 48, 60])
    (sky,) = by_class(to_svg(melody), "sky")
    assert re.fullmatch(r"(M[\d.]+ [\d.]+(V[\d.]+H[\d.]+)+V[\d.]+z)+", sky.get("d"))
    runs = [run for run in sky.get("d").split("M") if run]
    assert [run.count("H") for run in runs] == [1, 2, 1]
    edges = [(float(run.split(" ")[0]), float(re.findall(r"H([\d.]+)", run)[-1])) for run in runs]
    step = (edges[-1][1] - edges[0][0]) / 1024
    assert np.allclose([(b - a) / step for a, b in edges], [64, 100, 424], atol=0.2)
    heights = [float(v) for run in runs for v in re.findall(r"V([\d.]+)H", run)]
    assert heights[1] < heights[0] == heights[3] < heights[2]  # y grows downwards
    assert not by_class(to_svg(melody.slice(1, 8)), "sky")  # one system needs no overview


def test_colour_rises_with_pitch_and_survives_a_grey_printer():
    groups = by_class(to_svg(busy(1)), "note")
    grey = [
        sum(int(g.get("fill")[i : i + 2], 16) * w for i, w in ((1, 0.2126), (3, 0.7152), (5, 0.0722))) for g in groups
    ]
    assert len(grey) == 88
    assert all(a <= b + 1 for a, b in pairwise(grey))
    assert grey[-1] > 2 * grey[0]


@pytest.mark.parametrize(
    "title", ["<b>&\"'</b>", "]]>", "a\x00b\x1b", "\ud800 alone", "x\u202ey", "音楽 🎵", "x" * 500, "Für Elise"]
)
def test_any_title_is_a_title(title):
    svg = to_svg(random_melody(1, bars=9), title=title)
    svg.encode()
    root = ET.fromstring(svg)
    shown = [t.text for t in root.iter(f"{SVG}text") if t.get("class") == "text"]
    expected = re.sub("[\x00\x1b\ud800\u202e]", lambda m: m[0].encode("unicode_escape").decode(), title)
    expected = expected if len(expected) <= 90 else expected[:89] + "…"
    assert shown == [expected] == [root.find(f"{SVG}title").text]
    assert not list(root.iter("b"))


def test_without_a_title_there_is_no_empty_line():
    svg = to_svg(random_melody(1))
    assert not [t for t in ET.fromstring(svg).iter(f"{SVG}text") if t.get("class") == "text"]
    assert "64 bars · " in svg
    assert "120 qpm" in svg


def test_highlight_washes_the_bars_that_were_asked_for():
    svg = to_svg(random_melody(1), highlight=[(7, 18), (64, 64)])
    reader = Reader(svg)
    washed = set()
    for wash in by_class(svg, "wash"):
        if wash.tag == f"{SVG}rect":
            x, y, width = (float(wash.get(name)) for name in ("x", "y", "width"))
            first, last = (reader.at(reader.row(y + 1), edge) / COMMON.bar_steps for edge in (x, x + width))
            washed |= set(range(round(first) + 1, round(last) + 1))
    assert washed == {*range(7, 19), 64}
    assert not by_class(to_svg(random_melody(1)), "wash")


@pytest.mark.parametrize("bars", [(0, 3), (5, 4), (60, 65)])
def test_highlight_refuses_bars_that_are_not_there(bars):
    with pytest.raises(ValueError, match="not inside 1-64"):
        to_svg(random_melody(1), highlight=[bars])


def test_a_row_has_a_bar():
    with pytest.raises(ValueError, match="one bar or more, not 0"):
        to_svg(random_melody(1), bars_per_row=0)


def test_the_busiest_page_stays_under_120_kb_and_is_always_the_same():
    svg = to_svg(busy(1), title="All sixteenths")
    assert len(svg.encode()) < 120_000
    assert to_svg(busy(1), title="All sixteenths") == svg


def test_the_page_needs_nothing_from_outside():
    svg = to_svg(random_melody(1), title="t", highlight=[(1, 2)])
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"url\(|@import|@font-face|<script|<image|href|\bid=", svg)


def test_every_ink_has_a_dark_tone():
    svg = to_svg(
        Melody.from_notes([0], [9], [60], bars=9),
        title="t",
        highlight=[(1, 2)],
        before=Melody.from_notes([0], [9], [62], bars=9),
    )
    dark = set(re.findall(r"\.cantilena \.(\w+){", svg))
    used = {element.get("class") for element in ET.fromstring(svg).iter()} - {None, "cantilena", "note"}
    assert used == dark


def test_a_notebook_shows_the_roll_and_plays_it():
    melody = random_melody(3, bars=4)
    tags: list[tuple[str, dict[str, str]]] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))
    parser.feed(cantilena.show(melody)._repr_html_())
    assert [tag for tag, _ in tags] == ["figure", "img", "audio"]
    (_, image), (_, audio) = tags[1:]
    assert image["alt"] == repr(melody)
    assert base64.b64decode(image["src"].removeprefix("data:image/svg+xml;base64,")).decode() == to_svg(melody)
    with wave.open(io.BytesIO(base64.b64decode(audio["src"].removeprefix("data:audio/wav;base64,")))) as sound:
        assert sound.getnchannels() == 1
        assert sound.getnframes() / sound.getframerate() == pytest.approx(melody.seconds + 1.5)
    assert "controls" in audio


@pytest.mark.parametrize(
    ("bars", "qpm", "said"),
    [
        (64, 120, None),
        (1000, 120, "Of 1,000 bars the first 64 shown, the first 64 heard; a saved file has all."),
        (40, 60, "Of 40 bars the first 33 heard; a saved file has all."),
        (100, 400, "Of 100 bars the first 64 shown, the first 64 heard; a saved file has all."),
        (8, 1, "Of 8 bars the first 1 heard; a saved file has all."),
    ],
)
def test_a_notebook_holds_no_more_than_it_can(bars, qpm, said):
    html = to_html(replace(random_melody(1, bars=bars), qpm=qpm))
    assert len(html) < (2_200_000 if qpm > 1 else 3_800_000)
    assert html.count("<figcaption>") == (said is not None)
    assert said is None or f"<figcaption>{said}</figcaption>" in html


def test_a_quick_listen_is_the_same_sound():
    melody = random_melody(3, bars=2)
    with wave.open(io.BytesIO(to_wav(melody, rate=11_025, mono=True, bits=8))) as sound:
        coarse = np.frombuffer(sound.readframes(sound.getnframes()), np.uint8) / 127 - 128 / 127
    fine = to_samples(melody, rate=11_025, mono=True)
    assert np.abs(coarse - fine).max() <= 0.51 / 127
