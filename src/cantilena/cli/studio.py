"""`cantilena studio`: see it, hear it, change it, in the browser."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["studio"]


def studio(
    host: Annotated[str, typer.Option(help="Listen here; 0.0.0.0 is every address of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Listen on this port; 0 takes a free one.")] = 8642,
    model: Annotated[str | None, typer.Option(help="Compose with this model, by name or folder.")] = None,
    token: Annotated[
        str | None, typer.Option(metavar="WORD", help="Ask for this word; `new` makes one. The address holds it.")
    ] = None,
    i_know: Annotated[bool, typer.Option("--i-know", help="Let everybody who reaches this machine use it.")] = False,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Open the studio: a page in the browser on which tunes are seen, heard and changed. Ctrl-C ends it."""
    import webbrowser

    from cantilena.studio.serve import check_exposed, serve

    check_exposed(host, token, i_know)

    def told(address: str) -> None:
        print(f"the studio is at {address}  (Ctrl-C ends it)", flush=True)
        if browser:
            webbrowser.open(address)

    serve(host, port, model, token=token, told=told)
