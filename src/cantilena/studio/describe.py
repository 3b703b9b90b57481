"""The interface as OpenAPI, out of the structs that requests are: what the page's forms are made of, too."""

from __future__ import annotations

from typing import Any

import msgspec

from cantilena.model import Model
from cantilena.requests import AnyRequest, Sampled
from cantilena.sources import Source
from cantilena.studio.asks import Change
from cantilena.studio.events import Done, Error, Queued, Step
from cantilena.studio.songs import Shown
from cantilena.voices import VOICES

__all__ = ["describe"]

_MUSIC = {
    "title": "Source",
    "description": "Music by its hash: a file that was given to /api/files, or a result.",
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 255},
        "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    },
    "required": ["name", "sha256"],
    "additionalProperties": False,
}
_REF = "#/components/schemas/{name}"


class Stored(msgspec.Struct, frozen=True):
    """A file that is kept for a while."""

    name: str
    sha256: str
    song: Shown
    remarks: tuple[str, ...] = ()  # what the reader of notation would say about it
    tunes: tuple[Entry, ...] = ()  # of an ABC book of several, of which the first was read


class Entry(msgspec.Struct, frozen=True):
    """A tune of a book, which `?tune=NUMBER` keeps; title, metre and key as its head says them."""

    number: int
    title: str
    metre: str
    key: str


def describe(version: str, model: Model) -> dict[str, Any]:
    """OpenAPI 3.1. A request's own keys say more for forms: `x-group` "sampling", and `examples` of names.

    These are voices, and the styles and metres of a model.
    """
    names = {"voice": list(VOICES), "style": list(model.tunes.styles), "metre": [str(metre) for metre in model.metres]}
    kinds = [AnyRequest, Done, Error, Queued, Step, Shown, Change, Stored]
    refs, schemas = msgspec.json.schema_components(kinds, schema_hook=_hook, ref_template=_REF)
    sampled = set(Sampled.__struct_fields__) - {"voice", "style"} | {"sampling_steps", "grid", "loop_resample"}
    for schema in schemas.values():
        for name, field in schema.get("properties", {}).items():
            own = name == "steps" and "sampling_steps" in schema["properties"]  # of a morph they are melodies
            if "verb" in schema["properties"] and name in sampled and not own:
                field["x-group"] = "sampling"
            if names.get(name):
                field["examples"] = names[name]
    schemas["AskedRules"]["properties"].pop("own", None)
    schemas["Source"] = _MUSIC
    request, done, error, queued, step, _, change, stored = refs
    body = {"content": {"application/json": {"schema": request}}, "required": True}
    events = {"description": "An event in each message.", "anyOf": [queued, step, done, error]}
    bytes_ = {"type": "string", "format": "binary"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Cantilena",
            "version": version,
            "description": "Every verb is one request. Music goes in and out as MIDI files, known by their SHA-256.",
        },
        "paths": {
            "/healthz": {"get": {"summary": "Whether it is well.", "responses": {"200": _told({"type": "object"})}}},
            "/metrics": {
                "get": {
                    "summary": "Jobs, their seconds and the files that are kept, for Prometheus.",
                    "responses": {
                        "200": {"description": "Now", "content": {"text/plain": {"schema": {"type": "string"}}}}
                    },
                }
            },
            "/api/schema": {"get": {"summary": "This.", "responses": {"200": _told({"type": "object"})}}},
            "/api/perform": {
                "post": {
                    "summary": "Perform a request. `Accept: text/event-stream` tells of every step.",
                    "parameters": [
                        {
                            "name": "show", "in": "query", "schema": {"type": "boolean", "default": False},
                            "description": "Each step says what x0_hat means, as notes.",
                        }
                    ],
                    "requestBody": body,
                    "responses": {
                        "200": {
                            "description": "The result",
                            "content": {
                                "application/json": {"schema": done}, "text/event-stream": {"schema": events},
                            },
                        },
                        **_refusals(error, 400, 404, 413, 415, 422, 503),
                    },
                }
            },
            "/api/files": {
                "post": {
                    "summary": "Keep a song (MIDI, MusicXML or ABC) for a while: as a MIDI file, by the hash of that.",
                    "parameters": [
                        {"name": "name", "in": "query", "schema": {"type": "string"}},
                        {
                            "name": "tune", "in": "query", "schema": {"type": "integer", "minimum": 0},
                            "description": "Of an ABC book of several tunes, which one; the first if nothing is said.",
                        },
                    ],
                    "requestBody": {
                        "required": True,
                        "content": {"audio/midi": {"schema": bytes_}, "application/octet-stream": {"schema": bytes_}},
                    },
                    "responses": {"200": _told(stored), **_refusals(error, 400, 413, 415, 422, 503)},
                }
            },
            "/api/files/{sha256}": {
                "get": {
                    "summary": "A file that is kept, or its melody as sound, picture or notation.",
                    "parameters": [
                        {"name": "sha256", "in": "path", "required": True, "schema": {"type": "string"}},
                        {
                            "name": "as", "in": "query",
                            "schema": {"enum": ["mid", "svg", "wav", "abc", "musicxml", "pdf"], "default": "mid"},
                        },
                        {"name": "track", "in": "query", "schema": {"type": "integer", "minimum": 0}},
                    ],
                    "responses": {
                        "200": {
                            "description": "The file",
                            "content": {
                                "audio/midi": {"schema": bytes_}, "image/svg+xml": {"schema": {"type": "string"}},
                                "audio/wav": {"schema": bytes_}, "text/vnd.abc": {"schema": {"type": "string"}},
                                "application/vnd.recordare.musicxml+xml": {"schema": bytes_},
                                "application/pdf": {"schema": bytes_},
                            },
                        },
                        **_refusals(error, 404, 422, 503),
                    },
                }
            },
            "/api/notes": {
                "post": {
                    "summary": "Change notes of a track by hand; every other event stays as it is.",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": change}}},
                    "responses": {"200": _told(stored), **_refusals(error, 400, 404, 413, 415, 422, 503)},
                }
            },
        },
        "components": {"schemas": schemas},
    }  # fmt: skip


def _hook(kind: type) -> dict[str, Any]:
    return {"$ref": _REF.format(name="Source")} if kind is Source else {}


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "It is done", "content": {"application/json": {"schema": schema}}}


_WHY = {
    400: "What was sent is not JSON or does not come whole.", 404: "A file that is asked for is not kept any more.",
    413: "What was sent is too large.", 415: "What was sent is of another kind.",
    422: "It cannot be done; the error says why.", 503: "Too many jobs wait.",
}  # fmt: skip


def _refusals(error: dict[str, Any], *statuses: int) -> dict[str, Any]:
    plain = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    return {
        str(status): {"description": _WHY[status], "content": {"application/json": {"schema": plain}}}
        for status in statuses
    }
