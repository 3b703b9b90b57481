"""Measuring melodies (NumPy only)."""
