"""Melodies made here, so free to commit."""

import numpy as np

from cantilena.music.melody import Melody


def random_melody(seed: int, bars: int = 70) -> Melody:
    """A walk in C major in quarters and eighths, with a rest now and then."""
    random = np.random.default_rng(seed)
    scale = [p for p in range(55, 85) if p % 12 in (0, 2, 4, 5, 7, 9, 11)]
    start, end, pitch, step, degree = [], [], [], 0, 8
    while step < bars * 16 - 8:
        length = int(random.choice([2, 4, 4, 8]))
        degree = int(np.clip(degree + random.integers(-3, 4), 0, len(scale) - 1))
        if random.random() > 0.1:
            start.append(step)
            end.append(step + length)
            pitch.append(scale[degree])
        step += length
    return Melody.from_notes(start, end, pitch, bars=bars)
