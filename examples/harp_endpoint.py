"""A Gradio endpoint that HARP can drive from a DAW: `python examples/harp_endpoint.py [--port 7860] [--model NAME]`.

Needs gradio (`pip install 'cantilena[harp]'`). HARP asks `/controls` what the endpoint is and which controls it has,
sends a MIDI track and their values to `/process`, loads the MIDI file that comes back, and may call `/cancel`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

import cantilena

CARD = {
    "name": "Cantilena",
    "description": "Composes bars of a song's melody anew, varies it, or goes on after its end.",
    "author": "The Cantilena authors",
    "tags": ["symbolic", "midi", "melody", "infilling"],
}
VERBS = ["Fill", "Vary", "Extend"]


def described(component: Any) -> dict[str, Any]:
    """A component as HARP is told of it."""
    told = {"label": component.label, "info": getattr(component, "info", None) or ""}
    match component:
        case gr.File():
            return {**told, "type": "midi_track", "required": True}
        case gr.Dropdown():
            chosen = {"choices": component.choices, "value": component.value, "multiselect": False}
            return {**told, **chosen, "type": "dropdown"}
        case gr.Textbox():
            return {**told, "type": "text_box", "value": component.value}
    number = {name: getattr(component, name) for name in ("minimum", "maximum", "step", "value")}
    return {**told, **number, "type": "slider" if isinstance(component, gr.Slider) else "number_box"}


def make_endpoint(composer: cantilena.Composer) -> gr.Blocks:
    """The endpoint of a composer: a page for people, and what HARP calls."""
    styles = ["any", *composer.model.tunes.styles]

    def process(song: str, verb: str, bars: str, strength: float, more: float, style: str, seed: float) -> str:
        asked: dict[str, Any] = {"seed": int(seed), "style": None if style == "any" else style}
        try:
            match verb:
                case "Fill":
                    result = composer.infill(song, bars=bars, **asked)
                case "Vary":
                    result = composer.vary(song, strength=strength, bars=bars or None, **asked)
                case _:
                    result = composer.extend(song, bars=int(more), **asked)
        except (cantilena.CantilenaError, ValueError) as error:  # one line for people
            raise gr.Error(str(error)) from None
        path = Path(tempfile.mkdtemp()) / f"{Path(song).stem}.{verb.lower()}.mid"
        result.save(path)
        return str(path)

    with gr.Blocks(title=CARD["name"]) as endpoint:
        gr.Markdown(f"# {CARD['name']}\n{CARD['description']}")
        inputs = [
            gr.File(label="Song", file_types=[".mid", ".midi"], type="filepath"),
            gr.Dropdown(VERBS, value="Fill", label="Do", info="Fill and Vary leave all other bars as they are"),
            gr.Textbox(value="5-8", label="Bars", info="counted from 1: 5-8,13-16; of Vary empty for all"),
            gr.Slider(0, 1, value=0.5, step=0.05, label="Strength", info="of Vary"),
            gr.Slider(1, 64, value=8, step=1, label="New bars", info="of Extend"),
            gr.Dropdown(styles, value="any", label="Style"),
            gr.Number(value=1, minimum=0, step=1, precision=0, label="Seed", info="the same one gives the same music"),
        ]
        outputs = [gr.File(label="Result", file_types=[".mid", ".midi"], type="filepath")]
        told = {"card": CARD, "inputs": [*map(described, inputs)], "outputs": [*map(described, outputs)]}
        shown = gr.JSON(visible=False)
        gr.Button("Controls", visible=False).click(lambda: told, None, shown, api_name="controls")
        doing = gr.Button("Process", variant="primary").click(process, inputs, outputs, api_name="process")
        gr.Button("Cancel").click(lambda: None, None, None, api_name="cancel", cancels=[doing])
    return endpoint


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--model", default=None)
    asked = parser.parse_args()
    make_endpoint(cantilena.load(asked.model)).launch(server_name="127.0.0.1", server_port=asked.port, quiet=True)


if __name__ == "__main__":
    main()
