"""Cantilena composes melodies with latent diffusion."""
