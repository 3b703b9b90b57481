"""Prints the manifest of a corpus as tables, and shows how fast one is built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cantilena.corpus.store import Corpus

__all__ = ["files_bar", "print_manifest"]


def files_bar() -> Progress:
    """Make a bar on standard error that counts files."""
    columns = (TextColumn("files"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


class _Rate(ProgressColumn):
    """Files a second."""

    def render(self, task: Task) -> RenderableType:
        return Text(f"{task.speed:,.0f} files/s" if task.speed else "- files/s")


def print_manifest(corpus: Corpus, console: Console | None = None) -> None:
    """Print the manifest as tables, within 80 columns."""
    console = console or Console(highlight=False, markup=False)
    m = corpus.manifest
    console.print(f"{m['melodies']:,} melodies, fingerprint {m['fingerprint']}", style="bold")
    console.print("from " + ", ".join(f"{_plain(s['name'])} ({s['files']:,} files)" for s in m["sources"]))
    for what in ("files", "tracks"):
        said = m[what]
        rows = {"kept": said["kept"], **said["left_out"]}
        title = f"{said['found']:,} {what}" + (" (a track in each stretch of one metre)" if what == "tracks" else "")
        shares = [(reason, n, 100 * n / max(said["found"], 1)) for reason, n in rows.items()]
        console.print(_table(title, ("", "count", "%"), shares))
    for file in m["crashed"]:
        console.print(f"crashed: {_plain(file['name'])} ({_plain(file['detail'])})", style="red")
    splits = m["splits"]
    lines = [(label, *(split[key] for split in splits.values())) for key, label in _SPLIT_ROWS.items()]
    console.print(_table("Splits", ("", *splits), lines))
    bars = ", ".join(f"{n:,} of {bars} bars or more" for bars, n in m["melodies_of_bars"].items())
    console.print(f"\nMelodies: {bars}. Distinct phrases in all: {m['unique_phrases']:,}.")
    for what, title in _MELODY_TABLES.items():
        named = [(name, n, 100 * n / m["melodies"]) for name, n in m.get(what, {}).items() if n]
        console.print(_table(title, ("", "melodies", "%"), named))
    groups = m["groups"]
    sizes = [(f"of {size} melodies".replace("of 1 melodies", "of 1 melody"), n) for size, n in groups["sizes"].items()]
    console.print(_table(f"{groups['count']:,} song groups", ("", "groups"), sizes))
    largest = [(_plain(g["example"]), g["melodies"], g["files"]) for g in groups["largest"]]
    console.print(_table("The largest groups, by a file of each", ("", "melodies", "files"), largest))


_MELODY_TABLES = {
    "metres": "Metres",
    "roles": "Roles",
    "purities": "Notes dropped",
    "families": "General MIDI families",
}
_SPLIT_ROWS = {
    "melodies": "melodies",
    "groups": "song groups",
    "files": "files",
    "bars": "bars",
    "phrases": "phrases",
    "unique_phrases": "distinct, with an onset",
    "windows": "windows of 32 phrases, none silent",
    "windows_16_bars": "the same, one every 8 phrases",
    "windows_with_rests": "windows with up to 8 silent",
}


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> Table:
    table = Table(
        title=Text(f"\n{title}", "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        width=78,
    )
    table.add_column(head[0], ratio=1, overflow="fold")
    for name in head[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for label, *numbers in rows:
        cells = (f"{n:.1f}" if isinstance(n, float) else f"{n:,}" for n in numbers)
        table.add_row(Text(str(label)), *cells)
    return table


def _plain(name: str) -> str:
    """Return a file's name as any terminal can print it."""
    return name.encode("utf-8", "replace").decode()
