/** Songs as notes in bars: where a tick is, and what a song becomes with some bars of another. */

import type { Heard, Note, Song } from "./types";


/** The bar, counted from 1, that a tick lies in; the last for what rings past the end. */
export function barAt(song: Song, tick: number): number {
  const lines = song.bars;
  let low = 0, high = lines.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (lines[middle]! <= tick) low = middle;
    else high = middle;
  }
  return low + 1;
}

export function barCount(song: Song): number {
  return song.bars.length - 1;
}

/** Seconds from the start of a song to a tick. */
export function secondsAt(song: Song, tick: number): number {
  let seconds = 0;
  for (const [k, [from, qpm]] of song.tempos.entries()) {
    if (from >= tick) break;
    const to = Math.min(tick, song.tempos[k + 1]?.[0] ?? Infinity);
    seconds += ((to - from) / song.quarter) * (60 / qpm);
  }
  return seconds;
}

/** The inverse. */
export function tickAt(song: Song, seconds: number): number {
  let left = seconds;
  for (const [k, [from, qpm]] of song.tempos.entries()) {
    const to = song.tempos[k + 1]?.[0] ?? Infinity;
    const lasts = ((to - from) / song.quarter) * (60 / qpm);
    if (left <= lasts) return from + ((left * qpm) / 60) * song.quarter;
    left -= lasts;
  }
  return 0;
}

/** Ticks of a beat in a bar. */
export function beatTicks(song: Song, bar: number): number {
  let metre = "4/4";
  for (const [from, told] of song.metres) if (from <= bar) metre = told;
  return (4 * song.quarter) / Number(metre.split("/")[1] ?? 4);
}

export function melodyOf(song: Song): Note[] {
  return song.melody === null ? [] : (song.tracks[song.melody]?.notes ?? []);
}

export function keyOf(note: Note): string {
  return `${note[0]}:${note[2]}`;
}

/** Notes that were heard in x0_hat, on a song's ticks, where they begin in some bars. */
export function onTicks(song: Song, heard: Heard[]): Note[] {
  return heard.map(([start, end, pitch]) => [
    Math.round(start * song.quarter), Math.round(end * song.quarter), pitch, 80,
  ]);
}

function inBars(song: Song, notes: Note[]): Map<number, Note[]> {
  const found = new Map<number, Note[]>();
  for (const note of notes) {
    const bar = barAt(song, note[0] + song.quarter / 8); // one played a little before the bar line is the next bar's
    const there = found.get(bar);
    if (there) there.push(note);
    else found.set(bar, [note]);
  }
  return found;
}

function same(a: Note[] | undefined, b: Note[] | undefined): boolean {
  if ((a?.length ?? 0) !== (b?.length ?? 0)) return false;
  return (a ?? []).every((note, k) => note.slice(0, 3).every((value, j) => value === b![k]![j]));
}

/** The bars in which two songs with one ruler differ; null where the bars do not stand on one ruler. */
export function changedBars(base: Song, other: Song): number[] | null {
  if (base.quarter !== other.quarter || base.melody === null || base.melody !== other.melody) return null;
  const shared = Math.min(base.bars.length, other.bars.length) - 1;
  for (let k = 0; k < shared; k++) if (base.bars[k] !== other.bars[k]) return null;
  for (const [k, track] of base.tracks.entries()) {
    if (k !== base.melody && !same(track.notes, other.tracks[k]?.notes)) return null; // all else has moved
  }
  const was = inBars(base, melodyOf(base)), now = inBars(other, melodyOf(other));
  const bars = Math.max(barCount(base), barCount(other));
  const found: number[] = [];
  for (let bar = 1; bar <= bars; bar++) if (!same(was.get(bar), now.get(bar))) found.push(bar);
  return found;
}

export interface Spliced {
  gone: Note[];
  fresh: Note[];
  notes: Note[];
}

/**
 * The melody of `base` with the bars `taken` of `other`: the notes that go, those that come, and all in the end.
 * Where a note that stays and one that comes never sounded together in either song, the earlier ends where the later
 * begins.
 */
export function splice(base: Song, other: Song, taken: Set<number>): Spliced {
  const was = melodyOf(base), now = melodyOf(other);
  const have = new Set(was.map((n) => n.slice(0, 3).join())), come = new Set(now.map((n) => n.slice(0, 3).join()));
  const nudge = base.quarter / 8;
  const ruler = barCount(other) > barCount(base) ? other : base;
  const stays = (n: Note) => !taken.has(barAt(ruler, n[0] + nudge)) || come.has(n.slice(0, 3).join());
  const gone = was.filter((n) => !stays(n));
  const fresh = now.filter((n) => taken.has(barAt(ruler, n[0] + nudge)) && !have.has(n.slice(0, 3).join()));
  const kept = was.filter(stays);
  const news = new Set(fresh);
  const all = [...kept, ...fresh].sort((a, b) => a[0] - b[0] || b[2] - a[2]);
  const notes: Note[] = [];
  const added: Note[] = [], cut: Note[] = [];
  for (const [k, note] of all.entries()) {
    let end = note[1];
    for (let j = k + 1; j < all.length && all[j]![0] < end; j++) {
      const later = all[j]!;
      if (later[0] === note[0] || news.has(later) === news.has(note)) continue;
      const together = come.has(note.slice(0, 3).join()) && come.has(later.slice(0, 3).join());
      if (!together || later[2] === note[2]) end = later[0];
    }
    const shown: Note = end === note[1] ? note : [note[0], end, note[2], note[3]];
    notes.push(shown);
    if (news.has(note)) added.push(shown);
    else if (shown !== note) {
      cut.push(note);
      added.push(shown);
    }
  }
  return { gone: [...gone, ...cut], fresh: added, notes };
}

/** "17-20, 23" */
export function spans(bars: number[]): string {
  const found: [number, number][] = [];
  for (const bar of bars) {
    const last = found.at(-1);
    if (last && bar === last[1] + 1) last[1] = bar;
    else found.push([bar, bar]);
  }
  return found.map(([a, b]) => (a === b ? `${a}` : `${a}–${b}`)).join(", ");
}

/** A MIDI file of notes, on the ticks of a song: what a region keeps. */
export function midiOf(notes: Note[], quarter: number): Uint8Array {
  const events = notes.flatMap(([start, end, pitch, velocity]) => [
    { tick: end, order: 0, bytes: [0x80, pitch, 64] },
    { tick: start, order: 1, bytes: [0x90, pitch, Math.max(1, velocity)] },
  ]);
  events.sort((a, b) => a.tick - b.tick || a.order - b.order);
  const track: number[] = [];
  let before = 0;
  for (const { tick, bytes } of events) {
    track.push(...varying(tick - before), ...bytes);
    before = tick;
  }
  track.push(0, 0xff, 0x2f, 0);
  const head = [...ascii("MThd"), 0, 0, 0, 6, 0, 0, 0, 1, quarter >> 8, quarter & 255];
  return new Uint8Array([...head, ...ascii("MTrk"), ...[24, 16, 8, 0].map((s) => (track.length >> s) & 255), ...track]);
}

function varying(value: number): number[] {
  const bytes = [value & 127];
  for (let rest = value >> 7; rest; rest >>= 7) bytes.unshift((rest & 127) | 128);
  return bytes;
}

function ascii(text: string): number[] {
  return [...text].map((letter) => letter.charCodeAt(0));
}

/** Whether a file is MIDI, plain or in an .rmi wrapper, by what it holds. */
export function isMidi(data: ArrayBuffer): boolean {
  return ["MThd", "RIFF"].includes(String.fromCharCode(...new Uint8Array(data, 0, Math.min(4, data.byteLength))));
}

export function toBytes(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode(...bytes.subarray(k, k + 8192));
  return btoa(text);
}

/** The shape of a melody, as a path in a box of `width` by `height`: what the drawings call the skyline. */
export function skyline(song: Song, notes: Note[], width: number, height: number, from = 0, to = song.bars.at(-1)!): string {
  notes = notes.filter(([start, end]) => end > from && start < to);
  const pitches = notes.map((n) => n[2]), low = Math.min(...pitches, 127), high = Math.max(...pitches, 0);
  const x = (tick: number) => (((tick - from) / Math.max(to - from, 1)) * width).toFixed(1);
  let path = "";
  for (const [start, end, pitch] of notes) {
    const y = (height - 4 - ((pitch - low) / Math.max(high - low, 7)) * (height - 7)).toFixed(1);
    path += `M${x(start)} ${height}V${y}H${x(end)}V${height}z`;
  }
  return path;
}

/** "1 bar", "2 bars". */
export function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
