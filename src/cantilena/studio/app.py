"""`make_app`: the studio as an ASGI application. It decodes a request, has it performed, and streams what happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from cantilena.codec import decode, sources_of, with_sources
from cantilena.composer import Composer
from cantilena.errors import CantilenaError
from cantilena.fields import revive
from cantilena.music import draw, render
from cantilena.music.extract import extract, regions
from cantilena.music.melody import Melody
from cantilena.music.midi import read_song
from cantilena.music.texts import printable
from cantilena.notation.endings import ENDINGS
from cantilena.notation.writing import write_notation
from cantilena.sources import Source
from cantilena.studio.asks import Change
from cantilena.studio.describe import Entry, Stored, describe
from cantilena.studio.events import Done, Error, Event
from cantilena.studio.files import Files
from cantilena.studio.guard import Guard
from cantilena.studio.jobs import Jobs
from cantilena.studio.songs import change_notes, show
from cantilena.studio.turns import BusyError

__all__ = ["LOOPBACK", "make_app"]

T = TypeVar("T")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
STATIC = Path(__file__).parent / "static"
_JSON_BYTES, _FILE_BYTES = 2_000_000, 16_000_000
_BODY_SECONDS = 30
_TUNES = 5000  # of a book that are listed
_SONG_KINDS = (
    "audio/midi", "audio/mid", "audio/x-midi", "application/octet-stream", "application/vnd.recordare.musicxml+xml",
    "application/vnd.recordare.musicxml", "text/vnd.abc",
)  # fmt: skip
_KINDS = {
    "mid": "audio/midi", "svg": "image/svg+xml", "wav": "audio/wav", "abc": "text/vnd.abc; charset=utf-8",
    "musicxml": "application/vnd.recordare.musicxml+xml", "pdf": "application/pdf",
}  # fmt: skip


class Refused(Exception):
    """A request is answered by a status and one line."""

    def __init__(self, status: int, why: str, **more: Any) -> None:
        super().__init__(why)
        self.status, self.more = status, more


def make_app(
    composer: Composer,
    *,
    places: int = 1,
    hosts: Collection[str] = LOOPBACK,
    token: str | None = None,
    jobs: Jobs | None = None,
    files: Files | None = None,
) -> Starlette:
    """The studio; `places` jobs are performed at once. `hosts` and `token` as of `Guard`."""
    studio = _Studio(Jobs(composer, places) if jobs is None else jobs, Files() if files is None else files)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        studio.jobs.close()

    routes = [
        Route("/healthz", studio.health),
        Route("/metrics", studio.metrics),
        Route("/api/schema", studio.schema),
        Route("/api/perform", _refusing(studio.perform), methods=["POST"]),
        Route("/api/files", _refusing(studio.keep), methods=["POST"]),
        Route("/api/files/{sha256}", _refusing(studio.give)),
        Route("/api/notes", _refusing(studio.change), methods=["POST"]),
        Mount("/", StaticFiles(directory=STATIC, html=True, check_dir=False)),
    ]
    return Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(Guard, hosts=hosts, token=token)])


class _Studio:
    """What the routes do."""

    def __init__(self, jobs: Jobs, files: Files) -> None:
        self.jobs, self.files = jobs, files
        from cantilena import __version__

        self.about = {"cantilena": __version__, "model": jobs.composer.model.name}
        self.described = msgspec.json.encode(describe(__version__, jobs.composer.model))

    async def health(self, _: Request) -> Response:
        """That it is well, and how busy."""
        turns = self.jobs.turns
        working = turns.places - turns.free
        return JSONResponse({"ok": True, **self.about, "working": working, "waiting": turns.waiting})

    async def metrics(self, _: Request) -> Response:
        """The same and what was done, as Prometheus reads it."""
        turns, files = self.jobs.turns, self.files
        gauges = {
            "jobs_waiting": ("Jobs that wait for their turn.", turns.waiting),
            "jobs_running": ("Jobs that are worked on.", turns.places - turns.free),
            "files": ("Files that are kept.", len(files)),
            "files_bytes": ("Bytes of the files that are kept.", files.bytes),
        }
        return Response(self.jobs.meters.text(gauges), media_type="text/plain; version=0.0.4")

    async def schema(self, _: Request) -> Response:
        """OpenAPI."""
        return Response(self.described, media_type="application/json")

    async def perform(self, request: Request) -> Response:
        """A request, performed: the result as JSON, or every event as it comes."""
        body = await _body(request, _JSON_BYTES, ("application/json",))
        try:
            asked = decode(body)
        except ValueError as error:
            raise Refused(422, str(error)) from error
        asked = with_sources(asked, self._found(sources_of(asked)))
        shows = request.query_params.get("show", "") in ("1", "true")
        if "text/event-stream" in request.headers.get("accept", ""):
            events = self.jobs.perform(asked, _client(request), show=shows)
            first = await _first(events)  # a refusal is a status, not an event
            return StreamingResponse(
                self._stream(first, events), media_type="text/event-stream", headers={"cache-control": "no-store"}
            )
        last = await _unless_gone(request, self._last(self.jobs.perform(asked, _client(request))))
        if isinstance(last, Error):
            raise Refused(last.status, last.error)
        return _json(last)

    async def keep(self, request: Request) -> Response:
        """A song, kept for a while as a MIDI file, which notation is turned into; what it holds.

        Of an ABC book that is one of its tunes, which `tune` names, or the first; then the others are listed.
        """
        body = await _body(request, _FILE_BYTES, _SONG_KINDS)
        name = (request.query_params.get("name") or "song.mid")[:255]
        number = _number(request, "tune")

        def read() -> tuple[bytes, Stored]:
            file = Source(name, "", body)  # known by the hash of its MIDI
            source = file if number is None else file.tune_of_book(number)
            data, shown = source.data, show(source.song)
            told = (
                [Entry(t.number, *map(printable, t[1:4])) for t in file.book.tunes[:_TUNES]] if number is None else []
            )
            tunes = tuple(told) if len(told) > 1 else ()
            return data, Stored(source.name, Source.of(data).sha256, shown, source.remarks, tunes)

        data, stored = await self._call(request, read)
        self.files.keep(data, stored.name)
        return _json(stored)

    async def give(self, request: Request) -> Response:
        """A file that is kept, or the sound, the picture or the notation of its melody.

        `X-Begin` is the tick at which the first bar of that stands in the file.
        """
        kind = request.query_params.get("as", "mid")
        if kind not in _KINDS:
            raise Refused(422, f"a file is given as {', '.join(_KINDS)}, not {kind[:20]!r}")
        wanted = request.path_params["sha256"]
        (source,) = self._found([Source("song.mid", wanted)])
        headers = {"cache-control": "no-store"}
        if kind == "mid":
            return Response(source.data, media_type=_KINDS[kind], headers=headers)
        track = _number(request, "track")
        title = request.query_params.get("title", "")[:200]

        def render_it() -> tuple[bytes, int]:
            found = extract(source.song, track)
            melody = cast("Melody", found.melody)  # `extract` raises where there is none
            begin = regions(source.song)[found.region].begin
            if kind in ENDINGS:
                told = title or printable(source.song.name)
                return write_notation(melody, ENDINGS[kind], midi=source.data, track=found.track, title=told), begin
            return draw.to_svg(melody, title=title).encode() if kind == "svg" else render.to_wav(melody), begin

        data, begin = await self._call(request, render_it)
        return Response(data, media_type=_KINDS[kind], headers={**headers, "x-begin": str(begin)})

    async def change(self, request: Request) -> Response:
        """A file with other notes on one track."""
        body = await _body(request, _JSON_BYTES, ("application/json",))
        try:
            asked = msgspec.json.decode(body, type=Change, dec_hook=revive)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Refused(422, f"not a change of notes: {error}") from error
        (source,) = self._found([asked.song])

        def changed() -> tuple[bytes, Any]:
            data = change_notes(source.song, asked.track, asked.gone, asked.new)
            return data, show(read_song(data, name=source.name), asked.track)

        data, shown = await self._call(request, changed)
        kept = self.files.keep(data, source.name)
        return _json(Stored(kept.name, kept.sha256, shown))

    def _found(self, wanted: list[Source]) -> list[Source]:
        found = self.files.find(wanted)
        missing = {source.sha256 for source in wanted} - {source.sha256 for source in found}
        if missing:
            names = ", ".join(source.name for source in wanted if source.sha256 in missing)
            raise Refused(404, f"{names}: is not kept here (any more): send the file again", missing=sorted(missing))
        return found

    async def _call(self, request: Request, do: Callable[[], T]) -> T:
        try:
            return await self.jobs.call(_client(request), do)
        except BusyError as error:
            raise Refused(503, str(error)) from error
        except (CantilenaError, ValueError) as error:
            raise Refused(422, " ".join(str(error).split())) from error

    async def _last(self, events: AsyncIterator[Event]) -> Event:
        async with aclosing(events) as each:  # type: ignore[type-var]
            async for event in each:
                self._keep(event)
        return event

    async def _stream(self, first: Event, events: AsyncIterator[Event]) -> AsyncIterator[bytes]:
        async with aclosing(events) as each:  # type: ignore[type-var]
            yield self._message(first)
            async for event in each:
                yield self._message(event)

    def _message(self, event: Event) -> bytes:
        self._keep(event)
        return b"data: " + msgspec.json.encode(event) + b"\n\n"

    def _keep(self, event: Event) -> None:
        """What was made can be gone on from."""
        if isinstance(event, Done):
            import base64

            for made in (event.result, *event.parts):
                self.files.keep(base64.b64decode(made.midi), made.name)


async def _first(events: AsyncIterator[Event]) -> Event:
    try:
        return await anext(events)
    except BusyError as error:
        raise Refused(503, str(error)) from error


def _refusing(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def refusing(request: Request) -> Response:
        try:
            return await handle(request)
        except Refused as refused:
            headers = {"retry-after": "1"} if refused.status == 503 else {}
            return JSONResponse({"error": str(refused), **refused.more}, refused.status, headers)

    return refusing


async def _body(request: Request, most: int, kinds: Collection[str]) -> bytes:
    """What was sent, all of it, within `_BODY_SECONDS`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise Refused(415, f"what is sent is {kinds[0]!r}, not {kind[:50]!r}")  # type: ignore[index]
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise Refused(413, f"at most {most:,} bytes can be sent")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise Refused(413, f"at most {most:,} bytes can be sent")
    except (TimeoutError, ClientDisconnect) as error:
        raise Refused(400, f"it did not come whole within {_BODY_SECONDS} seconds") from error
    return bytes(body)


def _number(request: Request, name: str) -> int | None:
    """A whole number that a query may hold."""
    said = request.query_params.get(name)
    if said is not None and not (said.isascii() and said.isdigit() and len(said) < 10):
        raise Refused(422, f"a {name} is a whole number from 0 up, not {said[:20]!r}")
    return None if said is None else int(said)


async def _unless_gone(request: Request, work: Awaitable[T]) -> T:
    """What `work` comes to; cancelled where the client hangs up."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait([task], timeout=0.25)
        if not task.done() and await request.is_disconnected():
            task.cancel()
            raise Refused(503, "nobody waits for this any more")
    try:
        return task.result()
    except BusyError as error:
        raise Refused(503, str(error)) from error


def _client(request: Request) -> str:
    """Who asks, for fairness: a page says a number of its own, others are their address."""
    return request.headers.get("x-client", "")[:64] or (request.client.host if request.client else "")


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json", headers={"cache-control": "no-store"})
