"""Files and folders appear whole or not at all."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cantilena.files import new_folder, sole, write_whole


def test_writing_replaces_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "tune.mid"
    write_whole(path, b"old")
    write_whole(path, b"whole")
    assert path.read_bytes() == b"whole"

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"half")
    assert path.read_bytes() == b"whole"
    assert [p.name for p in path.parent.iterdir()] == ["tune.mid"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_is_for_whom_the_umask_allows_and_an_old_one_for_whom_it_was(mask, mode, tmp_path) -> None:
    before = os.umask(mask)
    try:
        write_whole(tmp_path / "new.mid", b"a")
        (tmp_path / "old.mid").write_bytes(b"a")
        (tmp_path / "old.mid").chmod(0o640)
        write_whole(tmp_path / "old.mid", b"b")
    finally:
        os.umask(before)
    assert (tmp_path / "new.mid").stat().st_mode & 0o777 == mode
    assert (tmp_path / "old.mid").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_written_through(there: bool, tmp_path: Path) -> None:
    """Through two links, the second relative and in another folder, to a file that is there or not."""
    folder = tmp_path / "songs"
    folder.mkdir()
    (folder / "inner.mid").symlink_to("real.mid")
    (tmp_path / "link.mid").symlink_to(folder / "inner.mid")
    if there:
        (folder / "real.mid").write_bytes(b"old")
    write_whole(tmp_path / "link.mid", b"new")
    assert (tmp_path / "link.mid").is_symlink()
    assert (folder / "inner.mid").is_symlink()
    assert (folder / "real.mid").read_bytes() == b"new"


def test_links_in_a_circle_are_an_error_with_the_name_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "a.mid").symlink_to("b.mid")
    (tmp_path / "b.mid").symlink_to("a.mid")
    with pytest.raises(OSError, match=r"a\.mid") as refused:
        write_whole(tmp_path / "a.mid", b"new")
    assert refused.value.filename == str(tmp_path / "a.mid")


@pytest.mark.parametrize("size", [245, 246, 255])
def test_a_name_of_any_length_that_may_be(size: int, tmp_path: Path) -> None:
    path = tmp_path / ((size - 4) * "a" + ".mid")
    write_whole(path, b"whole")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mid")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        read = pool.submit((tmp_path / "pipe.mid").read_bytes)
        write_whole(tmp_path / "pipe.mid", b"whole")
        assert read.result(5) == b"whole"
    assert (tmp_path / "pipe.mid").is_fifo()


def test_a_folder_replaces_another_when_it_is_complete(tmp_path):
    place = tmp_path / "model"
    for text in ("one", "two"):
        with new_folder(place) as new:
            (new / f"{text}.txt").write_text(text)
            assert not (place / f"{text}.txt").exists()
    assert [p.name for p in place.iterdir()] == ["two.txt"]
    with pytest.raises(ZeroDivisionError), new_folder(place):
        raise ZeroDivisionError
    assert [p.name for p in place.iterdir()] == ["two.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


KILLED = """
import os, sys, time
from pathlib import Path
from cantilena.files import new_folder
with new_folder(Path(sys.argv[1])) as new:
    (new / "half.txt").write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_goes_with_the_next_one(tmp_path):
    place = tmp_path / "model[1]"
    with new_folder(place) as new:
        (new / "whole.txt").write_text("whole")
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(place)], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    assert child.stdout.readline() == "begun\n"
    with new_folder(tmp_path / "model") as new:
        (new / "a.txt").write_text("another folder's rest is left alone")
    child.send_signal(signal.SIGKILL)
    child.wait()
    time.sleep(0.05)
    assert len(list(tmp_path.iterdir())) == 3
    with new_folder(place) as new:
        (new / "next.txt").write_text("next")
    assert {p.name for p in tmp_path.iterdir()} == {"model", "model[1]"}
    assert [p.name for p in place.iterdir()] == ["next.txt"]


KILLED_FILE = """
import sys, time
from pathlib import Path
from cantilena.files import write_whole
def blocks():
    yield b"half"
    print("begun", flush=True)
    time.sleep(60)
write_whole(Path(sys.argv[1]), blocks())
"""


def test_a_file_that_a_killed_process_began_goes_and_one_that_is_being_written_stays(tmp_path):
    def begin() -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED_FILE, str(tmp_path / "a.mid")], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout
        assert child.stdout.readline() == "begun\n"
        return child

    killed = begin()
    killed.kill()
    killed.wait()
    (left,) = tmp_path.iterdir()
    writes = begin()  # it tidies
    (unfinished,) = tmp_path.iterdir()
    assert unfinished != left
    write_whole(tmp_path / "b.mid", b"whole")
    assert {p.name for p in tmp_path.iterdir()} == {unfinished.name, "b.mid"}
    writes.kill()
    writes.wait()


def test_of_two_folders_at_once_the_last_one_stays(tmp_path):
    place = tmp_path / "model"
    with new_folder(place) as first:
        (first / "one.txt").write_text("one")
        with new_folder(place) as second:
            (second / "two.txt").write_text("two")
        assert [p.name for p in place.iterdir()] == ["two.txt"]
    assert [p.name for p in place.iterdir()] == ["one.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_old_folder_comes_back_where_its_place_is_empty(tmp_path):
    """Killed between the two renames."""
    old = tmp_path / ".model.0123456789abcdef.old"
    old.mkdir()
    (old / "whole.txt").write_text("whole")
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "model"):
        raise ZeroDivisionError
    assert (tmp_path / "model" / "whole.txt").read_text() == "whole"


# -- what only one may do at a time ------------------------------------------------------------------

HOLDS = """
import os, sys, time
from pathlib import Path
from cantilena.files import sole
with sole(Path(sys.argv[1]), ValueError("busy")):
    if not os.fork():
        print("held", flush=True)  # and let go of in the child, which is as far as this
    time.sleep(60)
"""


class BusyError(Exception):
    pass


def test_only_one_holds_a_lock_and_nothing_is_left_of_it(tmp_path):
    lock = tmp_path / "run" / "lock"
    for _ in range(2):
        with sole(lock, BusyError()):
            with pytest.raises(BusyError), sole(lock, BusyError()):
                pass
            with concurrent.futures.ThreadPoolExecutor() as pool:
                assert isinstance(pool.submit(lambda: sole(lock, BusyError()).__enter__()).exception(), BusyError)
        assert list((tmp_path / "run").iterdir()) == []
    with pytest.raises(ZeroDivisionError), sole(lock, BusyError()):
        raise ZeroDivisionError
    assert list((tmp_path / "run").iterdir()) == []


def test_a_process_that_is_killed_lets_go_though_its_child_lives_on(tmp_path):
    lock = tmp_path / "lock"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(lock)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stdout
    assert child.stdout.readline() == "held\n"
    with pytest.raises(BusyError), sole(lock, BusyError()):
        pass
    child.kill()
    child.wait()
    try:
        with sole(lock, BusyError()):
            pass
        assert list(tmp_path.iterdir()) == []
    finally:
        os.killpg(child.pid, signal.SIGKILL)


def test_the_folder_of_a_lock_may_go_between_making_it_and_locking(tmp_path, monkeypatch):
    made = []
    mkdir = Path.mkdir

    def make_and_lose(path, *args, **more):
        mkdir(path, *args, **more)
        if not made:
            path.rmdir()
        made.append(path)

    monkeypatch.setattr(Path, "mkdir", make_and_lose)
    with sole(tmp_path / "work" / "lock", BusyError()):
        assert (tmp_path / "work" / "lock").exists()
    assert len(made) == 2


def test_two_that_take_turns_with_a_folder_are_never_in_it_together(tmp_path):
    """Each removes the folder of the lock when it lets go of it."""
    inside, most, done = 0, 0, 0

    def work():
        nonlocal inside, most, done
        for _ in range(200):
            try:
                with sole(tmp_path / "work" / "lock", BusyError()):
                    inside += 1
                    most = max(most, inside)
                    time.sleep(0)
                    inside -= 1
                    done += 1
                os.rmdir(tmp_path / "work")
            except (BusyError, OSError):
                pass

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for ended in [pool.submit(work) for _ in range(4)]:
            ended.result()
    assert (most, done > 4) == (1, True)


def test_a_child_that_is_forked_while_a_file_is_written_leaves_it_to_its_parent(tmp_path):
    code = """
import os, sys
from pathlib import Path
from cantilena.files import new_file, sole
with sole(Path("lock"), ValueError("busy")), new_file(Path("made")) as place:
    if not os.fork():
        raise SystemExit(7)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 7
    assert place.exists() and Path("lock").exists()
    place.write_bytes(b"whole")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]
    assert (tmp_path / "made").read_bytes() == b"whole"
