"""A page is as small as its notes; the sound that it makes of them is that of the synthesiser."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from cantilena.music.draw import to_svg
from cantilena.music.melody import Melody
from cantilena.music.page import to_page
from cantilena.music.render import strokes_of
from melodies import random_melody

NODE = shutil.which("node")


def page_of(melody, title="A & <b>"):
    return to_page(melody, to_svg(melody), title)


def test_it_needs_nothing_else_and_grows_as_notes_do():
    page = page_of(random_melody(1, 64))
    assert "<title>A &amp; &lt;b&gt;</title>" in page
    assert not re.search(r'(src|href)="?https?:', page)
    assert "base64" not in page
    assert len(page) < 100_000
    assert len(page_of(random_melody(1, 1000))) < 1_000_000


@pytest.mark.skipif(NODE is None, reason="no node here")
def test_its_sound_is_that_of_the_synthesiser():
    melody = Melody.from_notes([0, 4, 10, 16, 40], [4, 6, 14, 34, 64], [60, 84, 33, 100, 21], bars=4)
    script = page_of(melody).split("<script>")[1].split('document.getElementById("play")')[0]
    tell = "const s = samples(song); console.log(JSON.stringify({s: [...s], wav: [...new Uint8Array(wav(s, song.rate).buffer)]}))"
    done = subprocess.run([NODE, "-"], input=script + tell, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    strokes = strokes_of(melody, 22_050)
    dry = strokes.dry(0, strokes.size)
    assert np.abs(np.array(found["s"]) - dry).max() < 2e-3
    sound = bytes(found["wav"])
    assert (sound[:4], sound[8:16], len(sound)) == (b"RIFF", b"WAVEfmt ", 44 + 2 * dry.size)
    assert sound[20:36] == bytes.fromhex("01000100 22560000 44ac0000 02001000")
    pcm = np.frombuffer(sound[44:], "<i2")
    assert np.abs(pcm).max() == round(32767 * 10 ** (-3 / 20))
    assert np.corrcoef(pcm, dry)[0, 1] > 0.99999


def test_silence_has_a_page_too():
    assert '"notes":[]' in page_of(Melody(np.zeros(64, np.int8)))
