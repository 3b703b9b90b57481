"""Rules: what a melody is asked to be, measured bar by bar. Music theory on `Melody`; knows no network."""

from cantilena.rules.chords import (
    ESTIMATED,
    NO_CHORD,
    Chord,
    ChordNotes,
    Chords,
    chord_notes,
    nearest_chord,
    parse_chord,
)
from cantilena.rules.contour import Contour
from cantilena.rules.form import Form, similarity
from cantilena.rules.pitch import Key, Range, estimate_key
from cantilena.rules.rhythm import Density, Rhythm, syncopation
from cantilena.rules.rule import Costs, HardRule, MusicRule, Rule
from cantilena.rules.text import RULES, parse_rule
from cantilena.rules.weighted import Row, Rules, binds

__all__ = [
    "ESTIMATED",
    "NO_CHORD",
    "RULES",
    "Chord",
    "ChordNotes",
    "Chords",
    "Contour",
    "Costs",
    "Density",
    "Form",
    "HardRule",
    "Key",
    "MusicRule",
    "Range",
    "Rhythm",
    "Row",
    "Rule",
    "Rules",
    "binds",
    "chord_notes",
    "estimate_key",
    "nearest_chord",
    "parse_chord",
    "parse_rule",
    "similarity",
    "syncopation",
]
