"""The whole table on a toy corpus with toy networks: complete, the same for any number of workers, fair."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cantilena.composer import load
from cantilena.errors import CantilenaError, CorpusError
from cantilena.metrics.scores import overlaps, scores
from cantilena.music.midi import read_song
from cantilena.reproduction import sweep, tuning
from cantilena.reproduction.baseline_networks import BaselineNetworks
from cantilena.reproduction.baselines import ROWS, Bench
from cantilena.reproduction.decoding import FILE, NETWORKS, Decoding, Decodings
from cantilena.reproduction.page import notes
from cantilena.reproduction.publish import publish, publish_sweep, published
from cantilena.reproduction.reproduction import Reproduction
from cantilena.reproduction.results import PUBLISHED, add_rows, check_added
from cantilena.reproduction.sampling_config import SamplingConfig
from cantilena.reproduction.tuning import TRIALS, tune

CALM = Decoding(steps=3, temperature=0.8, settle=0.5, resample=2, clamp=True)
TUNED_SO = Decodings(
    {row: dict.fromkeys(("unconditional", "infilling"), CALM) for row in NETWORKS}, {"how": "By hand."}
)


@pytest.fixture(scope="module")
def whole(corpus, toy_model, toy_baselines):
    """A table with every row, by its settings."""
    composer = load(toy_model)
    networks = BaselineNetworks.load(toy_baselines, composer.model)
    return lambda **config: Reproduction(composer, corpus, SamplingConfig(tuned=TUNED_SO, **config), networks)


@pytest.fixture(scope="module")
def made(whole):
    made = whole(n=12, steps=2, workers=2)
    return made, made.run()


def test_every_row_and_cell_is_there(made):
    _, results = made
    places = {(row, setting) for row, settings in ROWS.items() for setting in settings}
    for part in (results["rows"], *(results[p]["rows"] for p in ("latent", "music", "novelty"))):
        assert {(row, setting) for row, settings in part.items() for setting in settings} == places
    for row, setting in places:
        for kind in ("pitch", "duration"):
            for cell in results["rows"][row][setting][kind].values():
                assert 0 <= cell["low"] <= cell["value"] <= cell["high"] <= 1
            assert len(results["curves"]["overlap_along"][row][setting][kind]) == 30
    json.dumps(results, allow_nan=False)


def test_the_papers_figures_are_the_papers():
    assert PUBLISHED["diffusion"]["unconditional"] == {
        "pitch": {"C": 0.99, "var": 0.90},
        "duration": {"C": 0.96, "var": 0.92},
    }
    assert PUBLISHED["prior"]["infilling"] == {"pitch": {"C": 0.89, "var": 0.19}, "duration": {"C": 0.94, "var": 0.54}}
    assert set(PUBLISHED["autoregression"]) == {"unconditional"}


def test_workers_change_nothing(made, corpus, whole):
    _, results = made
    alone = whole(n=12, steps=2, workers=1).run()
    for results_of in (alone, results):
        results_of["about"]["seconds"] = 0
    assert alone == results


def test_nothing_is_measured_against_itself(made):
    reproduced, _ = made
    reference = {tuple(w) for w in reproduced.reference.windows.tolist()}
    train = {tuple(w) for w in reproduced.reference._windows[1].tolist()}
    assert reference
    assert not reference & train
    splits = reproduced.corpus.table["split"]
    assert {int(splits[m]) for m, _ in reference} == {0}


def test_the_cells_are_those_of_evaluate(made):
    reproduced, results = made
    bench = reproduced.bench()
    found = scores(bench.make("prior", "infilling"), overlaps(reproduced.reference.pieces))
    assert results["rows"]["prior"]["infilling"]["pitch"]["C"]["value"] == found["pitch"]["C"].value


def test_more_seeds_are_more_melodies_and_each_is_told(corpus, toy_networks, toy_model):
    made = Reproduction(load(toy_model), corpus, SamplingConfig(n=10, seeds=2, steps=1))
    tuned = {f"{row}-tuned" for row in NETWORKS}  # how they are decoded was not chosen
    assert {row for row, _ in made.places()} == set(ROWS) - {"autoregression", "paper"} - tuned  # no baselines
    results = made.run()
    cell = results["rows"]["prior"]["unconditional"]["pitch"]["C"]
    assert len(cell["by_seed"]) == 2
    assert results["about"]["n"] == 20


def test_what_is_published_can_be_opened(made, tmp_path):
    reproduced, results = made
    samples = reproduced.samples(3)
    publish(tmp_path, results, samples, reproduced.reference.windows)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert np.array_equal(np.load(tmp_path / "reference.npy"), reproduced.reference.windows)
    assert "| diffusion" in (tmp_path / "table.md").read_text()
    assert (tmp_path / "scores.svg").exists()
    heard = notes((tmp_path / "index.html").read_text())
    assert heard["shuffled"]["infilling"] == samples["shuffled"]["infilling"]
    song = read_song(tmp_path / "samples" / "diffusion-infilling-03.mid")
    assert song.tracks
    assert len(list((tmp_path / "samples").iterdir())) == 3 * sum(map(len, ROWS.values()))


def test_samples_with_real_notes_come_from_the_corpus_that_may_be_shared(made, corpus):
    reproduced, _ = made
    usual, shared = reproduced.samples(2), reproduced.samples(2, listen=corpus)
    assert usual["diffusion"]["unconditional"] == shared["diffusion"]["unconditional"]
    first = corpus.windows("test")[np.random.default_rng(0).permutation(len(corpus.windows("test")))[:2]]
    events = [corpus.melody(m).events[32 * p : 32 * p + 1024] for m, p in first.tolist()]
    assert [m.notes.pitch.tolist() for m in shared["test"]["unconditional"]] == [
        [int(t) + 19 for t in e if t > 1] for e in events
    ]


def test_a_sweep_is_told_and_goes_onto_the_next_page(made, tmp_path, monkeypatch):
    reproduced, results = made
    monkeypatch.setattr(sweep, "SWEEP", [("ddpm", 2), ("ddim", 1), ("dpm_solver_pp", 2)])
    said = []
    rows = sweep.sweep(reproduced, 10, said.append)
    assert [(r["sampler"], r["steps"]) for r in rows] == [("ddpm", 2), ("ddim", 1), ("dpm_solver_pp", 2)]
    assert len(said) == 3
    assert all(r["seconds"] > 0 and 0 <= r["pitch_C"] <= 1 and r["frechet"] > 0 for r in rows)
    publish_sweep(tmp_path, reproduced.about(), rows)
    publish(tmp_path, results, reproduced.samples(1), reproduced.reference.windows)
    assert json.loads((tmp_path / "results.json").read_text())["sweep"] == rows


def test_a_corpus_that_is_too_small_is_refused(corpus, toy_model, monkeypatch):
    monkeypatch.setattr(corpus.__class__, "windows", lambda self, split, **_: np.zeros((3, 2), np.int64))
    with pytest.raises(CorpusError, match="3 training windows of 64 bars"):
        Reproduction(load(toy_model), corpus, SamplingConfig(n=10)).run()


@pytest.mark.parametrize("wrong", [{"n": 3}, {"seeds": 0}, {"workers": 0}])
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match="n is 10 or more"):
        SamplingConfig(**wrong)


# -- some rows, and stopping ---------------------------------------------------------------------------


def test_rows_made_later_join_those_that_are_there(made, corpus, whole, toy_model, tmp_path):
    _, results = made
    without = Reproduction(
        load(toy_model), corpus, SamplingConfig(n=12, steps=2, tuned=TUNED_SO)
    )  # the same model before it had baselines
    older = without.run()
    publish(tmp_path, older, without.samples(3), without.reference.windows)
    assert "paper" not in older["rows"]
    later = whole(n=12, steps=2, paper_steps=3)
    networks = ["paper", "autoregression", "paper-tuned", "autoregression-tuned"]
    newer = later.run(rows=networks)
    assert set(newer["rows"]) == set(networks)
    held, samples = published(tmp_path)
    assert held == older
    both = add_rows(held, newer)
    assert set(both["rows"]) == set(ROWS)
    assert both["about"]["paper_steps"] == 3
    for part in ("rows", "latent", "music", "novelty"):
        rows = [r[part] if part == "rows" else r[part]["rows"] for r in (both, results)]
        assert (
            rows[0]["diffusion"] == rows[1]["diffusion"]
        )  # one model, the same settings: the same as all made at once
        assert rows[0]["autoregression"] == rows[1]["autoregression"]
    assert both["rows"]["paper"] != results["rows"]["paper"]
    assert both["curves"]["overlap_along"].keys() == results["curves"]["overlap_along"].keys()
    assert set(samples) == set(ROWS) - set(networks)


@pytest.mark.parametrize(
    ("plan", "rows", "message"),
    [
        ({"n": 13, "steps": 2}, ["paper"], "have n 12, not 13"),
        ({"n": 12, "steps": 3}, ["paper"], "have steps 2, not 3"),
        ({"n": 12, "steps": 2, "paper_steps": 5}, ["diffusion"], "have paper_steps 2, not 5"),
        ({"n": 12, "steps": 3, "paper_steps": 2}, ["diffusion"], ""),
        ({"n": 12, "steps": 2, "paper_steps": 5}, ["paper"], ""),
    ],
)
def test_rows_of_another_kind_are_not_mixed(made, corpus, whole, plan, rows, message):
    _, results = made
    about = whole(**plan).about()
    if not message:
        check_added(results, about, rows)
        return
    with pytest.raises(ValueError, match=message):
        check_added(results, about, rows)


def test_rows_are_checked(made, corpus, toy_model):
    assert made[0].places(["paper", "train"]) == [
        ("train", "unconditional"), ("paper", "unconditional"), ("paper", "infilling")
    ]  # fmt: skip
    with pytest.raises(ValueError, match="a row is one of train, test"):
        made[0].places(["papers"])
    with pytest.raises(
        ValueError,
        match=r"the row paper cannot be made: no folder of baselines given, or it holds no paper.onnx; see --baselines",
    ):
        Reproduction(load(toy_model), corpus, SamplingConfig(n=10)).places(["paper"])


def test_a_run_that_was_stopped_goes_on_with_what_it_made(made, corpus, whole, tmp_path, monkeypatch):
    _, results = made
    plan, make = {"n": 12, "steps": 2, "workers": 2}, Bench.make

    def interrupted(self, row, setting, *rest):
        if row == "spurious":
            raise KeyboardInterrupt
        return make(self, row, setting, *rest)

    monkeypatch.setattr(Bench, "make", interrupted)
    with pytest.raises(KeyboardInterrupt):
        whole(**plan).run(keep=tmp_path)
    kept = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert "diffusion-unconditional" in kept
    assert "spurious-unconditional" not in kept
    monkeypatch.setattr(Bench, "make", make)
    again = whole(**plan).run(keep=tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {
        f"{row}-{s}" for row, settings in ROWS.items() for s in settings if row not in ("train", "test")
    }
    for name, before in kept.items():
        assert (tmp_path / f"{name}.npz").read_bytes() == before
    again["about"]["seconds"] = results["about"]["seconds"] = 0
    assert again == results


def test_melodies_of_other_settings_are_made_anew(corpus, toy_model, tmp_path):
    composer = load(toy_model)
    for steps in (1, 2):
        config = SamplingConfig(n=10, steps=steps)
        kept = Reproduction(composer, corpus, config).run(rows=["diffusion"], keep=tmp_path)
        fresh = Reproduction(composer, corpus, config).run(rows=["diffusion"])
        assert kept["rows"] == fresh["rows"]


def test_a_table_that_cannot_be_added_to_says_so(tmp_path):
    assert published(tmp_path) is None
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(CantilenaError, match="holds no table that can be added to"):
        published(tmp_path)


# -- tuning -----------------------------------------------------------------------------------------


def test_each_network_is_tuned_alike_on_validation_songs_with_seeds_that_are_no_tables(whole, monkeypatch, tmp_path):
    made, seen = whole(n=12, steps=2), []
    real = Bench.make

    def watched(self, row, setting, *rest):
        seen.append((row, setting, self.seeds[0], self.decoding(row, setting), self.test.groups.tolist()))
        return real(self, row, setting, *rest)

    monkeypatch.setattr(Bench, "make", watched)
    monkeypatch.setattr(
        tuning, "TRIALS", {place: [replace(how, steps=2) for how in some[:2]] for place, some in TRIALS.items()}
    )
    found = tune(made, n=4)
    networks = {row for row, *_ in seen}
    assert networks == {f"{row}-tuned" for row in NETWORKS}
    assert {first for _, _, first, *_ in seen} == {tuning.SEED}
    assert len(seen) == 2 * len(TRIALS)
    groups = made.corpus.table["group"][made.corpus.windows("validation")[:, 0]]
    assert {g for *_, some in seen for g in some} <= set(groups.tolist())
    for (row, setting), some in tuning.TRIALS.items():
        assert found.of(row, setting) in [replace(how, temperature=found.of(row, setting).temperature) for how in some]
    found.save(tmp_path)
    again = Decodings.load(tmp_path / FILE)
    assert again.chosen == found.chosen
    assert again.text() == found.text()
    assert "validation songs" in again.text()


def test_of_trials_the_one_with_the_highest_sum_is_chosen(whole, monkeypatch):
    worth = iter([0.1, 0.3, 0.2] * 20)
    monkeypatch.setattr(tuning, "_sum", lambda pieces, target: next(worth))
    monkeypatch.setattr(Bench, "make", lambda self, row, setting: None)
    trials = {("diffusion", "unconditional"): [Decoding(temperature=t) for t in (1.0, 0.9, 0.8)],
              ("diffusion", "infilling"): [Decoding(steps=s) for s in (4, 3, 2)]}  # fmt: skip
    monkeypatch.setattr(tuning, "TRIALS", trials)
    chosen = tune(whole(n=12, steps=2), n=2).chosen["diffusion"]
    assert chosen["unconditional"] == Decoding(temperature=0.9)
    assert chosen["infilling"] == Decoding(temperature=0.9, steps=3)  # of what was chosen before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"chosen": {"diffusion": {"unconditional": {"warmth": 1}}}}'])
def test_what_is_no_file_of_decodings_is_refused_in_a_line(text, tmp_path):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(CantilenaError, match=r"decodings\.json: no decodings there"):
        Decodings.load(tmp_path / FILE)
