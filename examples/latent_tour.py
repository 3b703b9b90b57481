"""What the latent space holds: `python examples/latent_tour.py [MODEL]` draws two pages into docs/.

docs/interpolation.svg: from one composed phrase to another in eight equal steps of z, a row each.
docs/nudge.svg: one phrase with its liveliest kept dimension moved from -3 to 3 deviations, a row each.
"""

import sys
from pathlib import Path

import numpy as np

import cantilena
from cantilena.music.draw import to_svg


def page(composer: cantilena.Composer, x_0: np.ndarray, title: str) -> str:
    """Each row of x_0 (rows, D) as one line of two bars."""
    return to_svg(cantilena.Melody.from_phrases(composer.decode(x_0)), title=title, bars_per_row=2)


def main(model: str = "pop-64") -> None:
    composer = cantilena.load(model)
    x_0 = composer.encode(composer.compose(seed=7, voice="lead"))
    first, last = x_0[4], x_0[12]
    t = np.linspace(0, 1, 9, dtype=np.float32)[:, None]
    docs = Path(__file__).parents[1] / "docs"
    (docs / "interpolation.svg").write_text(page(composer, (1 - t) * first + t * last, "From one phrase to another"))

    low, high = composer.model.space.low, composer.model.space.high
    changed = []
    for d in range(composer.model.space.D):  # how many tokens change from one end of each dimension to the other
        ends = np.stack([first, first])
        ends[:, d] = low[d], high[d]
        changed.append(np.not_equal(*composer.decode(ends)).sum())
    liveliest = int(np.argmax(changed))
    nudged = np.tile(first, (7, 1))
    nudged[:, liveliest] = np.clip(np.arange(-3, 4), low[liveliest], high[liveliest])
    (docs / "nudge.svg").write_text(page(composer, nudged, f"One phrase, dimension {liveliest} from -3 to 3"))


if __name__ == "__main__":
    main(*sys.argv[1:])
