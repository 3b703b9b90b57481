/** What the server says, as src/cantilena/studio has it. */

/** Start and end in ticks, MIDI pitch, velocity. */
export type Note = [start: number, end: number, pitch: number, velocity: number];

export interface Track {
  name: string;
  program: number | null;
  drums: boolean;
  notes: Note[];
}

export interface Song {
  name: string;
  quarter: number;
  /** The tick of each bar line, and last that of the end. */
  bars: number[];
  /** The bar, from 1, in which each metre begins. */
  metres: [bar: number, metre: string][];
  tempos: [tick: number, qpm: number][];
  tracks: Track[];
  melody: number | null;
  why: string;
}

export interface Source {
  name: string;
  sha256: string;
}

export interface Made extends Source {
  midi: string;
  track: number;
  song: Song;
  title: string;
  receipt: { request: Request; rows: [bar: number, rule: string, asked: string, measured: string, met: boolean][] };
  table: string;
}

export interface Stored extends Source {
  song: Song;
  /** What the reader of notation would say about the file. */
  remarks: string[];
  /** Of a tunebook of several, of which the first was read. */
  tunes: Entry[];
}

/** A tune of a book, as its head says it. */
export interface Entry {
  number: number;
  title: string;
  metre: string;
  key: string;
}

export type Request = { verb: string; [field: string]: unknown };

/** Start and end in quarters, and MIDI pitch. */
export type Heard = [start: number, end: number, pitch: number];

export type Event =
  | { event: "queued"; ahead: number }
  | { event: "step"; i: number; of: number; seconds_left: number; notes?: Heard[] | null }
  | { event: "done"; result: Made; parts: Made[]; seconds: number }
  | { event: "error"; error: string; status: number };

/** A state of the work: one node of the history's tree. */
export interface Step {
  id: string;
  parent: string | null;
  time: number;
  title: string;
  sha256: string;
  midi: string;
  song: Song;
  track: number | null;
  request: Request | null;
  table: string;
}
