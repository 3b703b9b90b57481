"""The pictures of docs/edits: what is drawn on them is the melody, on the axes that all rolls share."""

import re
import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from cantilena.music.melody import Melody
from melodies import random_melody

ROOT = Path(__file__).parents[1]
VERBS = [
    "infill",
    "keep",
    "extend",
    "extend-before",
    "bridge",
    "long",
    "loop",
    "motif",
    "vary",
    "morph",
    "steer",
    "form",
]


@pytest.fixture(scope="module")
def rolls():
    return runpy.run_path(str(ROOT / "examples" / "rolls.py"), run_name="rolls")


def drawn(svg: str, ink: str) -> list[tuple[float, float, float]]:
    """(x, y, width) of the notes in this ink."""
    paths = [p.get("d") for p in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}path") if p.get("class") == ink]
    found = [re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)", d) for d in paths]
    return [(float(x), float(y), float(w)) for notes in found for x, y, w in notes]


def test_rolls_share_their_axes_and_every_note_stands_in_its_ink(rolls):
    melody = Melody.from_notes([0, 16, 40], [8, 32, 48], [60, 72, 66])  # 3 bars
    page = rolls["picture"]("t", "s", [
        rolls["Roll"]("one", melody, ["kept", "new", "kept"]),
        rolls["Roll"]("the same, a bar later", melody, ["gone"] * 3, at=1),
    ], {"kept": "as it was"})  # fmt: skip
    kept, new, gone = (sorted(drawn(page, ink)) for ink in ("kept", "new", "gone"))
    assert (len(kept), len(new), len(gone)) == (2, 1, 3)
    bar = gone[0][0] - kept[0][0]
    assert bar == pytest.approx((1000 - 66) / 4, abs=0.1)
    notes = sorted(kept + new)
    assert [x for x, *_ in notes] == pytest.approx([46, 46 + bar, 46 + 2.5 * bar], abs=0.1)
    assert [w for *_, w in notes] == pytest.approx([bar / 2 - 0.8, bar - 0.8, bar / 2 - 0.8], abs=0.1)
    (_, low, _), (_, high, _), (_, middle, _) = notes
    assert middle == pytest.approx((low + high) / 2, abs=0.11)  # 66 lies between 60 and 72, and higher is up
    assert high < low
    downward = np.array([y for _, y, _ in gone]) - [low, high, middle]
    assert np.ptp(downward) == pytest.approx(0, abs=0.15)
    assert downward[0] > 50


def test_the_ink_of_a_note_is_that_of_the_first_melody_that_has_it(rolls):
    melody = random_melody(1, bars=4)
    assert set(rolls["inks"](melody, ("kept", melody), ("other", melody))) == {"kept"}
    assert set(rolls["inks"](melody, ("kept", melody.transpose(1)))) == {"new"}
    assert set(rolls["inks"](melody.transpose(1), ("kept", melody), rest="gone")) == {"gone"}


def test_bars_are_numbered_from_the_first_and_begin_again_in_a_loop(rolls):
    melody = Melody.from_notes([0], [64], [60])
    for given, numbers in (({"first": 33}, ["33", "34", "35", "36"]), ({"wraps": 2}, ["1", "2", "1", "2"])):
        page = rolls["picture"]("t", "s", [rolls["Roll"]("r", melody, ["new"], **given)], {})
        assert re.findall(r'font-size="10" [^>]*>(\d+)<', page) == numbers


def test_twelve_pictures_lie_in_docs_and_each_is_small():
    folder = ROOT / "docs" / "edits"
    assert sorted(p.stem for p in folder.glob("*.svg")) == sorted(VERBS)
    for picture in folder.glob("*.svg"):
        assert picture.stat().st_size < 60_000
        assert ET.parse(picture).getroot().get("viewBox")
