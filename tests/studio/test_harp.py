"""The Gradio endpoint of examples/, driven as HARP does it: by Gradio's own client."""

import runpy
import sys
from pathlib import Path

import pytest

import cantilena
from cantilena.music.midi import read_song, to_midi
from melodies import random_melody

pytest.importorskip("gradio", reason="gradio is not here: pip install 'cantilena[harp]'")
gradio_client = pytest.importorskip("gradio_client")
EXAMPLE = Path(__file__).parents[2] / "examples" / "harp_endpoint.py"


@pytest.fixture(scope="module")
def client():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")  # asks another host
        patch.setattr(sys, "argv", [str(EXAMPLE)])
        endpoint = runpy.run_path(str(EXAMPLE))["make_endpoint"](cantilena.load())
        _, address, _ = endpoint.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", inbrowser=False)
        yield gradio_client.Client(address, verbose=False)
        endpoint.close()


@pytest.fixture
def song(tmp_path) -> Path:
    path = tmp_path / "my song.mid"
    path.write_bytes(to_midi(random_melody(6).slice(1, 16)))
    return path


def notes(path: str | Path) -> list[tuple[int, int]]:
    track = read_song(Path(path)).tracks[0]
    return list(zip(track.start.tolist(), track.pitch.tolist(), strict=True))


def processed(client, song: Path, verb: str, bars: str = "", **more) -> str:
    asked = {"strength": 0.5, "new": 4, "style": "any", "seed": 1, **more}
    values = [gradio_client.handle_file(song), verb, bars, *asked.values()]
    return client.predict(*values, api_name="/process")


def test_it_says_what_it_is_and_which_controls_it_has(client):
    told = client.predict(api_name="/controls")
    assert told["card"].keys() == {"name", "description", "author", "tags"}
    kinds = [one["type"] for one in told["inputs"]]
    assert kinds == ["midi_track", "dropdown", "text_box", "slider", "slider", "dropdown", "number_box"]
    assert [one["type"] for one in told["outputs"]] == ["midi_track"]
    assert all(one["label"] for one in told["inputs"])


def test_it_fills_bars_and_leaves_the_rest(client, song):
    was, now = notes(song), notes(processed(client, song, "Fill", "5-8"))
    assert now != was
    inside = range(4 * 1920, 8 * 1920)
    assert [n for n in now if n[0] not in inside] == [n for n in was if n[0] not in inside]
    assert notes(processed(client, song, "Fill", "5-8")) == now  # the same seed
    assert notes(processed(client, song, "Fill", "5-8", seed=2)) != now


def test_it_varies_and_extends(client, song):
    was = notes(song)
    assert notes(processed(client, song, "Vary", strength=0.9)) != was
    longer = notes(processed(client, song, "Extend", new=4))
    assert longer[: len(was)] == was
    assert len(longer) > len(was)


def test_what_is_wrong_is_one_line(client, song):
    with pytest.raises(Exception, match=r"bars?.*90") as error:
        processed(client, song, "Fill", "90-91")
    assert "Traceback" not in str(error.value)


def test_it_can_be_told_to_cancel(client):
    assert client.predict(api_name="/cancel") in (None, (), [])
