"""`Engine`: a model with a sampler bound to it. It samples latents from seeds, decodes them, and encodes melodies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.guidance import Cost
from cantilena.diffusion.samplers import Denoise, SeededNoise
from cantilena.diffusion.schedule import Noise, to_alpha_bar, to_x0
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.diffusion.windows import windowed
from cantilena.edits.bound_sampler import WINDOW, BoundSampler, Correct, Read
from cantilena.edits.window import own_seed
from cantilena.labels import no_places, renumbered
from cantilena.model import Model
from cantilena.music.melody import Melody
from cantilena.music.metre import COMMON, Metre
from cantilena.sampling import OnEstimate, OnStep, Sampling, Voice, sampler_of, voice_of

__all__ = ["Engine"]

_BATCH = 64  # melodies sampled at once: more gain nothing and cost memory


@dataclass(frozen=True, eq=False)
class Engine:
    """Samples latents with a `Model`, decodes them to notes, and encodes melodies as latents."""

    model: Model
    on_step: OnStep | None = None  # who is told the steps done, and in all, of each sample
    on_estimate: OnEstimate | None = None  # who is shown each x0_hat as notes, and where they begin

    def sample(
        self,
        seeds: Sequence[int],
        *,
        phrases: int | None = None,
        circular: bool = False,
        x_t: NDArray[np.float32] | None = None,
        start: float | None = None,
        condition: Condition | None = None,
        shared: SharedPhrases | None = None,
        correct: Correct | None = None,
        cost: Cost | None = None,
        places: NDArray[np.int64] | None = None,
        at: int = 0,
        read: Read | None = None,
        **sampling: Unpack[Sampling],
    ) -> NDArray[np.float32]:
        """Latents of new melodies: (seeds, P, D), P = `phrases`. Keywords as in `Sampling`.

        P is at least as many as the model sees at once (32), but of a model that is told `places` (P, 5) of phrases
        (`labels.places`); 32 if nothing is said.

        More phrases are seen through overlapping windows, joined to a ring where `circular`
        (`diffusion.windowed`); more than twice as many, of a model that is told `places`, are drawn one window after
        another, each holding what was drawn before. `x_t` (seeds, P, D) at level `start` is where to start from, or
        noise.
        `condition` holds phrases of each melody fixed, `shared` draw several as one. `correct` is given every x0_hat
        (n, P, D) and returns the one to go on with; `cost` says what each of its phrases costs, and the sample is
        steered to cost little (`diffusion.branching`, of the sampler "ddpm" alone). For who looks on, `at` is the step
        of the melody that the sample begins on, and `read` how it will be written. Raises ValueError where these do not
        fit together.
        """
        phrases = max(WINDOW, self.model.least) if phrases is None else phrases
        if phrases < self.model.least:
            raise ValueError(f"a sample of this model has at least {self.model.least} phrases, not {phrases}")
        for name, given in (("condition", condition.x_0 if condition else None), ("start", x_t)):
            if given is not None and given.shape[:2] != (len(seeds), phrases):
                raise ValueError(f"a {name} for {given.shape[:2]} does not fit {len(seeds)} seeds of {phrases} phrases")
        from_noise = x_t is None and not (circular or cost or correct)
        if from_noise and places is not None and phrases > 2 * self.model.window:
            return self._in_turn(seeds, phrases, condition, shared, places, at, read, sampling)
        on_step = sampling.get("on_step", self.on_step)
        labels, guidance = self.labels(sampling), sampling.get("guidance", 1.0)
        metre, window = sampling.get("metre", COMMON), min(self.model.window, phrases)
        size = max(1, _BATCH * window // phrases)
        batches = [slice(i, i + size) for i in range(0, len(seeds), size)]
        found = []
        for k, part in enumerate(batches):
            batch = seeds[part]
            model = self.model.told(labels, batch[:1], metre)
            sample, reading = sampler_of(sampling, cost, _Clamp(model.literal())), read or model.to_phrases
            held = condition and Condition(condition.x_0[part], condition.known[part])
            noise: Noise = SeededNoise(batch) if shared is None else shared.noise(SeededNoise(batch))
            begin = noise((len(batch), phrases, self.model.space.D)) if x_t is None else x_t[part]
            denoise = self.denoiser(np.tile(labels, (len(batch), 1)), guidance)
            denoise = windowed(denoise, size=window, hop=max(1, window // 2), circular=circular, places=places)
            denoise = _corrected(denoise if shared is None else shared.denoiser(denoise), correct)
            for step in sample(denoise, begin, self.model.schedule, noise, condition=held, start=start):
                if on_step:
                    on_step(k * step.steps + step.i, len(batches) * step.steps)
                if self.on_estimate:
                    tokens = reading(step.x0_hat[0])
                    self.on_estimate(
                        Melody.from_tokens(tokens if tokens.ndim == 1 else metre.join(tokens), metre=metre), at
                    )
            found.append(step.x0_hat)
        return np.concatenate(found) if found else np.zeros((0, phrases, self.model.space.D), np.float32)

    def _in_turn(
        self, seeds: Sequence[int], phrases: int, condition: Condition | None, shared: SharedPhrases | None,
        places: NDArray[np.int64], at: int, read: Read | None, sampling: Sampling,
    ) -> NDArray[np.float32]:  # fmt: skip
        """As `sample`, of more phrases than a network of tunes sees at once: window by window, half of each new.

        A window holds what was drawn before it, and phrases that are to be one with those. (Overlapping windows whose
        estimates are averaged fall into drones: a tune has nothing that both of them are sure of.)
        """
        shape, size = (len(seeds), phrases, self.model.space.D), self.model.window
        x_0, known = np.zeros(shape, np.float32), np.zeros(shape[:2], np.bool_)
        if condition is not None:
            x_0, known = condition.fix(x_0), condition.known.copy()
        same = np.eye(phrases, dtype=np.bool_) if shared is None else shared.same
        firsts = [*range(0, phrases - size, size // 2), phrases - size]
        on_step, steps = sampling.get("on_step", self.on_step), sampling.get("metre", COMMON).phrase_steps
        for k, first in enumerate(firsts):
            here, told = slice(first, first + size), Sampling(**sampling)
            for own, drawn in zip(x_0, known, strict=True):  # what is one with a phrase that was drawn, is that
                one = same & drawn
                own[:], drawn[:] = np.where(drawn[:, None], own, own[one.argmax(1)]), one.any(1)
            if known[:, here].all():
                continue
            if on_step:
                told["on_step"] = _part(on_step, k, len(firsts))
            x_0[:, here] = self.sample(
                [own_seed(seed, k) for seed in seeds] if k else seeds, phrases=size,
                condition=Condition(x_0[:, here], known[:, here]) if known[:, here].any() else None,
                shared=None if shared is None else replace(shared, same=same[here, here]), places=places[here],
                at=at if read else at + first * steps, read=read and _within(read, x_0[0], here), **told,
            )  # fmt: skip
            known[:, here] = True
        return x_0

    def bound_sampler(self, sampling: Sampling) -> BoundSampler:
        """`sample` for one seed, with the keywords `sampling` bound, as edits call it."""

        def sample(seed: int, **asked: Any) -> NDArray[np.float32]:
            return self.sample([seed], **asked, **sampling)

        return sample

    def told(self, sampling: Sampling, seed: int) -> Model:
        """The model as it writes what `sampling` asks for, with the chance of a seed."""
        return self.model.told(self.labels(sampling), [seed], sampling.get("metre", COMMON))

    def labels(self, sampling: Sampling) -> NDArray[np.int64]:
        """What the networks are told of a melody that `sampling` asks for: (k,)."""
        voice, metre = voice_of(sampling.get("voice", "lead")), sampling.get("metre", COMMON)
        return self.model.labels.of(voice, metre, sampling.get("style"), sampling.get("known"))

    def decode(
        self, x_0: NDArray[np.float32], seeds: Sequence[int] = (0,), *, voice: str | Voice = "any",
        metre: Metre = COMMON,
    ) -> NDArray[np.int8]:  # fmt: skip
        """Latents (..., P, D) -> tokens (..., P, 32), as `voice` with the chance of one seed, or of one a melody."""
        return self.model.told(self.labels({"voice": voice, "metre": metre}), seeds, metre).to_phrases(x_0)

    def encode(self, melody: Melody) -> NDArray[np.float32]:
        """The phrases of a melody as latents (phrases, D): their posterior means."""
        return self.model.to_latents(melody.phrases())

    def denoiser(self, labels: NDArray[np.int64], guidance: float = 1.0) -> Denoise:
        """The network as samplers want it: labels (B, k) bound, the prediction turned into a clipped x0_hat.

        x_t may hold several samples of each of the B melodies, side by side; what is returned takes the `places` of
        each, too, where the network is told them. With `guidance` w other than 1 both predictions share x0_prev, and w
        goes from the one that is told nothing to the one that is: null + w (told - null).
        """
        model = self.model
        nulls = np.broadcast_to(np.array(model.labels.nulls, np.int64), labels.shape)

        def denoise(
            x_t: NDArray[np.float32],
            log_snr: NDArray[np.float32],
            x0_prev: NDArray[np.float32],
            places: NDArray[np.int64] | None = None,
        ) -> NDArray[np.float32]:
            n, each = len(x_t), len(x_t) // len(labels)  # windows or branches of each melody, side by side
            told = np.repeat(labels, each, axis=0)
            places = places if places is None else renumbered(places)
            if guidance == 1 or (places is None and np.array_equal(labels, nulls)):
                prediction = model.denoise(x_t, log_snr, x0_prev, told, places)
            else:  # both in one batch: a fifth less time than one after the other
                x_t2, log_snr2, x0_prev2 = (np.concatenate([one, one]) for one in (x_t, log_snr, x0_prev))
                told = np.concatenate([told, np.repeat(nulls, each, axis=0)])
                if places is not None:
                    places = np.concatenate([places, no_places(*places.shape[:-1])])
                both = model.denoise(x_t2, log_snr2, x0_prev2, told, places)
                null = both[n:]
                prediction = null + np.float32(guidance) * (both[:n] - null)
            alpha_bar = to_alpha_bar(log_snr)[:, None, None]
            return model.space.clip(to_x0(prediction, x_t, alpha_bar, model.prediction))

        return denoise


class _Clamp:
    """x0_hat -> what the notes that it means encode to; a phrase is encoded again only where its notes changed."""

    def __init__(self, model: Model):
        self.model = model
        self.tokens = np.zeros((0, 0, 0), np.int8)  # (B, P, 32) of the call before
        self.x_0 = np.zeros((0, 0, 0), np.float32)  # (B, P, D)

    def __call__(self, x0_hat: NDArray[np.float32]) -> NDArray[np.float32]:
        tokens, before = self.model.to_phrases(x0_hat), self.tokens
        if tokens.shape == before.shape:
            x_0, changed = self.x_0.copy(), (tokens != before).any(-1)
        else:
            x_0, changed = np.empty_like(x0_hat), np.ones(tokens.shape[:2], bool)
        if changed.any():
            x_0[changed] = self.model.to_latents(tokens[changed])
        self.tokens, self.x_0 = tokens, x_0
        return x_0


def _part(on_step: OnStep, part: int, parts: int) -> OnStep:
    """Tells of the steps of one of so many equal parts."""
    return lambda done, steps: on_step(part * steps + done, parts * steps)


def _within(read: Read, x_0: NDArray[np.float32], here: slice) -> Read:
    """`read` of all phrases (P, D), for an estimate of those that are `here`."""

    def reading(x0_hat: NDArray[np.float32]) -> NDArray[np.int8]:
        whole = x_0.copy()
        whole[here] = x0_hat
        return read(whole)

    return reading


def _corrected(denoise: Denoise, correct: Correct | None) -> Denoise:
    if correct is None:
        return denoise
    return lambda x_t, log_snr, x0_prev: correct(denoise(x_t, log_snr, x0_prev))
