import re
import signal
import subprocess
import sys
import time

import pytest

from cantilena.composer import load
from cantilena.music.extract import candidates
from cantilena.music.midi import read_song
from command_line import run


def test_it_writes_the_melody_in_every_format(toy_model, tmp_path):
    done = run("compose", "--model", toy_model, "--seed", 7, "--qpm", 100, "--program", 40, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tune.mid", "tune.svg", "tune.wav"]
    song = read_song(tmp_path / "tune.mid")
    assert (song.qpm, song.tracks[0].program) == (100, 40)
    composed = load(toy_model).compose(seed=7).notes
    np_start = song.tracks[0].start * 4 // song.ticks_per_quarter
    assert np_start.tolist() == composed.start.tolist()
    assert song.tracks[0].pitch.tolist() == composed.pitch.tolist()
    assert candidates(song)


def test_more_visits_of_each_level_are_another_melody_and_the_one_that_python_gives(toy_model, tmp_path):
    assert (
        run("compose", "--model", toy_model, "--seed", 7, "--resample", 2, "--format", "mid", cwd=tmp_path).returncode
        == 0
    )
    pitch = read_song(tmp_path / "tune.mid").tracks[0].pitch.tolist()
    composer = load(toy_model)
    assert pitch == composer.compose(seed=7, resample=2).notes.pitch.tolist()
    assert pitch != composer.compose(seed=7).notes.pitch.tolist()


def test_several_melodies_are_named_by_seed_and_the_same_as_alone(toy_model, tmp_path):
    assert (
        run(
            "compose", "--model", toy_model, "-n", 3, "--seed", 5, "--format", "mid", "-o", "many", cwd=tmp_path
        ).returncode
        == 0
    )
    assert sorted(p.name for p in (tmp_path / "many").iterdir()) == ["tune-5.mid", "tune-6.mid", "tune-7.mid"]
    assert run("compose", "--model", toy_model, "--seed", 7, "--format", "mid", cwd=tmp_path).returncode == 0
    assert (tmp_path / "tune.mid").read_bytes() == (tmp_path / "many" / "tune-7.mid").read_bytes()


def test_one_tune_has_the_name_that_it_is_given(toy_model, tmp_path):
    def compose(*more):
        return run("compose", "--model", toy_model, "--bars", 8, "--steps", 1, "--seed", 7, *more, cwd=tmp_path)

    assert compose("-o", "of.mine.mid").stdout.startswith("of.mine.mid  seed 7")
    assert compose("-o", "new/a.mid", "--format", "mid,abc").returncode == 0
    assert compose("-o", "seen.svg").returncode == 0
    assert compose("-o", "a.Mid/").returncode == 0
    made = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    folder = {f"a.Mid/tune.{ending}" for ending in ("mid", "svg", "wav")}
    assert made == {"of.mine.mid", "new/a.mid", "new/a.abc", "seen.svg", *folder}
    assert compose("-o", "of.mine.mid").stderr == (
        "cantilena: -o of.mine.mid: is there already; give another name, or --force to replace it\n"
    )
    assert compose("-o", "of.mine.mid", "--force").returncode == 0
    assert compose("-o", "b.mid", "-n", 2).stderr == "cantilena: -o b.mid: is for one tune; give a folder for more\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nowhere"], "nowhere: no model there"),
        (["--voice", "kazoo"], "a voice is one of"),
        (["--sampler", "euler"], "a sampler is one of"),
        (["--format", "mp3"], "--format is mid, svg, wav"),
        (["-o", "a-file"], "is a file"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(arguments, message, toy_model, tmp_path):
    (tmp_path / "a-file").write_text("mine")
    given = arguments if "--model" in arguments else ["--model", toy_model, *arguments]
    done = run("compose", *given, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a-file"]
    assert (tmp_path / "a-file").read_text() == "mine"


def test_composing_never_loads_pytorch(toy_model, tmp_path):
    script = (
        "import sys; sys.argv = ['cantilena', 'compose', '--model', sys.argv[1], '--seed', '1']\n"
        "from cantilena.cli import main\n"
        "try: main()\nexcept SystemExit as e: assert not e.code, e.code\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'onnx', 'safetensors', 'diffusers'}))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(toy_model)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_inspect_tells_tracks_and_models(toy_model, tmp_path):
    run("compose", "--model", toy_model, "--seed", 7, cwd=tmp_path)
    done = run("inspect", "tune.mid", cwd=tmp_path)
    assert done.returncode == 0
    assert "Cantilena, lead, seed 7" in done.stdout  # the way back to a tune one liked
    done = run("inspect", toy_model, cwd=tmp_path)
    assert done.returncode == 0
    assert "8 of 8 dimensions kept" in done.stdout


@pytest.mark.parametrize(("name", "data", "message"), [
    ("empty.mid", b"", "empty.mid: the file is empty"),
    ("text.mid", b"hello, this is no music", "text.mid: not a MIDI file"),
    ("none.mid", None, "none.mid: cannot be read (No such file or directory)"),
])  # fmt: skip
def test_a_wrong_file_is_one_line(name, data, message, tmp_path):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    done = run("inspect", name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, done.stderr)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_training_without_pytorch_says_what_to_install(tmp_path):
    script = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['cantilena', 'train', 'vae', 'r.toml', '--corpus', 'c', '--run', 'r']\n"
        "from cantilena.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "training needs PyTorch: pip install 'cantilena[train]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_waltz_is_a_melody_like_any_other(tmp_path):
    import symusic

    score = symusic.Score(480)
    score.time_signatures.append(symusic.TimeSignature(0, 3, 4))
    score.tracks.append(symusic.Track("waltz", 0, False))
    for i in range(48):
        score.tracks[0].notes.append(symusic.Note(480 * i, 480, 60 + i % 7, 80))
    (tmp_path / "waltz.mid").write_bytes(score.dumps_midi())
    done = run("inspect", "waltz.mid", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"waltz +piano +1-16 +3/4 +lead, 48 notes", done.stdout)


@pytest.mark.parametrize(
    "arguments", [["--bars", 1001], ["--bars", 1], ["-n", 0], ["--pick", 0], ["--nonsense"], ["--qpm", "fast"]]
)
def test_a_usage_error_is_one_line(arguments, tmp_path):
    done = run("compose", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("cantilena: ")
    assert done.stderr.count("\n") == 1


def test_ctrl_c_says_stopped_and_leaves_no_half_file(toy_model, tmp_path):
    command = [sys.executable, "-m", "cantilena", "compose", "-n", "2000", "--model", str(toy_model), "--seed", "1"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("tune-*.wav")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, said) == (130, "cantilena: stopped\n")
    assert not list(tmp_path.glob(".*"))
    for path in tmp_path.glob("*.mid"):
        read_song(path)


def test_nothing_is_overwritten_unasked(toy_model, tmp_path):
    """A second tune gets a name of its own, in all its formats; an output by name is replaced with --force alone."""
    given = ["compose", "--model", toy_model, "--bars", 4, "--steps", 1]
    first = run(*given, "--seed", 1, "--format", "mid,svg", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    (tmp_path / "tune.mid").rename(tmp_path / "kept.mid")
    second = run(*given, "--seed", 2, "--format", "mid,svg", cwd=tmp_path)
    assert "tune-2.mid" in second.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept.mid", "tune-2.mid", "tune-2.svg", "tune.svg"]
    run(*given, "--seed", 3, "--format", "mid", "--force", cwd=tmp_path)
    run(*given, "--seed", 1, "-n", 2, "--format", "mid", cwd=tmp_path)
    names = ["kept.mid", "tune-1.mid", "tune-2-2.mid", "tune-2.mid", "tune-2.svg", "tune.mid", "tune.svg"]
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_an_edit_replaces_no_file_unasked(toy_model, tmp_path):
    run("compose", "--model", toy_model, "--bars", 4, "--steps", 1, "--format", "mid", cwd=tmp_path)
    (tmp_path / "mine.mid").write_bytes(b"a song of hours")
    given = ["extend", "tune.mid", "--model", toy_model, "--bars", 2, "--steps", 1, "-o", "mine.mid"]
    refused = run(*given, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr == "cantilena: -o mine.mid: is there already; give another name, or --force to replace it\n"
    assert (tmp_path / "mine.mid").read_bytes() == b"a song of hours"
    assert run(*given, "--force", cwd=tmp_path).returncode == 0
    assert read_song(tmp_path / "mine.mid").tracks


def test_a_folder_in_the_way_is_not_the_shipped_model(tmp_path):
    (tmp_path / "open-64").mkdir()
    (tmp_path / "open-64" / "model.json").write_text("{}")
    assert run("compose", "--bars", 4, "--steps", 4, "--format", "mid", cwd=tmp_path).returncode == 0
    asked = run("compose", "--bars", 4, "--model", "./open-64", cwd=tmp_path)
    assert asked.stderr.startswith("cantilena: open-64: format None")


def test_version(tmp_path):
    assert run("--version", cwd=tmp_path).stdout.startswith("cantilena 0.")
