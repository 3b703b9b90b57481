"""A book of tunes in ABC is split as musicians write such books, and everything that reads many songs reads each."""

import numpy as np
import pytest
from sheets import abc, heard

from cantilena.corpus.build import build
from cantilena.errors import MidiError
from cantilena.metrics.pieces import read_pieces
from cantilena.notation.extractor import extract_song
from cantilena.notation.to_abc import to_abc
from cantilena.notation.tunebook import abc_text, read_book, split_book
from cantilena.sources import Source, file_of
from melodies import random_melody


def book_of(*tunes: str) -> bytes:
    return "\n".join(tunes).encode()


def tune(number: object, body: str = "CDEF|", *, title: str = "A tune", head: str = "") -> str:
    return f"X:{number}\nT:{title}\n{head}K:C\n{body}\n"


def numbers(data: bytes) -> list[int]:
    text = abc_text(data, "book.abc")
    assert text is not None
    return [one.number for one in read_book(text).tunes]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (book_of(tune(3), tune(" 12 % of the second book")), [3, 12]),
        (book_of(tune(3), tune(3), tune(5)), [1, 2, 3]),
        (book_of(tune(3), tune(""), tune(9)), [1, 2, 3]),
        (book_of("Words.\n", tune(3), "X: marks the place.\n", tune(5)), [3, 5]),
        (book_of("word " * 2000 + "\n", tune(3), tune(5)), [3, 5]),
        (book_of(tune(3), tune(5)).replace(b"\n", b"\r\n"), [3, 5]),
        (book_of(tune(3), tune(5)).replace(b"\n", b"\r"), [3, 5]),
        (b"\xef\xbb\xbf" + book_of(tune(3), tune(5)), [3, 5]),
        (book_of(tune(3), tune(5)).decode().encode("utf-16"), [3, 5]),
    ],
)
def test_tunes_go_by_their_numbers_or_else_by_their_place(data, expected):
    assert numbers(data) == expected


def test_what_is_written_in_latin_1_is_read():
    text = abc_text(tune(1, title="Für Größe").encode("latin-1"), "a.abc")
    assert read_book(text or "").tunes[0].title == "Für Größe"


def test_the_header_of_a_book_holds_for_every_tune_that_says_nothing_else():
    header = "%abc-2.1\nL:1/4\nM:3/4\nT:no title of a tune\n\nM:2/2 is a word here\n\n"
    text = header + tune(1) + "\n" + tune(2, head="L:1/2\nM:C|\n")
    first, second = read_book(text).tunes
    assert (first.metre, second.metre) == ("3/4", "C|")
    assert (first.title, second.title) == ("A tune", "A tune")
    assert [[length for _, length, _ in heard(one.text)] for one in (first, second)] == [[1] * 4, [2] * 4]


def test_text_between_tunes_is_no_music():
    first, _ = read_book(tune(1) + "\nAgain: CDEF|\n\n" + tune(2)).tunes
    assert heard(first.text) == heard(abc("CDEF|", unit="1/8"))


def test_a_bad_tune_costs_itself(tmp_path):
    path = tmp_path / "book.abc"
    path.write_bytes(book_of(tune(1), "X:2\nT:No key\nCDEF|\n", tune(3, "GABc|")))
    first, bad, last = Source.of(path).songs()
    assert [len(one.song.tracks[0].start) for one in (first, last)] == [4, 4]
    with pytest.raises(MidiError, match=r"^book.abc#2: the ABC tune has no K: field"):
        _ = bad.song
    with pytest.raises(MidiError, match=r"^book.abc: has no tune 4, but 3 tunes, 1 to 3 "):
        Source.of(f"{path}#4")


def test_a_tune_is_named_by_its_number_unless_a_file_has_that_name(tmp_path):
    path, other = tmp_path / "book.abc", tmp_path / "book.abc#2"
    path.write_bytes(book_of(tune(1), tune(2, "GABc|")))
    chosen = Source.of(f"{path}#2")
    assert (chosen.name, chosen.path, chosen.title, chosen.remarks) == ("book.abc#2", path, "A tune", ())
    assert chosen.sha256 == Source.of(chosen.content or b"").sha256 != Source.of(path).sha256
    assert [note[2] for note in heard(chosen.content or b"")] == [67, 69, 71, 72]
    other.write_bytes(tune(1, "CCCC|").encode())
    assert file_of(other) == (other, None)
    assert Source.of(other).sha256 != chosen.sha256


@pytest.mark.parametrize("data", [b"", b"MThd", b"words", b"<score-partwise/>"])
def test_what_is_no_book_has_no_tunes(data):
    assert Source("a.abc", "0" * 64, data).tunes() == ()
    assert split_book(data, "a.abc") == [("a.abc", data)]


def test_a_corpus_and_an_evaluation_read_every_tune(tmp_path):
    """As if each were a file of its own; the names say which is which."""
    melodies = [random_melody(seed, 20) for seed in (3, 4, 5)]
    written = [to_abc(one).decode().replace("X:1", f"X:{k}") for k, one in enumerate(melodies, 1)]
    (tmp_path / "book.abc").write_text("\n".join([written[0], "X:9\nT:bad\nCDEF|\n", *written[1:]]))
    pieces = read_pieces(tmp_path)
    assert len(pieces) == 3
    assert all(np.array_equal(found, one.events) for found, one in zip(pieces.events, melodies, strict=True))
    assert pieces.skipped == {"the ABC tune has no K: field, which ends its head": 1}
    told: list[tuple[int, int | None]] = []
    corpus = build(
        [tmp_path / "book.abc"], tmp_path / "corpus", workers=1, extractor=extract_song, tunes=split_book,
        progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert len(corpus) == 3
    assert len(set(corpus.table["group"])) == 3
    files = (tmp_path / "corpus" / "files.jsonl").read_text()
    assert all(f"book.abc#{number}" in files for number in (1, 2, 3, 9))
    assert told[-1] == (4, 4)
