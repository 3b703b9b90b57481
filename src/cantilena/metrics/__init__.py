"""Measures melodies: the paper's scores, musical features, novelty, latent distances. NumPy only."""
