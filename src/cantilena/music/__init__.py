"""Melodies: reading, writing, cutting, drawing and playing them. Knows no network."""
