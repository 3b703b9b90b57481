"""What people do in the studio, one by one, in a real browser that can reach no other host."""

import math
import shutil
import statistics
import subprocess
from pathlib import Path

import numpy as np
import pytest
from browser import ARGUMENTS, CHROMIUM, Page, Server, needs_browser

from cantilena.music.chunks import Event, track_chunk
from cantilena.music.melody import Melody
from cantilena.music.midi import read_song, to_midi
from melodies import random_melody

pytestmark = needs_browser
WEB = Path(__file__).parents[2] / "web"
NOTES = "studio.work.song.tracks[studio.work.song.melody].notes"


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def chromium():
    assert CHROMIUM, "no chromium here: apt-get install chromium"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def desk(server, chromium):
    """Opens pages with a history of their own; at the end they must have asked nobody else, and made no error."""
    contexts, strangers, errors = [], [], []
    if server.process.poll() is not None:
        server.start()

    def context(**settings):
        made = chromium.new_context(viewport={"width": 1280, "height": 800}, **settings)
        made.set_default_timeout(15_000)
        contexts.append(made)
        return made

    def page(in_context=None, **settings) -> Page:
        return Page(in_context or context(**settings), server.address, strangers, errors)

    page.context, page.errors = context, errors
    yield page
    for one in contexts:
        one.close()
    assert strangers == []
    assert errors == []


@pytest.fixture
def page(desk) -> Page:
    return desk().open()


def outside(data: bytes, first: int, last: int) -> list[tuple[int, int, int]]:
    track = read_song(data).tracks[0]
    notes = zip(track.start.tolist(), track.end.tolist(), track.pitch.tolist(), strict=True)
    return [note for note in notes if not (first - 1) * 1920 <= note[0] < last * 1920]


def test_a_tune_is_there_and_plays_at_the_first_look(page):
    assert page.ask("studio.work.step.title") == "compose, seed 39"
    assert page.ask(f"{NOTES}.length") > 40
    page.press("Space")
    page.until("studio.player.playing && studio.player.seconds > 0.3")
    page.until("studio.roll.shown.head > 300")  # the play-head moves
    assert page.page.locator(".play").get_attribute("aria-label") == "Pause"
    page.press("Space")
    page.until("!studio.player.playing")
    sound = page.ask(
        "studio.sound(8).then(s => [Math.sqrt(s.reduce((a, b) => a + b * b, 0) / s.length), s.reduce((a, b) => Math.max(a, Math.abs(b)), 0)])"
    )
    assert 0.01 < sound[0] < 0.5
    assert sound[1] < 1.05
    silence = page.ask("""studio.player && (async () => {
        const { sound } = studio, shown = studio.work.shown; studio.work.shown = () => ({ ...shown.call(studio.work), melody: [] });
        const found = (await studio.sound(1)).reduce((a, b) => Math.max(a, Math.abs(b)), 0); studio.work.shown = shown; return found; })()""")
    assert silence < 1e-6  # what is measured is the notes


def test_a_region_is_filled_and_all_else_stays(page):
    before = page.midi()
    page.region(17, 24)
    page.go()
    page.candidates(3)
    assert page.ask("studio.work.candidates.every(c => c.bars.every(bar => bar >= 17 && bar <= 24))")
    assert page.ask("new Set(studio.work.candidates.map(c => c.made.sha256)).size") == 3
    page.page.click("#look-c")
    page.page.click("#accept")
    page.entered(2)
    after = page.midi()
    assert outside(after, 17, 24) == outside(before, 17, 24)
    assert read_song(after).tracks[0].pitch.tolist() != read_song(before).tracks[0].pitch.tolist()
    assert "infill 17" in page.steps()[-1]


def test_locked_notes_stand_in_every_candidate(page):
    page.region(5, 8)
    inside = page.ask(
        f"{NOTES}.map((n, k) => [n[0], k]).filter(([t]) => t >= 4 * 1920 && t < 8 * 1920).map(([, k]) => k)"
    )
    locked = [page.click_note(inside[2])[:3], page.click_note(inside[-2])[:3]]
    assert page.ask("studio.work.locks.size") == 2
    assert "2 notes locked" in page.page.locator(".where").inner_text()
    page.go()
    page.candidates(3)
    for k in range(3):
        notes = page.ask(f"studio.work.candidates[{k}].made.song.tracks[0].notes")
        there = [note[:3] for note in notes]
        assert all(note in there for note in locked)
    assert page.ask("studio.work.candidates[0].made.receipt.request.keep.name") == "locked notes.mid"


def test_the_strength_of_a_variation_is_heard_as_the_slider_moves(page):
    page.tab("vary")
    changed = []
    for strength in (0.1, 0.9):
        page.ask(f"""(() => {{ const slider = document.getElementById("vary-strength"); slider.value = {strength};
            slider.dispatchEvent(new Event("input")); }})()""")
        page.until(f"!studio.work.job && studio.work.candidates[0]?.made?.receipt.request.strength === {strength}")
        changed.append(page.ask("studio.work.candidates[0].bars.length"))
    assert changed[0] < changed[1]
    assert page.ask("studio.work.history.steps.size") == 1  # nothing is kept before it is wanted


def test_one_tune_is_led_into_another(page):
    page.tab("compose")
    page.page.fill("#seed", "3")
    page.go()
    page.entered(2)
    page.tab("morph")
    first = page.ask("[...studio.work.history.steps.values()].sort((a, b) => a.time - b.time)[0].id")
    page.page.select_option("#morph-b", first)
    page.ask(
        """(() => { const slider = document.getElementById("morph-step"); slider.value = 4; slider.dispatchEvent(new Event("input")); })()"""
    )
    page.until("!studio.work.job && studio.work.candidates[0]?.made?.receipt.request.step === 4")
    page.page.click("#accept")
    page.entered(3)
    assert page.steps()[-1].startswith("morph")


def test_one_bar_of_a_candidate_is_kept_and_the_rest_is_not(page):
    before = page.midi()
    page.region(9, 12)
    page.go()
    page.candidates(3)
    bars = page.ask("studio.work.candidate.bars")
    assert len(bars) > 1
    for bar in bars[1:]:
        page.page.click(f"#bar-{bar}")
    candidate = page.ask("studio.work.candidate.made.song.tracks[0].notes.map(n => n.slice(0, 3))")
    page.page.click("#accept")
    page.entered(2)
    after = page.midi()
    (kept,) = bars[:1]
    span = ((kept - 1) * 1920, kept * 1920)
    inside = [n for n in outside(after, 0, 0) if span[0] <= n[0] < span[1]]
    assert [n[0::2] for n in inside] == [(n[0], n[2]) for n in candidate if span[0] <= n[0] < span[1]]
    starts = [[n[0::2] for n in outside(data, kept, kept)] for data in (before, after)]
    assert starts[0] == starts[1]


def test_undo_and_redo_walk_the_history(page):
    notes = page.ask(f"JSON.stringify({NOTES})")
    page.press("d")
    note = page.click_note(3)
    page.press("Delete")
    page.entered(2)
    assert note[:3] not in [n[:3] for n in page.ask(NOTES)]
    changed = page.ask(f"JSON.stringify({NOTES})")
    page.press("Control+z")
    assert page.ask(f"JSON.stringify({NOTES})") == notes
    page.press("Control+Shift+z")
    assert page.ask(f"JSON.stringify({NOTES})") == changed
    page.press("Control+z")
    page.page.locator(".tree button").first.click()  # the newest, by hand
    assert page.ask(f"JSON.stringify({NOTES})") == changed


def test_notes_are_drawn_and_moved(page):
    start = np.arange(0, 256, 8)  # a quarter, and a quarter's rest
    page.drop(to_midi(Melody.from_notes(start, start + 4, 60 + np.arange(32) % 5)), "rests.mid")
    page.settled()
    page.until(f"{NOTES}.length === 32")
    page.page.click("#draw")
    free = page.ask(f"""(() => {{ const notes = {NOTES}; const k = notes.findIndex((n, k) => k > 2 && notes[k + 1] && notes[k + 1][0] - n[1] >= 480);
        return notes[k][1]; }})()""")
    before = page.ask(f"{NOTES}.length")
    page.ask(f"studio.roll.reveal(1 + Math.floor({free} / 1920))")
    x, y = page.ask(f"[studio.roll.x({free} + 130), studio.roll.y(70) + studio.roll.lane / 2]")
    box = page.page.locator("canvas.roll").bounding_box()
    page.page.mouse.click(box["x"] + x, box["y"] + y)
    page.until(f"{NOTES}.length === {before + 1}")
    page.press("ArrowUp")
    page.until(f"{NOTES}.some(n => n[2] === 71 && n[0] === {math.ceil(free / 120) * 120})")


def test_a_reload_loses_nothing(page):
    page.region(5, 6)
    page.go()
    page.candidates(3)
    page.page.click("#accept")
    page.entered(2)
    had = page.steps(), page.ask(f"JSON.stringify({NOTES})"), page.ask("studio.work.step.id")
    page.page.reload()
    page.settled()
    assert (page.steps(), page.ask(f"JSON.stringify({NOTES})"), page.ask("studio.work.step.id")) == had


def test_a_broken_file_is_one_message_and_the_page_lives_on(page, desk):
    page.drop(b"MThd this is no song", "broken.mid")
    page.until("!document.querySelector('.alert').hidden")
    said = page.page.locator(".alert").inner_text()
    assert said.startswith("broken.mid: ")
    assert "\n" not in said.strip("×\n ")
    desk.errors[:] = [error for error in desk.errors if "422" not in error]  # the browser's own note of the refusal
    page.drop(to_midi(random_melody(4).slice(1, 24), track_name="Lead"), "mine.mid")
    page.until("studio.work.song.name === 'mine.mid'")
    assert page.page.locator(".alert").is_hidden()
    assert page.page.locator("h1").inner_text() == "mine.mid"


def test_a_server_that_goes_in_the_middle_loses_nothing(page, server, desk):
    page.page.fill("#infill-steps", "400") if page.page.locator("#infill-steps").is_visible() else page.ask("""(() => {
        document.querySelectorAll("#panel-infill details").forEach(one => one.open = true); document.getElementById("infill-steps").value = 400; })()""")
    page.region(9, 16)
    page.page.fill("#ways", "1")
    page.go()
    page.until("studio.work.candidates[0]?.state === 'working'")
    server.kill()
    page.until("studio.work.away && !document.querySelector('.alert').hidden")
    assert "does not answer" in page.page.locator(".alert").inner_text()
    assert page.ask("studio.work.history.steps.size") == 1
    page.press("Space")
    page.until("studio.player.playing")  # what is there still plays
    page.press("Space")
    page.ask("document.getElementById('infill-steps').value = 20")
    server.start()
    page.until("!studio.work.away", 15)
    page.until(
        "studio.work.candidates[0]?.state === 'done'", 60
    )  # the song was sent again, and the fill asked for again
    desk.errors.clear()  # the browser notes connections that were refused


def test_two_tabs_share_their_history_and_not_their_place(desk):
    context = desk.context()
    one = desk(context).open()
    other = desk(context).open()
    assert other.ask("studio.work.step.id") == one.ask("studio.work.step.id")
    one.tab("compose")
    one.page.fill("#seed", "11")
    one.go()
    one.entered(2)
    other.until("studio.work.history.steps.size === 2")
    assert other.ask("studio.work.step.title") == "compose, seed 39"
    other.region(3, 4)
    other.go()
    one.tab("infill")
    one.region(3, 4)
    one.go()
    one.candidates(3)
    other.candidates(3)


def test_by_keyboard_alone(page):
    reached = []
    for _ in range(40):
        page.press("Tab")
        here = page.ask(
            "[document.activeElement.id, document.activeElement.className, getComputedStyle(document.activeElement).outlineStyle]"
        )
        reached.append(here)
        if here[1] == "roll":
            break
    assert reached[-1][1] == "roll"
    assert all(outline != "none" for *_, outline in reached)  # focus is seen
    page.press("Home", "ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    assert page.ask("studio.work.region") == [5, 7]
    page.press("Delete")
    assert page.ask("studio.work.opened")
    page.press("Enter")
    page.candidates(3)
    page.press("2")
    page.until("studio.work.looked === 1")
    page.press("a")
    assert page.ask("studio.work.looked") == -1
    page.press("b", "k")
    page.entered(2)
    page.press("]", "l")
    assert page.ask("studio.work.locks.size") == 1
    page.press("ArrowUp")
    page.entered(3)
    page.press("Control+z", "Control+z")
    assert page.ask("studio.work.step.title") == "compose, seed 39"


def test_on_a_phone(desk):
    page = desk(has_touch=True, is_mobile=True)
    page.page.set_viewport_size({"width": 390, "height": 844})
    page.open()
    assert page.ask("document.documentElement.scrollWidth") <= 390
    cut = page.ask("""[...document.querySelectorAll("button, input, select, canvas, a")].filter(e => e.checkVisibility() && !e.closest("[hidden]"))
        .map(e => [e.id || e.textContent, e.getBoundingClientRect()]).filter(([, r]) => r.width && (r.left < -1 || r.right > 391)).map(([n]) => n)""")
    assert cut == []
    box = page.page.locator("canvas.roll").bounding_box()
    page.page.touchscreen.tap(box["x"] + 90, box["y"] + 74)
    page.until("studio.work.region?.[0] === 1")
    page.page.locator(".doing .go").tap()
    page.candidates(3)
    page.page.locator("#accept").tap()
    page.entered(2)


def test_a_song_in_three_four(page):
    waltz = Event(0, b"\xff\x58\x04\x03\x02\x18\x08", False)
    notes = [
        e
        for k in range(36)
        for e in (
            Event(96 * k, bytes([0x90, 60 + k % 7, 80]), False),
            Event(96 * k + 96, bytes([0x80, 60 + k % 7, 64]), False),
        )
    ]
    events = sorted([waltz, *notes], key=lambda e: e.tick)
    data = b"MThd\0\0\0\6\0\0\0\1\0\x60" + track_chunk([*events, Event(96 * 36, b"\xff\x2f\x00", False)])
    page.drop(data, "waltz.mid")
    page.until("studio.work.song.name === 'waltz.mid'")
    assert page.ask("studio.work.song.bars.length") == 13
    assert "3/4" in page.page.locator(".meta").inner_text()
    assert (
        page.ask("studio.sound(2).then(s => s.reduce((a, b) => Math.max(a, b), 0))") > 0.01
        or page.ask("studio.work.song.melody") is None
    )
    page.press("End")
    assert page.ask("studio.cursor") == 12


def test_a_thousand_bars_scroll_smoothly(page):
    page.drop(to_midi(random_melody(9, bars=1000)), "long.mid")
    page.until("studio.work.song.name === 'long.mid' && studio.work.song.bars.length > 1000")
    scroll = """new Promise(done => { const roll = studio.roll, began = performance.now(), first = roll.frames;
        const on = () => { const past = performance.now() - began; if (past > 1500) return done((roll.frames - first) / past * 1000);
            roll.scrollBy(roll.left > 3900 ? -4000 : 6); requestAnimationFrame(on); }; on(); })"""
    assert max(page.ask(scroll) for _ in range(3)) >= 50


def test_a_slow_look_at_how_it_is_composed_can_be_cancelled(page):
    page.ask(
        """(() => { const pace = document.getElementById("pace"); pace.value = 200; pace.dispatchEvent(new Event("input")); })()"""
    )
    page.region(9, 16)
    page.page.fill("#ways", "1")
    page.go()
    page.until("studio.work.job?.heard.length > 0")
    assert page.ask("studio.work.job.heard.every(n => n[0] >= 8 * 1920 && n[0] < 16 * 1920)")
    page.press("Escape")
    page.until("!studio.work.job && studio.work.candidates.length === 0")
    assert page.ask("studio.work.history.steps.size") == 1
    page.until("fetch('/healthz').then(r => r.json()).then(h => h.working === 0)")


def test_from_the_click_to_notes(page):
    page.page.fill("#ways", "1")
    first, last = [], []
    for k in range(5):
        page.region(9 + k, 16 + k)
        page.ask("performance.clearMarks()")
        page.go()
        page.candidates(1)
        marks = page.ask("Object.fromEntries(performance.getEntriesByType('mark').map(m => [m.name, m.startTime]))")
        first.append(marks["studio:first"] - marks["studio:asked"])
        last.append(marks["studio:done"] - marks["studio:asked"])
        page.press("Escape")
    print(f"\nfirst notes {statistics.median(first):.0f} ms, finished {statistics.median(last):.0f} ms")
    assert statistics.median(first) <= 300 * 3  # 300 and 1500 on an idle machine; CI is not one
    assert statistics.median(last) <= 1500 * 3


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core, as npm has it; it is no part of the package."""
    script = WEB / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        if shutil.which("npm") is None:
            pytest.skip("axe-core comes by npm, which is not here")
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=WEB, check=True, capture_output=True)
    return script.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(desk, axe, scheme, width):
    page = desk(color_scheme=scheme)
    page.page.set_viewport_size({"width": width, "height": 800})
    page.open()
    page.press("Home", "Shift+ArrowRight")
    page.go()
    page.candidates(3)
    page.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.ask(axe)
    found = page.ask(
        "axe.run(document, { resultTypes: ['violations'] }).then(r => r.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.target.join()).slice(0, 4).join(' ')]))"
    )
    assert [violation for violation in found if violation[0] in ("serious", "critical")] == []
