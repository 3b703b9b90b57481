"""A typeset score: a page of SVG, pages of PDF; and a typesetter that fails, aborts or hangs ends in one line."""

import re
from io import BytesIO

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


def test_pages_of_paper():
    """64 bars of eighths need two pages of A4: the title stands on the first, all bar numbers and chords as text."""
    pypdf, _ = pytest.importorskip("pypdf"), pytest.importorskip("verovio")
    pytest.importorskip("typst")
    starts = range(0, 64 * 16, 2)
    melody = Melody.from_notes(starts, [at + 2 for at in starts], [60 + at % 13 for at in starts])
    title = 'Žluťoučký "kůň" & #x $y'
    data = to_musicxml(melody, title=title, key="Eb major", chords=[Placed(1, 0, "Cmaj7"), Placed(60, 0, "Bbdim")])
    made = engraving.engrave(data, title, format="pdf")
    pages = pypdf.PdfReader(BytesIO(made)).pages
    first, last = (page.extract_text() for page in pages)
    assert [round(float(side)) for side in pages[0].mediabox[2:]] == [595, 842]
    assert title in first
    assert title not in last
    assert "maj7" in first
    assert "dim" in last
    assert re.search(r"\b1 / 2\b", first)
    assert re.search(r"\b2 / 2\b", last)
    assert engraving.engrave(data, title, format="pdf") == made


@pytest.mark.parametrize("format", ["score", "pdf"])
@pytest.mark.parametrize(
    ("child", "says"),
    [
        ("import os; os.abort()", "ended by signal 6"),
        ("import sys; sys.exit('verovio cannot read it')", "verovio cannot read it"),
        ("raise ValueError('a\\x1b\\nb')", "cannot be typeset: b"),
        ("raise OSError(28, 'No space left on device')", "No space left on device"),
        ("print('no page')", "gave no page"),
        ("import time; time.sleep(60)", "took more than 0.2 seconds"),
    ],
)
def test_what_goes_wrong_in_the_child_is_one_line(child, says, format, monkeypatch):
    monkeypatch.setattr(engraving, "check_typesetter", lambda format: None)
    monkeypatch.setattr(engraving, "_CHILD", ("-c", child))
    monkeypatch.setattr(engraving, "_SECONDS", 0.2 if "sleep" in child else 20)
    with pytest.raises(CantilenaError, match=f"^tune: .*{says}") as error:
        engraving.engrave(b"<score-partwise/>", "tune", format=format)
    assert str(error.value).isprintable()


def test_what_is_no_score_is_one_line():
    pytest.importorskip("verovio")
    with pytest.raises(CantilenaError, match=r"^tune: cannot be typeset: verovio cannot read it$"):
        engraving.engrave(b"no music", "tune")


@pytest.mark.parametrize(
    ("format", "there", "missing"),
    [
        ("score", [], "verovio"),
        ("pdf", ["verovio", "brotli"], "typst and fonttools"),
        ("pdf", ["typst", "fontTools", "brotli"], "verovio"),
    ],
)
def test_without_a_typesetter_it_says_how_to_get_it(format, there, missing, monkeypatch):
    monkeypatch.setattr(engraving, "find_spec", lambda name: name in there or None)
    with pytest.raises(CantilenaError, match=rf"^a typeset score needs {missing}: pip install 'cantilena\[score\]'$"):
        engraving.engrave(b"", "tune", format=format)


def test_a_chord_is_written_once():
    """The text of its kind says all of it: verovio would add its degrees, A7b5(b5)."""
    pytest.importorskip("verovio")
    melody = Melody.from_notes([0], [16], [69])
    page = engraving.engrave(to_musicxml(melody, chords=[Placed(1, 0, "A7b5")]), "A tune").decode()
    assert "A7b5" in page
    assert "(" not in page[page.index("A7b5") : page.index("A7b5") + 200].split("</text>")[0]
