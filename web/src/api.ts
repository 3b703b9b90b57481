/** The server: requests in, events out. It forgets files; what it misses is sent again from what the page keeps. */

import { toBytes } from "./song";
import type { Event, Note, Request, Source, Stored } from "./types";

/** The endings of files that the server reads. */
export const SONGS = /\.(midi?|kar|rmi|musicxml|xml|mxl|abc)$/i;

/** What a song is given as. */
export type Kind = "mid" | "svg" | "wav" | "abc" | "musicxml" | "pdf";

/** The server said no; the message is one line for people. */
export class Refusal extends Error {
  constructor(message: string, readonly status: number, readonly missing: string[] = []) {
    super(message);
  }
}

/** The server is not there. */
export class Away extends Error {}

const token = readToken();
const client = crypto.getRandomValues(new Uint32Array(2)).join("-");

function readToken(): string {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return given ?? sessionStorage.getItem("token") ?? "";
}

export class Api {
  /** Base64 of every file that the page has, by hash. */
  readonly known = new Map<string, { name: string; midi: string }>();

  async schema(): Promise<any> {
    return (await this.fetch("/api/schema")).json();
  }

  async alive(): Promise<boolean> {
    try {
      return (await fetch("/healthz", { cache: "no-store" })).ok;
    } catch {
      return false;
    }
  }

  /** Perform a request; each event as it comes. Throws Away where the server goes before the last. */
  async *perform(request: Request, signal: AbortSignal, show = false): AsyncGenerator<Event> {
    const response = await this.again(() =>
      this.fetch(`/api/perform${show ? "?show=1" : ""}`, {
        method: "POST", body: JSON.stringify(request), signal,
        headers: { "content-type": "application/json", accept: "text/event-stream" },
      }),
    );
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) throw new Away("the server went away");
        rest += value;
        const parts = rest.split("\n\n");
        rest = parts.pop()!;
        for (const part of parts) {
          const event = JSON.parse(part.slice(part.indexOf(":") + 1)) as Event;
          if (event.event === "error") throw new Refusal(event.error, event.status);
          yield event;
          if (event.event === "done") return;
        }
      }
    } catch (error) {
      if (error instanceof TypeError) throw new Away("the server went away");
      throw error;
    } finally {
      reader.cancel().catch(() => undefined);
    }
  }

  /** A file; of a tunebook the tune of this number, or the first. */
  async keep(data: BufferSource, name: string, tune?: number): Promise<Stored> {
    const asked = `/api/files?name=${encodeURIComponent(name)}${tune === undefined ? "" : `&tune=${tune}`}`;
    return (await this.fetch(asked, { method: "POST", body: data, headers: { "content-type": "audio/midi" } })).json();
  }

  /** A file that the server keeps. */
  async bytes(song: Source): Promise<Uint8Array> {
    return new Uint8Array(await (await this.fetch(`/api/files/${song.sha256}`)).arrayBuffer());
  }

  /** The song with notes of a track changed. */
  async change(song: Source, track: number, gone: Note[], fresh: Note[]): Promise<Stored> {
    const body = JSON.stringify({ song, track, gone, new: fresh });
    const ask = () => this.fetch("/api/notes", { method: "POST", body, headers: { "content-type": "application/json" } });
    return (await this.again(ask)).json();
  }

  async file(song: Source, kind: Kind, track: number | null): Promise<Blob> {
    return (await this.given(song, kind, track)).blob();
  }

  /** The melody as ABC, and the tick at which its first bar stands in the song. */
  async notation(song: Source, track: number | null): Promise<{ abc: string; begin: number }> {
    const response = await this.given(song, "abc", track);
    return { abc: await response.text(), begin: Number(response.headers.get("x-begin")) };
  }

  private given(song: Source, kind: Kind, track: number | null): Promise<Response> {
    const asked = new URLSearchParams({ as: kind, title: song.name.replace(SONGS, "") });
    if (track !== null) asked.set("track", `${track}`);
    return this.again(() => this.fetch(`/api/files/${song.sha256}?${asked}`));
  }

  /** Ask; send what the server has forgotten, and ask once more. Wait a little where it is busy. */
  private async again(ask: () => Promise<Response>): Promise<Response> {
    for (let k = 0; ; k++) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof Refusal) || k >= 8) throw error;
        if (error.status === 503) {
          await new Promise((go) => setTimeout(go, 250 * (k + 1)));
          continue;
        }
        const files = error.missing.map((hash) => this.known.get(hash));
        if (error.status !== 404 || !files.length || k > 1 || files.some((file) => !file)) throw error;
        for (const file of files) await this.keep(toBytes(file!.midi), file!.name);
      }
    }
  }

  private async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("x-client", client);
    if (token) headers.set("authorization", `Bearer ${token}`);
    let response: Response;
    try {
      response = await fetch(path, { ...init, headers, cache: "no-store" });
    } catch (error) {
      if ((error as Error).name === "AbortError") throw error;
      throw new Away("the server does not answer");
    }
    if (response.ok) return response;
    const said = await response.json().catch(() => ({}));
    throw new Refusal(said.error ?? `the server answers ${response.status}`, response.status, said.missing ?? []);
  }
}
