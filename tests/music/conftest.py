"""Hypothesis for a busy machine: no deadline, and the same examples every time."""

from hypothesis import settings

settings.register_profile("cantilena", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("cantilena")
