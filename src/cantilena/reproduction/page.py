"""Writes one self-contained HTML page on which every row of the table can be heard and seen.

    page.html   the frame: style, script (piano rolls on canvas, a plucked voice by Web Audio), <!--places--> to fill
    page(...)   fills them: tables, figures, a section for each row and setting, and all notes as one JSON
    notes(...)  reads the melodies back out of a page

A melody is written as two letters a change: the token (as in `cantilena.music.melody`) and how many sixteenths pass
until the next change; a change that is further away than 89 is followed by a HOLD. 300 notes take about 700 bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import TypeAlias

import numpy as np

from cantilena.metrics.overlap import ATTRIBUTES
from cantilena.metrics.rounding import score
from cantilena.music.melody import HOLD, Melody, pitch_name
from cantilena.reproduction.figures import figures
from cantilena.reproduction.results import Results
from cantilena.reproduction.table import (
    CONTROLS,
    ROWS,
    SETTINGS,
    Table,
    about_text,
    ahead_table,
    row_names,
    row_title,
    tables,
)

__all__ = ["Samples", "decode", "encode", "notes", "page", "sample_name"]

Samples: TypeAlias = Mapping[str, Mapping[str, Sequence[Melody]]]  # row -> setting -> melodies
LETTERS = "".join(
    chr(c) for c in range(33, 127) if chr(c) not in '"\\<&'
)  # safe in JSON and in HTML; VOCABULARY of them
_SHOWN = 5  # melodies of a section that are seen before "show all"
_INFILLING = " Bars 1 to 16 and 49 to 64 are held; bars 17 to 48, tinted, are made."
_REAL = ("train", "test")  # nothing in them is made


def sample_name(row: str, setting: str, number: int) -> str:
    """Name the file of a sample, `number` counted from 1; the page links to it in the folder `samples` beside it.

    >>> sample_name("diffusion", "infilling", 7)
    'diffusion-infilling-07.mid'
    """
    return f"{row}-{setting}-{number:02}.mid"


def page(results: Results, samples: Samples) -> str:
    """Write the whole page. If `results["about"]["heard"]` is there, that sentence says where real music comes from."""
    drawn, scores = figures(results), tables(results)
    heard = results.get("about", {}).get("heard", "")
    parts = {
        "about": f"<p>{escape(about_text(results))}</p>" + (f"<p>{escape(heard)}</p>" if heard else ""),
        "contents": "".join(_contents(samples)),
        "scores": (_table(scores[0]) if scores else "") + _figure("scores.svg", drawn),
        "listen": "".join(_sections(results, samples)),
        "figures": "".join(_figure(name, drawn) for name in drawn if name != "scores.svg"),
        "tables": "".join(_table(table) for table in (*scores[1:], ahead_table(results))),
        "notes": _notes_json(samples),
    }
    template = (files("cantilena.reproduction") / "page.html").read_text(encoding="utf-8")
    return re.sub(r"<!--(\w+)-->", lambda match: parts[match[1]], template)


# -- notes and letters -------------------------------------------------------------------------


def encode(melody: Melody) -> str:
    """Write the events of a melody as letters, two for each change.

    >>> encode(Melody.from_notes([0, 4], [4, 6], [60, 64]))
    "M'Q$#-"
    """
    events = melody.events
    change = np.flatnonzero(events)
    change = change if change.size and change[0] == 0 else np.concatenate([[0], change])
    longest, text = len(LETTERS) - 1, []
    for step, end in zip(change.tolist(), [*change[1:].tolist(), events.size], strict=True):
        token, length = int(events[step]), end - step
        while length > 0:
            text.append(LETTERS[token] + LETTERS[min(length, longest)])
            token, length = HOLD, length - longest
    return "".join(text)


def decode(text: str, qpm: float = 120.0) -> Melody:
    """Read a melody back from letters: the inverse of `encode`."""
    events: list[int] = []
    for token, length in zip(text[::2], text[1::2], strict=True):
        events += [LETTERS.index(token)] + [HOLD] * (LETTERS.index(length) - 1)
    return Melody(np.array(events, np.int8), qpm)


def notes(html: str) -> dict[str, dict[str, list[Melody]]]:
    """Read the melodies back out of a page that `page` has written; ValueError where there are none."""
    found = re.search(r'<script type="application/json" id="notes">(.*?)</script>', html, re.DOTALL)
    if not found:
        raise ValueError("not a page of samples: it holds no notes")
    rows = json.loads(found[1])["samples"]
    return {r: {s: [decode(text, qpm) for qpm, text in takes] for s, takes in rows[r].items()} for r in rows}


def _notes_json(samples: Samples) -> str:
    rows = {
        row: {setting: [[round(m.qpm, 2), encode(m)] for m in melodies] for setting, melodies in settings.items()}
        for row, settings in samples.items()
    }
    data = json.dumps({"letters": LETTERS, "samples": rows}, separators=(",", ":"))
    return data.replace("<", "\\u003c")


# -- sections: a row in a setting --------------------------------------------------------------


def _contents(samples: Samples) -> Iterator[str]:
    for row in row_names(samples):
        links = (f'<a href="#{row}-{s}">{s}</a>' for s in _settings(samples[row]))
        yield f'<li class="row-{row}"><b>{escape(row_title(row))}</b> {" ".join(links)}</li>'


def _sections(results: Results, samples: Samples) -> Iterator[str]:
    for row in row_names(samples):
        control = ' <span class="control">control row</span>' if row in CONTROLS else ""
        for setting in _settings(samples[row]):
            place, melodies = f"{row}-{setting}", samples[row][setting]
            title = escape(f"{row_title(row)}, {setting}")
            text = _INFILLING if setting == "infilling" and row not in _REAL else ""
            takes = "".join(_take(row, setting, i, melody) for i, melody in enumerate(melodies))
            more = f'<button class="more" hidden>Show all {len(melodies)}</button>' if len(melodies) > _SHOWN else ""
            yield (
                f'<section id="{place}" class="row row-{row}" aria-labelledby="{place}-h">'
                f'<h3 id="{place}-h">{title}{control}</h3><p>{ROWS.get(row, "")}{text}</p>'
                f'{_own_scores(results, row, setting)}<ol class="takes">{takes}</ol>{more}</section>'
            )


def _take(row: str, setting: str, i: int, melody: Melody) -> str:
    """One melody: a button, a place for its roll, what it is, and its file."""
    pitch = melody.notes.pitch
    span = f"{pitch_name(int(pitch.min()))}–{pitch_name(int(pitch.max()))}" if pitch.size else "silence"
    notes_ = f"{pitch.size} notes"
    name = escape(f"{row_title(row)}, {setting}, {i + 1}")
    return (
        f'<li data-row="{row}" data-setting="{setting}" data-i="{i}"><button class="play" aria-label="Play {name}">'
        f'</button><div class="roll"><canvas role="img" aria-label="Piano roll: {melody.bars} bars, {notes_}, {span}">'
        f'</canvas><i class="head" hidden></i></div><p><b>{i + 1}</b> <span>{notes_}</span> <span>{span}</span> '
        f'<a href="samples/{sample_name(row, setting, i + 1)}" download aria-label="MIDI of {name}">MIDI</a></p></li>'
    )


def _own_scores(results: Results, row: str, setting: str) -> str:
    """The scores of one row and setting, and the published ones below them."""
    ours = results.get("rows", {}).get(row, {}).get(setting)
    theirs = results.get("published", {}).get(row, {}).get(setting)
    places = [(attribute, name) for attribute in ATTRIBUTES for name in ("C", "Var")]
    if not ours:
        return ""
    lines = []
    cells = [ours.get(a, {}).get("C" if name == "C" else "var_pieces") for a, name in places]
    shown = (f"{score(c['value'])} <small>{score(c['low'])}–{score(c['high'])}</small>" if c else "–" for c in cells)
    lines.append('<tr><th scope="row">here</th>' + "".join(f"<td>{cell}</td>" for cell in shown) + "</tr>")
    if theirs:
        figures_ = (score(theirs.get(a, {}).get("C" if name == "C" else "var")) for a, name in places)
        cells_ = "".join(f"<td>{figure}</td>" for figure in figures_)
        lines.append(f'<tr class="published"><th scope="row">published</th>{cells_}</tr>')
    head = "".join(f'<th scope="col">{attribute} {name}</th>' for attribute, name in places)
    return f'<table class="own"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _settings(part: Mapping[str, object]) -> list[str]:
    return [s for s in SETTINGS if s in part] + [s for s in part if s not in SETTINGS]


# -- tables and figures ------------------------------------------------------------------------


def _table(table: Table) -> str:
    note = f"<p>{escape(table.note)}</p>" if table.note else ""
    if not table.lines:
        return f"<h3>{escape(table.title)}</h3>{note}"
    head = "".join(_head(table, level) for level in range(len(table.head[0])))
    body, before = [], ""
    for line in table.lines:
        kind = f"{line.kind} first" if line.kind == "control" != before else line.kind
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in line.cells)
        body.append(f'<tr class="{kind}"><th scope="row">{escape(line.name)}</th>{cells}</tr>')
        before = line.kind
    title = escape(table.title)
    return (
        f'<h3>{title}</h3>{note}<div class="scroll" role="region" aria-label="{title}" tabindex="0">'
        f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _head(table: Table, level: int) -> str:
    cells = []
    for path, group in groupby(table.head, lambda path: path[: level + 1]):
        width = len(list(group))
        across = f' colspan="{width}"' if width > 1 else ""
        cells.append(f'<th scope="col{"group" if across else ""}"{across}>{escape(path[-1])}</th>')
    return f"<tr><td></td>{''.join(cells)}</tr>"


def _cell(cell: str) -> str:
    """The interval of an estimate, or what stands in brackets, in small type."""
    return re.sub(r" ([\[(].*[\])])$", r" <small>\1</small>", escape(cell))


def _figure(name: str, drawn: Mapping[str, str]) -> str:
    if name not in drawn:
        return ""
    label = f"Figure: {name.removesuffix('.svg')}"
    return f'<figure class="scroll" role="region" aria-label="{label}" tabindex="0">{drawn[name]}</figure>'
