import json
import re
import shutil
import subprocess
from functools import cache
from html.parser import HTMLParser
from itertools import islice

import numpy as np
import pytest

from cantilena.metrics.rounding import score
from cantilena.music.melody import VOCABULARY, Melody
from cantilena.reproduction.page import LETTERS, decode, encode, notes, page, sample_name
from melodies import random_melody
from results import invented_results

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@cache
def tunes() -> list[Melody]:
    return [random_melody(seed, bars=64) for seed in range(5)]


def some_samples(each: int) -> dict[str, dict[str, list[Melody]]]:
    """No two melodies alike: each of a few tunes in many keys."""
    keys = ((tune, semitones) for semitones in range(-12, 12) for tune in tunes())
    rows = invented_results()["rows"]
    return {
        row: {setting: [tune.transpose(semitones) for tune, semitones in islice(keys, each)] for setting in settings}
        for row, settings in rows.items()
    }


class Reader(HTMLParser):
    """Every address in a page, and whether what is opened is closed in order."""

    VOID = ("meta", "link", "br", "img", "input", "hr")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses, self.ids, self.open, self.buttons = [], [], [], 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.addresses += [attributes[name] for name in ("href", "src", "xlink:href", "action") if name in attributes]
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.open += [] if tag in self.VOID else [tag]
        if tag == "button" and attributes.get("class") == "play":
            self.buttons += 1
            assert attributes["aria-label"].startswith("Play ")

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_letters_are_safe_in_json_and_html():
    assert len(set(LETTERS)) == len(LETTERS) == VOCABULARY
    assert json.dumps(LETTERS) == f'"{LETTERS}"'
    assert not set(LETTERS) & set('<&"\\')


@pytest.mark.parametrize("seed", range(20))
def test_decode_is_the_inverse_of_encode(seed):
    random = np.random.default_rng(seed)
    tokens = np.where(random.random(1024) < 0.5 / (seed + 1) ** 2, random.integers(0, VOCABULARY, 1024), 0)
    melody = Melody.from_tokens(tokens, qpm=97.5)  # the later ones hold and rest for longer than a letter can say
    text = encode(melody)
    np.testing.assert_array_equal(decode(text, 97.5).events, melody.events)
    assert decode(text, 97.5).qpm == 97.5


@pytest.mark.parametrize(
    "tokens", [[0] * 1024, [2] + [0] * 1023, [89] * 64, [0] * 15 + [41] + [0] * 89 + [1] + [0] * 6]
)
def test_silence_and_notes_of_any_length_survive(tokens):
    melody = Melody.from_tokens(tokens)
    np.testing.assert_array_equal(decode(encode(melody)).events, melody.events)


def test_the_page_holds_every_melody():
    samples = some_samples(3)
    found = notes(page(invented_results(), samples))
    assert {row: list(settings) for row, settings in found.items()} == {row: list(s) for row, s in samples.items()}
    for row, settings in samples.items():
        for setting, melodies in settings.items():
            assert len(found[row][setting]) == len(melodies)
            for melody, other in zip(melodies, found[row][setting], strict=True):
                np.testing.assert_array_equal(melody.events, other.events)
    with pytest.raises(ValueError, match="not a page of samples"):
        notes("<html></html>")


def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere():
    samples = some_samples(3)
    html = page(invented_results(), samples)
    reader = Reader(html)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    expected = [sample_name(row, s, i + 1) for row, settings in samples.items() for s in settings for i in range(3)]
    files = [address.removeprefix("samples/") for address in reader.addresses if address.startswith("samples/")]
    assert files == expected
    assert reader.buttons == len(expected)
    inside = [address[1:] for address in reader.addresses if address.startswith("#")]
    assert len(inside) == sum(map(len, samples.values()))
    assert set(inside) <= set(reader.ids)
    assert len(files) + len(inside) == len(reader.addresses)
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")
    assert not re.search(r"<!--|url\(|@import|fetch\(|XMLHttpRequest", html)
    assert "default-src 'none'" in html


def test_each_section_has_its_scores_beside_the_published_ones():
    results = invented_results()
    html = page(results, some_samples(1))
    for row, settings in results["rows"].items():
        for setting, cells in settings.items():
            section = html.split(f'<section id="{row}-{setting}"')[1].split("</section>")[0]
            ours, *published = re.findall(r"<tr[^>]*><th scope=\"row\">.*?</tr>", section)
            values = re.findall(r"<td>([\d.]+)", ours)
            assert values == [score(cells[a][n]["value"]) for a in ("pitch", "duration") for n in ("C", "var_pieces")]
            theirs = results["published"].get(row, {}).get(setting)
            assert len(published) == bool(theirs)
            if theirs:
                values = re.findall(r"<td>([\d.]+)", published[0])
                assert values == [score(theirs[a][n]) for a in ("pitch", "duration") for n in ("C", "var")]


def test_made_bars_are_spoken_of_where_there_are_some():
    html = page(invented_results(), some_samples(1))
    sections = dict(re.findall(r'<section id="([\w-]+)".*?</h3><p>(.*?)</p>', html))
    tinted = {name for name, text in sections.items() if "bars 17 to 48, tinted" in text}
    assert tinted == {f"{row}-infilling" for row in ("diffusion", "diffusion-tuned", "interpolation", "prior")}


def test_text_from_results_is_escaped():
    results = invented_results()
    results["about"].update(model="<b>mine</b>", heard="Scores & more, CC0.")
    html = page(results, some_samples(1))
    assert "<b>mine" not in html
    assert "<p>Scores &amp; more, CC0.</p>" in html


def test_a_full_page_is_small():
    """13 rows, 2 settings, 20 melodies of 300 notes."""
    random = np.random.default_rng(0)
    start = np.sort(random.choice(1024, 300, replace=False))
    end = np.minimum(np.append(start[1:], 1024), start + random.integers(1, 6, 300))
    busy = Melody.from_notes(start, end, random.integers(50, 85, 300), bars=64)
    samples = {row: dict.fromkeys(("unconditional", "infilling"), [busy] * 20) for row in invented_results()["rows"]}
    assert len(page(invented_results(), samples).encode()) < 1_000_000  # 1.2 MB are allowed


PROBE = """<script>
const seen = {errors: []};
addEventListener("error", (event) => seen.errors.push(event.message));
seen.notes = takes.map((take) => take.notes.map((note) => [note.start, note.end, note.pitch]));
seen.steps = takes.map((take) => take.steps);
const press = (key) => (document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
const playing = () => [...document.querySelectorAll(".playing .play")].map((button) => button.getAttribute("aria-label"));
takes[0].button.click(); seen.first = playing();
takes[1].button.click(); seen.second = playing();
press(" "); seen.paused = playing(); seen.kept = player.take === takes[1];
press(" "); seen.again = playing();
takes[1].button.focus(); press("ArrowDown"); seen.down = document.activeElement === takes[2].button;
takes[1].button.focus(); press("ArrowRight"); seen.bar = document.getElementById("where").textContent;
press("Escape"); seen.stopped = [playing(), player.take, document.getElementById("bar").hidden];
takes[0].button.focus(); draw(takes[0]);
const {data: pixels} = takes[0].canvas.getContext("2d").getImageData(0, 0, takes[0].canvas.width, takes[0].canvas.height);
seen.ink = pixels.filter((v, i) => i % 4 === 3 && v > 200).length;
seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
document.title = JSON.stringify(seen);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_in_a_browser_it_draws_and_plays_one_at_a_time(tmp_path):
    samples = {"diffusion": {"infilling": tunes()[:3]}}
    file = tmp_path / "index.html"
    file.write_text(page(invented_results(), samples).replace("</body>", PROBE), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=500,800", f"--user-data-dir={tmp_path}/chromium", "--autoplay-policy=no-user-gesture-required", "--dump-dom", file.as_uri()]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    seen = json.loads(re.search(r"<title>(.*?)</title>", dom)[1].replace("&amp;", "&").replace("&lt;", "<"))
    assert seen["errors"] == []
    melodies = samples["diffusion"]["infilling"]
    assert seen["notes"] == [np.stack(melody.notes, axis=1).tolist() for melody in melodies]
    assert seen["steps"] == [1024] * 3
    assert seen["first"] == ["Pause diffusion, infilling, 1"]
    assert seen["second"] == seen["again"] == ["Pause diffusion, infilling, 2"]
    assert seen["paused"] == []
    assert seen["kept"]
    assert seen["down"]
    assert seen["bar"].startswith("bar 5 of 64")
    assert seen["stopped"] == [[], None, True]
    assert seen["ink"] > 1000
    assert seen["wide"] <= 0
