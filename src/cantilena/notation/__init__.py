"""Notation: MusicXML and ABC read into MIDI, melodies written as MusicXML, ABC or a typeset score."""
