"""A model that goes on to learn from somebody's own tunes."""

import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from cantilena.composer import Composer, load
from cantilena.errors import RecipeError
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.music.midi import to_midi
from cantilena.notation.to_abc import to_abc
from cantilena.provenance import KnownTunes
from cantilena.training import adapt as adapting
from cantilena.training import low_rank
from cantilena.training.adapt import adapt_model, own_tunes


@pytest.fixture(scope="module")
def model():
    torch.set_num_threads(1)
    return Model.load()


def tune(seed, bars=16):
    """A walk by fifths and octaves in dotted rhythm, that comes again after four bars: unlike anything that is sung."""
    random = np.random.default_rng(seed)
    start = np.concatenate([16 * bar + np.array([0, 3, 6, 9, 12]) for bar in range(4)])
    pitch = 60 + np.cumsum(random.choice([-7, 7, 12, -12], start.size)) % 24
    whole = np.concatenate([start + 64 * k for k in range(bars // 4)])
    return Melody.from_notes(whole, np.append(whole[1:], bars * 16), np.tile(pitch, bars // 4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("own")
    for k in range(8):
        (found / f"walk-{k}.mid").write_bytes(to_midi(tune(k)))
    return found


@pytest.fixture(scope="module")
def adapted(model, folder, tmp_path_factory):
    seconds = itertools.count()  # a clock on which each look takes one, so that learning ends after the same step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapting, "EVERY", 5)
        patch.setattr(adapting, "DRAWN", 2)
        patch.setattr(adapting, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
        own = own_tunes(folder, model)
        place = tmp_path_factory.mktemp("models") / "mine"
        return own, place, adapt_model(model, own, place, minutes=0.5)


def test_a_change_of_low_rank_begins_as_nothing_and_stays_when_it_is_merged():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    x = torch.randn(4, 12)
    before = network(x)
    changes = low_rank.adapt(network, 4)
    assert [tuple(c.shape) for c in changes] == [(4, 12), (16, 4)]  # the last layer has fewer rows than the rank
    assert torch.equal(network(x), before)
    with torch.no_grad():
        changes[1].add_(1)
    after = network(x)
    assert not torch.allclose(after, before)
    low_rank.merge(network)
    assert torch.allclose(network(x), after)
    assert {name for name, _ in network.named_parameters()} == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_it_learns_what_holds_for_the_tunes_held_out_and_says_so(adapted, model):
    _, place, found = adapted
    assert (found.tunes, found.held_out) == (8, 2)
    assert found.steps > 0
    assert found.error[1] < 0.97 * found.error[0]
    assert "2 tunes held out" in found.text()
    about = json.loads((place / "model.json").read_text())
    assert about["name"] == "mine"
    assert about["provenance"]["adapted"]["fingerprint"] == model.fingerprint
    assert about["provenance"]["licence"] == model.about["provenance"]["licence"]
    assert set(about["forms"]) == {"own"}


def test_what_it_writes_is_a_model_that_composes_and_knows_whose_tunes_these_were(adapted, model):
    own, place, _ = adapted
    mine = Model.load(place)
    assert mine.fingerprint != model.fingerprint
    assert Composer(mine).compose(seed=3, bars=16).melody != load().compose(seed=3, bars=16).melody
    near = KnownTunes.load(mine.folder, mine.about).nearest(own.melodies[2].transpose(1), 1)
    assert near.near[0].source == "own/walk-2.mid"
    assert near.longest == own.melodies[2].notes.pitch.size


def test_every_file_that_gives_no_tune_is_named(folder, model, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "again.mid").write_bytes((folder / "walk-0.mid").read_bytes())
    (tmp_path / "short.mid").write_bytes(to_midi(tune(1, bars=4)))
    (tmp_path / "notes.txt").write_text("buy milk")
    own = own_tunes(tmp_path, model)
    assert len(own.melodies) == 8
    assert len(own.left_out) == 3
    assert any("the same file again" in line for line in own.left_out)
    assert any(line.startswith("notes.txt") for line in own.left_out)


def test_every_tune_of_a_book_is_learned_from(model, tmp_path):
    written = [to_abc(tune(k), title=f"Walk {k}").decode().replace("X:1", f"X:{k + 1}") for k in range(8)]
    (tmp_path / "book.abc").write_text("\n".join([*written, "X:90\nT:bad\nCDEF|\n"]))
    own = own_tunes(tmp_path, model)
    assert own.titles == tuple(f"Walk {k}" for k in range(8))
    assert own.names == tuple(f"book.abc#{k + 1}" for k in range(8))
    assert len(set(own.hashes)) == 8
    assert [line.split(":")[0] for line in own.left_out] == ["book.abc#90"]


@pytest.mark.parametrize(
    ("files", "says"), [(0, "0 tunes of 0 phrases are too few"), (4, "4 tunes of 32 phrases"), (201, "are a corpus")]
)
def test_too_little_and_too_much_are_refused_with_the_reason(files, says, model, tmp_path):
    for k in range(files):
        (tmp_path / f"{k}.mid").write_bytes(to_midi(tune(k)) if files < 200 else b"")
    with pytest.raises(RecipeError, match=says):
        own_tunes(tmp_path, model)


def test_a_model_that_is_not_one_of_tunes_is_refused(folder, model, tmp_path):
    with pytest.raises(RecipeError, match="is no model of tunes"):
        adapt_model(Model.load("pop-64"), own_tunes(folder, model), tmp_path / "m")
    assert not (tmp_path / "m").exists()
