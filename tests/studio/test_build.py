"""What ships in the package is what web/ builds, and is small."""

import filecmp
import gzip
import re
import subprocess
from pathlib import Path

from cantilena.studio.app import STATIC


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_page_is_small_and_asks_no_other_host():
    files = [STATIC / name for name in files_of(STATIC)]
    assert {path.suffix for path in files} >= {".html", ".js", ".css"}
    loaded = [
        path for path in files if "abc_tunebook" not in path.name
    ]  # what draws scores comes when one is asked for
    assert len(loaded) == len(files) - 1
    assert sum(len(gzip.compress(path.read_bytes())) for path in loaded) < 150_000
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < 300_000
    for path in files:
        for url in re.findall(r"(?:https?|wss?):\\?/\\?/[^\s\"'`)]+", path.read_text()):
            assert url.startswith("http://www.w3.org/"), f"{path.name}: {url}"  # the names of SVG
    assert "style=" not in (STATIC / "index.html").read_text()


def test_it_is_what_the_sources_build(web):
    """`npm ci && npm run build` gives the same bytes. Where it does not: build it and commit src/cantilena/studio/static."""
    done = subprocess.run(["npm", "run", "build"], cwd=web, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    built = web.parent / "src" / "cantilena" / "studio" / "static"
    assert files_of(built) == files_of(STATIC)
    same, other, odd = filecmp.cmpfiles(built, STATIC, files_of(STATIC), shallow=False)
    assert (other, odd) == ([], [])
    assert same
