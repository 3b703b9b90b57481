import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cantilena.metrics.panel import Panel, linear_ticks, log_ticks
from cantilena.metrics.rounding import score
from cantilena.reproduction.figures import COLOURS, figures, sweep
from cantilena.reproduction.table import ROWS
from results import invented_results

SVG = "{http://www.w3.org/2000/svg}"


def titled(svg: str, pattern: str) -> list[tuple[re.Match[str], float, float]]:
    """Circles whose title matches: (match, x, y), in drawing order."""
    found = []
    for circle in ElementTree.fromstring(svg).iter(f"{SVG}circle"):
        if match := re.fullmatch(pattern, circle.findtext(f"{SVG}title", "")):
            found.append((match, float(circle.get("cx")), float(circle.get("cy"))))
    return found


def numbers(shape: str) -> np.ndarray:
    return np.array([float(v) for v in re.findall(r"-?[\d.]+", shape)]).reshape(-1, 2)


def test_every_picture_is_whole_xml_inside_its_frame():
    drawn = figures(invented_results())
    assert list(drawn) == ["scores.svg", "overlap.svg", "latent.svg", "novelty.svg"]
    for svg in drawn.values():
        root = ElementTree.fromstring(svg)
        width, height = float(root.get("width")), float(root.get("height"))
        assert len(svg) < 60_000
        assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
        for node in root.iter():
            for name, size in (("x", width), ("cx", width), ("y", height), ("cy", height)):
                assert 0 <= float(node.get(name, 0)) <= size
            if node.tag == f"{SVG}path" and "l" not in node.get("d", ""):
                x, y = numbers(node.get("d")).T
                assert x.min() >= 0
                assert x.max() <= width
                assert y.max() <= height


def test_a_dot_stands_where_its_score_is():
    """Eight panels; in each, x must be one and the same line through all values, and the interval about its dot."""
    results = invented_results()
    svg = figures(results)["scores.svg"]
    dots = iter(titled(svg, r"(.*): (.*) \[(.*), (.*)\]"))
    for setting, rows in (("unconditional", 13), ("infilling", 5)):
        for attribute in ("pitch", "duration"):
            for name in ("C", "var_pieces"):
                panel = [next(dots) for _ in range(rows)]
                shown = [row for row in ROWS if setting in results["rows"][row]]
                values = [results["rows"][row][setting][attribute][name]["value"] for row in shown]
                assert [match[2] for match, _, _ in panel] == [score(value) for value in values]
                slope, start = np.polyfit(values, [x for _, x, _ in panel], 1)
                assert slope > 100
                np.testing.assert_allclose(np.multiply(slope, values) + start, [x for _, x, _ in panel], atol=0.2)
                assert np.all(np.diff([y for _, _, y in panel]) == 22)
    assert next(dots, None) is None


def test_published_figures_are_marked_on_the_same_scale():
    results = invented_results()
    for row, settings in results["published"].items():  # published == ours: the diamond must lie on the dot
        for setting, attributes in settings.items():
            for attribute, cell in attributes.items():
                ours = results["rows"][row][setting][attribute]
                cell.update(C=ours["C"]["value"], var=ours["var_pieces"]["value"])
    root = ElementTree.fromstring(figures(results)["scores.svg"])
    checked = 0
    for group in root.iter(f"{SVG}g"):
        diamond, dot = group.find(f"{SVG}g/{SVG}path"), group.find(f"{SVG}circle")
        if diamond is not None and dot is not None:
            x, y = (float(v) for v in re.match(r"M([\d.]+) ([\d.]+)", diamond.get("d")).groups())
            assert (x, y + 7) == pytest.approx((float(dot.get("cx")), float(dot.get("cy"))), abs=0.11)
            checked += 1
    assert checked == (5 + 4) * 4  # autoregression was not published for infilling


def test_overlap_is_drawn_at_the_bar_between_its_windows():
    results = invented_results()
    root = ElementTree.fromstring(figures(results)["overlap.svg"])
    curves = results["curves"]["overlap_along"]
    lines = [
        numbers(group.find(f"{SVG}path").get("d"))
        for group in root.iter(f"{SVG}g")
        if group.get("class") == "row diffusion"
    ]
    expected = [curves["diffusion"][s][a] for s in ("unconditional", "infilling") for a in ("pitch", "duration")]
    assert len(lines) == 4
    for points, values in zip(lines, expected, strict=True):
        slope, start = np.polyfit(values, points[:, 1], 1)
        assert slope < 0
        np.testing.assert_allclose(np.multiply(slope, values) + start, points[:, 1], atol=0.2)
        np.testing.assert_allclose(np.diff(points[:, 0]), np.ptp(points[:, 0]) / 29, atol=0.11)
    tint = [r for r in root.iter(f"{SVG}rect") if r.get("class") == "tint"]
    bar = np.ptp(lines[2][:, 0]) / 58  # from bar 4 to bar 62
    assert float(tint[0].get("width")) == pytest.approx(32 * bar, abs=0.2)
    assert float(tint[0].get("x")) == pytest.approx(lines[2][0, 0] + 13 * bar, abs=0.2)  # bar 17 begins 13 after 4


def test_labels_at_the_right_do_not_cover_each_other():
    results = invented_results()
    for settings in results["curves"]["overlap_along"].values():
        for attributes in settings.values():
            attributes["pitch"] = [0.5] * 29 + [1.0]  # all end at one place, at the top
    root = ElementTree.fromstring(figures(results)["overlap.svg"])
    places = {}
    for group in root.iter(f"{SVG}g"):
        for text in group.iter(f"{SVG}text"):
            places.setdefault(text.get("x"), []).append(float(text.get("y")))
    for y in places.values():
        assert min(np.diff(sorted(y)), default=99) > 0  # columns of labels
    assert max(map(len, places.values())) == 18  # 13 rows unconditional, 5 infilling
    first = sorted(next(iter(places.values())))[:13]
    assert np.diff(first).min() >= 12.9
    assert first[0] > 90  # below the title


def test_the_floor_and_the_natural_level_are_marked():
    results = invented_results()
    for name, count in (("latent.svg", 5), ("novelty.svg", 2)):
        assert figures(results)[name].count('stroke-dasharray="4 3"') == count
    del results["latent"]["floor"]
    assert 'stroke-dasharray="4 3"' not in figures(results)["latent.svg"]


def test_infilling_is_a_ring_and_unconditional_a_dot():
    root = ElementTree.fromstring(figures(invented_results())["latent.svg"])
    for circle in root.iter(f"{SVG}circle"):
        assert (circle.get("class") == "hole") == ("infilling" in circle.findtext(f"{SVG}title"))


def test_what_is_missing_leaves_its_picture_out():
    results = invented_results()
    assert figures({}) == {}
    cell = results["rows"]["diffusion"]["unconditional"]
    made = figures({"rows": {"mine": {"unconditional": {"pitch": cell["pitch"]}}}})
    assert list(made) == ["scores.svg"]
    assert "mine" in made["scores.svg"]
    results["latent"]["rows"]["prior"]["unconditional"]["mmd_rbf"] = -0.001  # an unbiased estimate may be below 0
    assert "MMD, RBF ↓, log" not in figures(results)["latent.svg"]


def test_every_row_has_a_colour_of_its_own():
    assert list(COLOURS) == list(ROWS)
    assert len(set(COLOURS.values())) == len(ROWS)


def test_a_sweep_has_steps_on_a_log_scale():
    steps = (5, 10, 20, 40)
    rows = [
        {"sampler": sampler, "steps": n, "seconds": n / 10, "pitch_C": 1 - 1 / n, "frechet": 3 + k}
        for k, sampler in enumerate(("ddim", "dpm_solver_pp"))
        for n in reversed(steps)
    ]
    svg = sweep(rows)
    for sampler in ("ddim", "dpm_solver_pp"):
        dots = titled(svg, rf"{sampler}, (\d+) steps: (.*)")
        assert len(dots) == 3 * 4  # figures that are there
        for k in range(3):
            panel = dots[4 * k : 4 * k + 4]
            assert [int(match[1]) for match, _, _ in panel] == list(steps)
            np.testing.assert_allclose(np.diff([x for _, x, _ in panel], 2), 0, atol=0.21)
    assert "sweep.svg" in figures({"sweep": rows})
    with pytest.raises(ValueError, match="one row or more"):
        sweep([])


@pytest.mark.parametrize("seed", range(5))
def test_ticks_enclose_and_are_few(seed):
    random = np.random.default_rng(seed)
    low = random.uniform(-10, 10)
    high = low + 10 ** random.uniform(-4, 4)
    ticks = linear_ticks(low, high)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high - 1e-9
    assert 3 <= len(ticks) <= 13
    low = 10 ** random.uniform(-6, 2)
    high = low * 10 ** random.uniform(0, 5)
    ticks = log_ticks(low, high)
    assert ticks[0] <= low * 1.001
    assert ticks[-1] >= high * 0.999
    assert linear_ticks(0.5, 0.5)[0] < 0.5


def test_a_panel_keeps_what_is_outside_on_its_edge():
    panel = Panel(10, 20, 100, 50, (0, 2), (0, 1))
    assert (panel.x(1), panel.x(-5), panel.x(9)) == (60, 10, 110)
    assert (panel.y(1), panel.y(0), panel.y(-1)) == (20, 70, 70)
    assert Panel(0, 0, 100, 1, (1, 100), log_x=True).x(10) == pytest.approx(50)
