"""Lays tables out, as Markdown and for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from cantilena.metrics.rounding import DASH
from cantilena.reproduction.results import Results
from cantilena.reproduction.table import ROWS, Line, Table, about_text, ahead_table, row_names, row_title, tables

__all__ = ["table_markdown", "table_text"]


def table_markdown(results: Results) -> str:
    """Write everything as Markdown: a paragraph, the tables, and the cells where a baseline is ahead of diffusion."""
    parts = ["# The paper's table, reproduced", about_text(results)]
    parts.append("\n".join(f"- **{row_title(r)}**: {ROWS[r]}" for r in row_names(results.get("rows", {})) if r in ROWS))
    for table in (*tables(results), ahead_table(results)):
        parts += [f"## {table.title}", table.note, _markdown(table)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(table: Table) -> str:
    if not table.lines:
        return ""
    head = ["", *(" ".join(_short(names)) for names in table.head)]
    rows = ["| " + " | ".join(head) + " |", "|:--" + "|--:" * len(table.head) + "|"]
    for before, line in zip((None, *table.lines), table.lines, strict=False):
        if _rule(before, line):
            rows.append("| **controls** |" + " |" * len(table.head))
        mark = "*" if line.kind == "published" else ""
        rows.append("| " + " | ".join(f"{mark}{cell}{mark}" for cell in (line.name, *line.cells)) + " |")
    return "\n".join(rows)


def table_text(results: Results, width: int = 100) -> str:
    """Write everything for a terminal of `width` characters; a wider table goes on below."""
    parts = [about_text(results)]
    for table in (*tables(results), ahead_table(results)):
        parts.append("\n".join([table.title, *_text(table, width)]) if table.lines else f"{table.title}\n{table.note}")
    return "\n\n".join(parts) + "\n"


def _text(table: Table, width: int) -> Iterator[str]:
    names = ["  " + line.name if line.kind == "published" else line.name for line in table.lines]
    first = max(map(len, names))
    head = [_short(path) for path in table.head]
    sizes = [max(map(len, [*path, *(line.cells[i] for line in table.lines)])) + 2 for i, path in enumerate(head)]
    for n, columns in enumerate(_blocks(table.head, sizes, width - first)):
        yield from [""] * (n > 0)
        for level in range(len(head[0])):
            yield " " * first + "".join(head[i][level].rjust(sizes[i]) for i in columns)
        before = None
        for name, line in zip(names, table.lines, strict=True):
            if all(line.cells[i] == DASH for i in columns):
                continue
            if _rule(before, line):
                yield "-" * (first + sum(sizes[i] for i in columns))
            yield name.ljust(first) + "".join(line.cells[i].rjust(sizes[i]) for i in columns)
            before = line


def _blocks(head: Sequence[tuple[str, ...]], sizes: list[int], width: int) -> list[list[int]]:
    """Columns that stand side by side: whole groups of one first name, unless one group alone is too wide."""
    blocks: list[list[int]] = [[]]
    for _, group in groupby(range(len(head)), lambda i: head[i][0]):
        columns = list(group)
        whole = sum(sizes[i] for i in columns) <= width
        for unit in [columns] if whole else [[i] for i in columns]:
            if blocks[-1] and sum(sizes[i] for i in (*blocks[-1], *unit)) > width:
                blocks.append([])
            blocks[-1] += unit
    return blocks


def _short(path: Iterable[str]) -> list[str]:
    return ["uncond." if name == "unconditional" else "infill" if name == "infilling" else name for name in path]


def _rule(before: Line | None, line: Line) -> bool:
    """Whether the control rows begin here."""
    return line.kind == "control" and before is not None and before.kind != "control"
