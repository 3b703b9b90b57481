import copy
import math

import pytest

from cantilena.metrics.rounding import number, score
from cantilena.reproduction.layout import table_markdown, table_text
from cantilena.reproduction.table import ROWS, Ahead, about_text, ahead, tables
from results import PUBLISHED, invented_results

COLUMNS = [(s, a, n) for s in ("unconditional", "infilling") for a in ("pitch", "duration") for n in ("C", "var")]


def read_markdown(text: str, title: str) -> list[list[str]]:
    """The rows of the table under a heading, cell by cell."""
    section = text.split(f"## {title}")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("reading", ["var_pieces", "var_pooled"])
def test_every_cell_of_the_table_is_the_figure_of_its_row_setting_and_attribute(reading):
    results = invented_results()
    titles = {"var_pieces": "over the means of pieces", "var_pooled": "over all windows pooled"}
    lines = read_markdown(table_markdown(results), f"Scores, variance {titles[reading]} ({reading})")
    names = {"the paper's own choices": "paper", "the paper's, tuned": "paper-tuned",
             "diffusion, tuned": "diffusion-tuned", "autoregression, tuned": "autoregression-tuned"}  # fmt: skip
    ours = {names.get(name, name): cells for name, *cells in lines if "*" not in name}
    assert list(ours) == list(ROWS)
    for row, cells in ours.items():
        for (setting, attribute, name), cell in zip(COLUMNS, cells, strict=True):
            found = results["rows"][row].get(setting, {}).get(attribute, {}).get("C" if name == "C" else reading)
            if found is None:
                assert cell == "–"
                continue
            value, low, high = (float(part) for part in cell.replace("[", "").replace("]", "").replace(",", "").split())
            assert (value, low, high) == pytest.approx((found["value"], found["low"], found["high"]), abs=0.0051)


def test_published_figures_stand_below_their_row_and_controls_below_a_rule():
    lines = read_markdown(table_markdown(invented_results()), "Scores, variance over the means")
    names = [line[0] for line in lines]
    below = {names[i - 1]: lines[i][1:] for i, name in enumerate(names) if name == "*published*"}
    assert list(below) == list(PUBLISHED)
    for row, (unconditional, infilling) in PUBLISHED.items():
        expected = [f"*{score(f)}*" for f in (*unconditional, *(infilling or [None] * 4))]
        assert below[row] == expected
    assert names[names.index("**controls**") + 1 :] == ["reconstruction", "spurious", "shuffled"]


def test_scores_and_numbers_are_printed_short():
    assert [score(v) for v in (0.0, 0.005001, 0.9949, 0.996, 1.0, None, math.nan)] == [
        ".00", ".01", ".99", "1.00", "1.00", "–", "–",
    ]  # fmt: skip
    assert [number(v) for v in (0.0, -1.5, 12.345, 99999.5, 1e-5, math.inf)] == [
        "0", "-1.5", "12.3", "100,000", "1e-05", "–",
    ]  # fmt: skip


def flat_results(value: float) -> dict:
    """All rows and cells alike."""
    results = copy.deepcopy(invented_results())
    for settings in results["rows"].values():
        for attributes in settings.values():
            for cells in attributes.values():
                for cell in cells.values():
                    cell.update(value=value, low=value - 0.01, high=value + 0.01)
    return results


def test_each_cell_where_a_baseline_is_ahead_is_listed_and_no_other():
    results = flat_results(0.9)
    assert ahead(results) == []
    assert "None: no baseline is ahead" in table_markdown(results)
    results["rows"]["prior"]["infilling"]["duration"]["C"].update(value=0.95, low=0.92, high=0.96)
    results["rows"]["paper"]["unconditional"]["pitch"]["var_pooled"].update(value=0.905, low=0.9, high=0.91)
    results["rows"]["interpolation"]["infilling"]["pitch"]["var_pieces"].update(value=0.2, low=0.1, high=0.3)
    results["rows"]["diffusion-tuned"]["infilling"]["pitch"]["C"].update(value=0.97)  # plain baselines are not its own
    results["rows"]["autoregression-tuned"]["unconditional"]["duration"]["C"].update(value=0.93, low=0.915, high=0.94)
    results["rows"]["spurious"]["unconditional"]["pitch"]["C"].update(value=1.0)  # a control row, not a baseline
    results["rows"]["test"]["unconditional"]["pitch"]["C"].update(value=1.0)
    found = ahead(results)
    assert [tuple(cell)[:4] for cell in found] == [
        ("paper", "unconditional", "pitch", "var_pooled"),
        ("autoregression-tuned", "unconditional", "duration", "C"),
        ("prior", "infilling", "duration", "C"),
    ]
    assert isinstance(found[0], Ahead)
    assert [cell.by for cell in found] == pytest.approx([0.005, 0.03, 0.05])
    assert [cell.clear for cell in found] == [False, True, True]
    listed = read_markdown(table_markdown(results), "Cells where a baseline is ahead of diffusion")
    assert listed[2] == ["prior", "infilling", "duration", "C", "+0.050", "apart"]
    assert len(listed) == 3


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_terminal_shows_every_figure_within_its_width(width):
    results = invented_results()
    tables_only = table_text(results, width).split("\n\n", 1)[1]
    assert max(map(len, tables_only.splitlines())) <= width
    for table in tables(results):
        for line in table.lines:
            for cell in line.cells:
                assert cell == "–" or cell in tables_only


def test_a_table_that_is_too_wide_goes_on_below_with_whole_settings():
    """At 100 characters the settings stand one below the other; at 200 side by side."""
    narrow, wide = (table_text(invented_results(), width).split("Latent space")[0] for width in (100, 200))
    assert [narrow.count("\ndiffusion "), wide.count("\ndiffusion ")] == [4, 2]  # two readings
    heads = [line.split() for line in narrow.splitlines() if set(line.split()) <= {"uncond.", "infill"} and line]
    assert heads == [["uncond."] * 4, ["infill"] * 4] * 2


def test_latent_music_and_novelty_have_a_line_a_row_and_setting():
    results = invented_results()
    made = {table.title: table for table in tables(results)}
    pairs = sum(len(settings) for settings in results["rows"].values())
    assert [len(made[name].lines) for name in ("Latent space", "Music", "Novelty")] == [pairs + 1, pairs + 1, pairs]
    assert made["Latent space"].lines[0].name.startswith("floor")
    diffusion = next(line for line in made["Music"].lines if line.name == "diffusion, infilling")
    cell = results["music"]["rows"]["diffusion"]["infilling"]["rests"]
    column = made["Music"].head.index(("rests",))
    assert diffusion.cells[column] == f"{cell['mean']:.3g} ({cell['distance']:.3g})"


def test_the_paragraph_says_what_was_measured():
    results = invented_results()
    results["about"]["training"] = {
        "diffusion": {"data": "songs", "steps": 41000, "batch": 64, "flops": 1.62e15, "hours": 3.2},
        "mdn": {"steps": 1200, "batch": 32, "flops": 16.2e14},
        "paper": {},
    }
    text = about_text(results)
    assert (
        "Training: diffusion 41,000 steps of 64 (1.62e+15 FLOPs), autoregression 1,200 steps of 32 (1.62e+15 FLOPs)."
        in text
    )
    assert "Training" not in about_text(invented_results())
    for fact in ("1,000 melodies", "model pop-64", "fingerprint 0123abcd", "steps 20", "seeds 0", "spurious"):
        assert fact in text


def test_what_is_missing_is_left_out():
    assert tables({}) == []
    one = invented_results()
    results = {"rows": {"mine": {"unconditional": one["rows"]["diffusion"]["unconditional"]}}, "about": {"n": 3}}
    assert [line.name for line in tables(results)[0].lines] == ["mine"]
    assert "| mine |" in table_markdown(results)
    assert ahead(results) == []
