"""Phrases that are drawn as one come out as one; their noise is as much as ever, and a part of it is shared."""

import numpy as np

from cantilena.diffusion import NoiseSchedule, SeededNoise, SharedPhrases, ddpm

SHARED = 0.3
TIES = SharedPhrases.of(["A", "B", "A", "C", "D", "A"], SHARED)


def test_a_part_of_the_noise_is_shared_and_its_law_is_the_same():
    found = TIES.noise(SeededNoise([3]))((1, 6, 40_000))[0]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(1), 0, atol=0.02)
    wanted = np.where(TIES.same & ~np.eye(6, dtype=np.bool_), SHARED, np.eye(6))
    np.testing.assert_allclose(np.cov(found), wanted, atol=0.03)


def test_nothing_is_shared_unless_it_is_asked_for():
    plain = SeededNoise([3])((1, 6, 4))
    assert np.array_equal(SharedPhrases.of([0, 1, 0, 1, 0, 1]).noise(SeededNoise([3]))((1, 6, 4)), plain)


def test_a_melody_has_the_same_noise_alone_and_in_a_batch():
    alone, batch = (TIES.noise(SeededNoise(seeds)) for seeds in ([7], [1, 7]))
    for _ in range(3):
        assert np.array_equal(alone((1, 6, 4))[0], batch((2, 6, 4))[1])


def test_what_is_one_comes_out_as_one():
    """The network wants what is near +1 or -1: each phrase goes its own way, those that are one the same way."""
    schedule = NoiseSchedule.cosine()
    noise = TIES.noise(SeededNoise(range(8)))
    denoise = TIES.denoiser(lambda x_t, log_snr, x0_prev: np.sign(x_t))
    *_, (*_, x_0) = ddpm(denoise, noise((8, 6, 2)), schedule, noise, steps=20)
    assert np.array_equal(x_0[:, 0], x_0[:, 2])
    assert np.array_equal(x_0[:, 0], x_0[:, 5])
    ways = np.sign(x_0).reshape(8, -1)
    assert len({tuple(way) for way in ways}) == 8
    assert not np.array_equal(x_0[:, 0], x_0[:, 1])


def test_what_is_one_is_equal_to_the_last_bit_wherever_it_stands():
    """A matrix product rounds equal rows in another order, by where they stand; notes would differ for it."""
    random = np.random.default_rng(0)
    for phrases, D in ((16, 56), (32, 56), (29, 35), (12, 7)):
        names = random.integers(0, 5, phrases)
        x_0 = random.standard_normal((6, phrases, D)).astype(np.float32)
        for weight in (1.0, 0.6):
            shared = SharedPhrases.of(names, weight=weight)
            found = shared.denoiser(lambda *_, x_0=x_0: x_0)(x_0, x_0, x_0)
            wanted = np.stack([x_0[:, names == name].mean(1) for name in names], axis=1)
            np.testing.assert_allclose(found, wanted if weight == 1 else 0.4 * x_0 + 0.6 * wanted, atol=1e-5)
            if weight == 1:
                first = [int(np.flatnonzero(names == name)[0]) for name in names]
                assert np.array_equal(found, found[:, first])
