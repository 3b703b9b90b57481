"""Twelve songs in twelve notations through the verbs: `python examples/metres.py` draws docs/songs/metres.svg.

The songs were written for this, so anyone may use them: ABC, two of them turned into MusicXML and MIDI first. Of each
its bars 5 and 6 are composed anew, four bars are composed after it, and it is varied; what each says of itself before
(`cantilena inspect`) is its label.
"""

from __future__ import annotations

from pathlib import Path

from rolls import Roll, inks, picture

import cantilena
from cantilena.errors import CantilenaError
from cantilena.music.extract import extract
from cantilena.notation.to_musicxml import to_musicxml
from cantilena.sources import Source

SONGS = {  # name: metre, unit, key and bars of ABC
    "a waltz": ("3/4", "1/4", "G", "D G B|d2 B|c A F|G3|B d g|f2 e|d c A|B3|G B d|e2 c|A F A|G3|"),
    "a jig": ("6/8", "1/8", "D", "d2A F2A|dfe d2A|G2B A2F|EFG E2A|d2A F2A|dfa f2d|g2e f2d|edc d3|"
              "f2d a2f|g2e f2d|e2c ABc|d3 d3|"),
    "a slip jig": ("9/8", "1/8", "G", "BAG G2A BAG|BAG AGA B2d|BAG G2A B2c|d2B A2G A2d|BAG g2e d2B|c2A BGE D2d|"
                   "e2d c2B A2G|F2A G3 G3|"),
    "a polka": ("2/4", "1/8", "G", "dB GB|AB cA|dB GB|AG FA|dB GB|AB cA|gf ed|cA G2|Bd dB|ce ec|Bd gB|AF G2|"),
    "five beats": ("5/4", "1/4", "Am", "A B c d e|d2 c B A|G A B c d|e3 A2|a g e d c|d2 e c A|B c d B G|A3 E2|"),
    "a slow blues": ("12/8", "1/8", "Am", "A2c d2e g2e d2c|A6 z6|A2c d2e g2a g2e|d6 c3 A3|d2e g2a c'2a g2e|d2c A3 z6|"
                     "e2g a2g e2d c2A|c2A A3 A6|"),
    "a shuffle": ("4/4", "1/8", "C", "(3:2:2C2E (3:2:2G2A (3:2:2c2A (3:2:2G2E|(3:2:2F2A (3:2:2c2d c4|"
                  "(3:2:2e2d (3:2:2c2A (3:2:2G2E (3:2:2C2E|G4 G4|(3:2:2C2E (3:2:2G2A (3:2:2c2A (3:2:2G2E|"
                  "(3:2:2F2A (3:2:2c2d c4|(3:2:2e2d (3:2:2c2A (3:2:2G2E (3:2:2D2B,|C4 C4|"),
    "with a pickup": ("4/4", "1/4", "F", "C|F F G A|F2 A B|c c d B|A3 C|F F G A|B2 d c|B A G E|F3 C|A A B c|d2 c A|"
                      "B G E G|F4|"),
    "a metre change": ("4/4", "1/4", "D", "D F A d|c B A F|G B A F|E4|d c B A|B A F D|E F G E|D4|"
                       "[M:3/4]d2 A|F2 A|B2 G|E3|A2 c|d2 B|A F E|D3|"),
    "a hymn": ("3/2", "1/2", "Eb", "E G B|e2 d|c B A|B3|c B A|G2 F|E F G|F3|G A B|c2 A|G F D|E3|"),
    "a lead sheet": ("4/4", "1/4", "C", '"C"E G c B|"Am"A2 E2|"Dm7"F A d c|"G7"B3 G|"C"E G c d|"F"e2 c A|'
                     '"G7"G B d F|"C"E4|"F"A c f e|"N.C."e2 c2|"G7"d B G F|"C"E4|'),
    "a march": ("2/2", "1/4", "Bb", "B, D F B|A G F2|G B A F|E4|c B A G|F E D B,|C E D C|B,4|"
                "d c B F|G F E D|C E A, C|B,4|"),
}  # fmt: skip
INFILL, MORE, STRENGTH, SEED = "5-6", 4, 0.4, 1


def file_of(name: str) -> bytes:
    """A song as a file: ABC, or for two of them MusicXML and MIDI made of it."""
    metre, unit, key, bars = SONGS[name]
    source = Source.of(f"X:1\nT:{name}\nM:{metre}\nL:{unit}\nQ:1/4=110\nK:{key}\n{bars}\n".encode())
    if name == "a hymn":
        return to_musicxml(source.tune()[0], title=name, key=key)
    return source.data if name == "a march" else source.content


def rolls(composer: cantilena.Composer, name: str) -> list[Roll]:
    """A song with new bars in it and after it, and varied; a metre that the model does not know as it is."""
    data = file_of(name)
    found = extract(Source.of(data).song)
    song, told = found.melody, f"{name}, {found.melody.metre}"
    try:
        filled = composer.infill(data, INFILL, seed=SEED)
        longer = composer.extend(filled.midi, MORE, seed=SEED)
        varied = composer.vary(data, STRENGTH, seed=SEED).melody
    except CantilenaError as refusal:
        return [Roll(f"{told}: {str(refusal).split(';')[0]}", song, inks(song, ("kept", song)))]
    edits = [(f"bars {INFILL} anew, then {MORE} bars more", longer.melody, song)]
    if longer.melody.metre != song.metre:  # what comes after a song is in the metre that it ends in
        edits = [
            (f"bars {INFILL} anew", filled.melody, song),
            (f"{MORE} bars more, in {longer.melody.metre}", longer.melody, longer.before),
        ]
    edits.append((f"varied at strength {STRENGTH:g}", varied, song))
    return [Roll(f"{told}: {what}", after, inks(after, ("kept", before))) for what, after, before in edits]


def main() -> None:
    composer = cantilena.load()
    every = [roll for name in SONGS for roll in rolls(composer, name)]
    note = "Written for this; read from ABC, MusicXML and MIDI."
    page = picture("Twelve songs in their metres", note, every, {"kept": "as it was", "new": "composed"}, tall=64)
    Path(__file__).parents[1].joinpath("docs/songs/metres.svg").write_text(page)


if __name__ == "__main__":
    main()
