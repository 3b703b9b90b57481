"""The paper's table for a model of tunes: `python benchmarks/open_table.py TUNES.npz [MODEL] [N]`.

Pieces are whole tunes of 8 to 32 phrases in every metre that the model knows, and windows of 64 bars of 4/4 (of longer
tunes, and of top parts that sing). Consistency and Variance of pitch and duration (Mittal et al. 2021, 5.1) against
training music, each with its 95 % interval, for

    test        unseen human music
    train       other training music
    plain       100 ancestral steps, temperature 1, no guidance, latents read literally: the paper's comparison; the
                network is told style and metre, and where each phrase stands
    told        the same, and it is told form, key and density of a training tune of the style, drawn by chance
    song        as `compose` makes tunes
    infilling   human music whose middle half is composed plainly
    interpolation, reconstruction, shuffled     by phrases of the human music, as in `cantilena reproduce`

Ours are N (400) of each kind, in the styles, metres and lengths of as many unseen pieces, seeds from 70,000 on. Nothing
was chosen by them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cantilena.composer import Composer, load
from cantilena.diffusion.condition import Condition
from cantilena.edits.tune_form import draw_density, draw_form, draw_home
from cantilena.labels import Known, PhraseForm, places
from cantilena.metrics.pieces import Pieces
from cantilena.metrics.scores import scores
from cantilena.model import DEFAULT_MODEL
from cantilena.music.melody import Melody, is_silent
from cantilena.music.metre import COMMON
from cantilena.reproduction.baselines import interpolate
from cantilena.training.tunes import Tunes, sings

SEED = 70_000
FEWEST, MOST = 8, 32  # phrases of a piece
STEPS = 100
Kind = tuple[Melody, str, int]  # a piece, its style, and the number of its tune


def main(tunes_file: str, name: str = DEFAULT_MODEL, number: str = "400") -> None:
    tunes, composer = Tunes.open(Path(tunes_file)), load(name)
    print(f"{composer.model.name} {composer.model.fingerprint}")
    for title, of in (("whole tunes, every metre", whole_tunes), ("windows of 64 bars of 4/4", windows)):
        train, test = of(tunes, composer, 0), of(tunes, composer, 2)
        reference = pieces("reference", train[::2])
        some = [test[i % len(test)] for i in np.random.default_rng(SEED).permutation(int(number))]
        print(f"\n{title}: {len(train[::2]):,} pieces of reference, {len(test):,} unseen, {len(some):,} of ours")
        rows: dict[str, Sequence[Kind]] = {"test": test, "train": train[1::2][: max(len(some), len(test))]}
        for row, make in ROWS.items():
            rows[row] = [(make(composer, piece, SEED + k), *piece[1:]) for k, piece in enumerate(some)]
        for row, found in rows.items():
            cells = scores(pieces(row, found), reference)
            told = "  ".join(
                f"{kind} C {s['C'].value:.3f} [{s['C'].low:.2f} {s['C'].high:.2f}] "
                f"Var {s['var_pieces'].value:.3f} [{s['var_pieces'].low:.2f} {s['var_pieces'].high:.2f}]"
                for kind, s in cells.items()
            )
            print(f"{row:16}{told}", flush=True)


def whole_tunes(tunes: Tunes, composer: Composer, split: int) -> list[Kind]:
    """The tunes of a split, whole, in metres that the model knows; in an order by chance."""
    found = []
    for tune in np.random.default_rng(SEED).permutation(tunes.split(split, role=0)).tolist():
        melody = tunes.melody(tune)
        if melody.metre in composer.model.metres and FEWEST <= len(tunes.phrases(tune)) <= MOST:
            found.append((melody, tunes.style(tune), tune))
    return found


def windows(tunes: Tunes, composer: Composer, split: int) -> list[Kind]:
    """A window without a silent phrase of each melody of 32 phrases of 4/4 or more: tunes, and top parts that sing."""
    found = []
    for role in (0, 1):
        for tune in np.random.default_rng(SEED).permutation(tunes.split(split, role=role)).tolist():
            phrases = tunes.phrases(tune)
            if tunes.metre(tune) != COMMON or len(phrases) < MOST or (role and not sings(phrases)):
                continue
            silent = np.append(0, np.cumsum(is_silent(phrases)))
            begins = np.flatnonzero(silent[MOST:] == silent[: len(silent) - MOST])
            if begins.size:
                first = int(begins[tune % begins.size])
                found.append((Melody.from_phrases(phrases[first : first + MOST]), tunes.style(tune), tune))
    return [found[i] for i in np.random.default_rng(SEED).permutation(len(found))]


def pieces(name: str, found: Sequence[Kind]) -> Pieces:
    events, metres = [m.events for m, *_ in found], [m.metre for m, *_ in found]
    return Pieces.of(events, np.array([tune for *_, tune in found]), name, metres)


# -- what makes a row: the composer, a human piece with its style, and a seed -> a melody -----------------------------


def plain(
    composer: Composer, piece: Kind, seed: int, held: NDArray[np.bool_] | None = None, known: Known | None = None,
    form: PhraseForm | None = None,
) -> Melody:  # fmt: skip
    """One plain draw of the length of a piece, told its style, its metre, and where each phrase stands."""
    real, style, _ = piece
    letters, rhythms = form or (None, None)
    model, phrases = composer.model, real.phrases()
    condition = None if held is None else Condition(model.to_latents(phrases)[None], held[None])
    x_0 = composer.sample(
        [seed], phrases=len(phrases), places=places(len(phrases), letters, rhythms=rhythms), condition=condition,
        known=known or Known(), style=style, metre=real.metre, steps=STEPS, temperature=1.0,
    )  # fmt: skip
    tokens = model.decode(model.space.denormalize(x_0))[0]
    return like(real, tokens if held is None else np.where(held[:, None], phrases, tokens))


def told(composer: Composer, piece: Kind, seed: int) -> Melody:
    real, style, _ = piece
    of = composer.model.tunes
    home = draw_home(of.homes, style, seed)
    density = draw_density(of.densities, style, str(real.metre), seed)
    form = draw_form(of.forms, style, len(real.phrases()), seed)
    return plain(composer, piece, seed, known=Known(home, density), form=form)


def song(composer: Composer, piece: Kind, seed: int) -> Melody:
    real, style, _ = piece
    return composer.compose(seed=seed, bars=real.bars, metre=str(real.metre), style=style).melody


def infilling(composer: Composer, piece: Kind, seed: int) -> Melody:
    count = len(piece[0].phrases())
    held = np.ones(count, np.bool_)
    held[count // 4 : count - count // 4] = False
    return plain(composer, piece, seed, held)


def interpolation(composer: Composer, piece: Kind, seed: int) -> Melody:
    model, phrases = composer.model, piece[0].phrases()
    z = model.encode(phrases[[0, -1]])[0]
    return like(piece[0], model.decode(interpolate(z[:1], z[1:], len(phrases)))[0])


def reconstruction(composer: Composer, piece: Kind, seed: int) -> Melody:
    return like(piece[0], composer.model.decode(composer.model.encode(piece[0].phrases())[0]))


def shuffled(composer: Composer, piece: Kind, seed: int) -> Melody:
    return like(piece[0], np.random.default_rng(seed).permutation(piece[0].phrases()))


ROWS: dict[str, Callable[[Composer, Kind, int], Melody]] = {
    "plain": plain, "told": told, "song": song, "infilling": infilling, "interpolation": interpolation,
    "reconstruction": reconstruction, "shuffled": shuffled,
}  # fmt: skip


def like(real: Melody, tokens: NDArray[np.int8]) -> Melody:
    """Phrases (P, 32) as a melody of the metre and length of another."""
    return Melody.from_tokens(real.metre.join(tokens)[: real.events.size], metre=real.metre)


if __name__ == "__main__":
    main(*sys.argv[1:])
