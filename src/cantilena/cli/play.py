"""`cantilena play`: plays a MIDI file by the built-in synthesiser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["play"]


def play(
    song: Annotated[
        Path, typer.Argument(metavar="SONG.mid", help="Play this MIDI file, all but its drums; - is standard input.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT.wav", help="Write the sound to this file instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let the output replace a file that is there.")] = False,
) -> None:
    """Play any MIDI file by the built-in synthesiser, through the system's player."""
    import tempfile

    from cantilena.cli.made import remark_on
    from cantilena.cli.places import check_new, check_place
    from cantilena.cli.streams import check_stream, is_stream, song_at, write_stream
    from cantilena.cli.system import play_sound
    from cantilena.files import write_whole
    from cantilena.music.render import song_to_wav

    if streamed := is_stream(output):
        check_stream()
    elif output is not None:
        check_place(output, output.parent)
        check_new([output], force=force)
    remark_on(source := song_at(song))
    sound = song_to_wav(source.song)
    if streamed:
        write_stream(sound)
        return
    if output is not None:
        write_whole(output, sound)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sound.wav"
        write_whole(file, sound)
        play_sound(file)
