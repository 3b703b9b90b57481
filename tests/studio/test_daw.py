"""The client that docs/daw.md shows, as it stands there, against a studio that runs."""

import re
import subprocess
import sys
from pathlib import Path

from cantilena.music.midi import read_song, to_midi
from melodies import random_melody

(CLIENT,) = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "daw.md").read_text(), re.DOTALL)


def client(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    script = tmp_path / "client.py"
    script.write_text(CLIENT)
    return subprocess.run([sys.executable, str(script), *arguments], cwd=tmp_path, capture_output=True, text=True)


def test_it_fills_bars_and_leaves_the_rest(server, tmp_path):
    (tmp_path / "my song.mid").write_bytes(to_midi(random_melody(6).slice(1, 24)))
    done = client(tmp_path, "my song.mid", "9-12", "out.mid", server.url)
    assert done.returncode == 0, done.stderr
    assert "20/20, 0.0 s left" in done.stderr
    was, now = (read_song(tmp_path / name).tracks[0] for name in ("my song.mid", "out.mid"))
    outside = [(t.start < 8 * 1920) | (t.start >= 12 * 1920) for t in (was, now)]
    assert was.pitch[outside[0]].tolist() == now.pitch[outside[1]].tolist()
    assert was.pitch.tolist() != now.pitch.tolist()


def test_what_is_wrong_is_one_line(server, tmp_path):
    (tmp_path / "a.mid").write_bytes(b"no song")
    done = client(tmp_path, "a.mid", "9-12", "out.mid", server.url)
    assert done.returncode == 1
    assert done.stderr.strip() == "a.mid: not a MIDI file (it begins with b'no s', not b'MThd')"


def test_it_is_as_short_as_it_says():
    assert len([line for line in CLIENT.splitlines() if line.strip()]) <= 45
