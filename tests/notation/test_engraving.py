"""A typeset score: a page of SVG; and a verovio that fails, aborts or hangs ends in one line, and not this process."""

import pytest

from cantilena.errors import CantilenaError
from cantilena.music.melody import Melody
from cantilena.notation import engraving
from cantilena.notation.chords import Placed
from cantilena.notation.to_musicxml import to_musicxml


def test_a_page_of_music():
    pytest.importorskip("verovio")
    melody = Melody.from_notes([0, 4, 8], [4, 8, 32], [60, 62, 64])
    data = to_musicxml(melody, title="A & B", chords=[Placed(1, 0, "Cmaj7")])
    page = engraving.engrave(data, "A & B")
    assert page.lstrip().startswith(b"<svg")
    assert page.count(b'class="note"') == 4  # a half note is tied to the next bar
    assert b"maj7" in page
    assert engraving.engrave(data, "A & B") == page
    assert b"http" not in page.replace(b"http://www.w3.org", b"")


@pytest.mark.parametrize(
    ("child", "says"),
    [
        ("import os; os.abort()", "ended by signal 6"),
        ("import sys; sys.exit('cannot read it')", "verovio cannot read it"),
        ("raise ValueError('a\\x1b\\nb')", "verovio b"),
        ("print('no page')", "gave no page"),
        ("import time; time.sleep(60)", "took more than 1 seconds"),
    ],
)
def test_what_goes_wrong_in_the_child_is_one_line(child, says, monkeypatch):
    monkeypatch.setattr(engraving, "check_verovio", lambda: None)
    monkeypatch.setattr(engraving, "_CHILD", child)
    monkeypatch.setattr(engraving, "_SECONDS", 1 if "sleep" in child else 20)
    with pytest.raises(CantilenaError, match=f"^tune: .*{says}") as error:
        engraving.engrave(b"<score-partwise/>", "tune")
    assert str(error.value).isprintable()


def test_without_verovio_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(engraving.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CantilenaError, match=r"pip install 'cantilena\[score\]'"):
        engraving.engrave(b"", "tune")


def test_a_chord_is_written_once():
    """The text of its kind says all of it: verovio would add its degrees, A7b5(b5)."""
    pytest.importorskip("verovio")
    melody = Melody.from_notes([0], [16], [69])
    page = engraving.engrave(to_musicxml(melody, chords=[Placed(1, 0, "A7b5")]), "A tune").decode()
    assert "A7b5" in page
    assert "(" not in page[page.index("A7b5") : page.index("A7b5") + 200].split("</text>")[0]
