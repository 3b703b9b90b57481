"""Diffusion in NumPy: noise schedules, samplers, conditions; a network is only a callable here."""

from cantilena.diffusion.condition import Condition
from cantilena.diffusion.guidance import Cost, branching
from cantilena.diffusion.path import ddim_invert
from cantilena.diffusion.samplers import SAMPLERS, Denoise, Sampler, SeededNoise, Step, ddim, ddpm, dpm_solver_pp
from cantilena.diffusion.schedule import Noise, NoiseSchedule, Prediction, target, to_alpha_bar, to_eps, to_x0
from cantilena.diffusion.shared_phrases import SharedPhrases
from cantilena.diffusion.windows import windowed

__all__ = [
    "SAMPLERS",
    "Condition",
    "Cost",
    "Denoise",
    "Noise",
    "NoiseSchedule",
    "Prediction",
    "Sampler",
    "SeededNoise",
    "SharedPhrases",
    "Step",
    "branching",
    "ddim",
    "ddim_invert",
    "ddpm",
    "dpm_solver_pp",
    "target",
    "to_alpha_bar",
    "to_eps",
    "to_x0",
    "windowed",
]
