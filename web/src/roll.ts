/** The piano roll: drawn as Cantilena's own pages are, and drawn upon. Wheel and touch scroll it and zoom it. */

import { colour, inks, pitchName, type Inks } from "./ink";
import { barAt, barCount, beatTicks, keyOf } from "./song";
import type { Note, Song } from "./types";

const LEFT = 42, TOP = 24, SKY = 46, GAP = 14, RIGHT = 16;
const BLACK = new Set([1, 3, 6, 8, 10]);
const NOTHING: Note[] = [];

/** What is shown. */
export interface Shown {
  song: Song;
  melody: Note[];
  /** What stood where something else is shown: hollow. */
  was: Note[];
  /** What x0_hat means just now. */
  heard: Note[];
  region: [first: number, last: number] | null;
  /** Whether the region's notes are given up. */
  open: boolean;
  cursor: number;
  locks: Set<string>;
  chosen: string | null;
  /** Where it plays, in ticks. */
  head: number;
  drawing: boolean;
}

/** What people do on it. */
export interface Doing {
  region(first: number, last: number): void;
  seek(tick: number): void;
  note(note: Note): void;
  draw(note: Note): void;
  move(from: Note, to: Note): void;
}

type Drag =
  | { kind: "bars"; from: number }
  | { kind: "pan"; x: number; left: number; moved: boolean }
  | { kind: "sky" }
  | { kind: "note"; note: Note; shown: Note; edge: boolean; x: number; y: number }
  | { kind: "new"; shown: Note };

export class Roll {
  shown: Shown | null = null;
  private readonly paper: CanvasRenderingContext2D;
  private scale = 0; // pixels a quarter
  private left = 0; // the quarter at the left edge
  private low = 55;
  private high = 79;
  private drag: Drag | null = null;
  private fingers = new Map<number, PointerEvent>();
  private pinch: { distance: number; scale: number } | null = null;
  private sky: { key: unknown; image: HTMLCanvasElement } | null = null;
  private asked = 0;
  /** Times of drawing, for who measures. */
  frames = 0;

  constructor(readonly canvas: HTMLCanvasElement, private readonly doing: Doing) {
    this.paper = canvas.getContext("2d", { alpha: false })!;
    new ResizeObserver(() => this.fit()).observe(canvas);
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    canvas.addEventListener("pointerup", (event) => this.up(event));
    canvas.addEventListener("pointercancel", (event) => this.up(event));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  show(shown: Shown): void {
    const fresh = this.shown?.song !== shown.song;
    const first = this.shown === null;
    this.shown = shown;
    if (fresh) this.range();
    if (first) this.fit();
    this.paint();
  }

  /** Draw soon: at most once a frame. */
  paint(): void {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.frames++;
      this.drawAll();
    });
  }

  /** Bring a bar into sight. */
  reveal(bar: number, last = bar): void {
    const song = this.shown?.song;
    if (!song) return;
    const start = (song.bars[bar - 1] ?? 0) / song.quarter, end = (song.bars[last] ?? song.bars.at(-1)!) / song.quarter;
    if (end > this.left + this.wide) this.left = end - this.wide;
    if (start < this.left) this.left = start;
    this.clamp();
    this.paint();
  }

  /** Keep the play-head in sight, a page at a time. */
  follow(tick: number): void {
    const song = this.shown?.song;
    if (!song || this.drag) return;
    const at = tick / song.quarter;
    if (at < this.left || at > this.left + this.wide * 0.92) {
      this.left = at - this.wide * 0.08;
      this.clamp();
    }
  }

  zoom(by: number, at = 0.5): void {
    const quarter = this.left + this.wide * at;
    this.scale = Math.min(200, Math.max(this.least, this.scale * by));
    this.left = quarter - this.wide * at;
    this.clamp();
    this.paint();
  }

  scrollBy(quarters: number): void {
    this.left += quarters;
    this.clamp();
    this.paint();
  }

  private get width(): number {
    return this.canvas.clientWidth;
  }

  private get height(): number {
    return this.canvas.clientHeight;
  }

  private get wide(): number {
    return Math.max(1, (this.width - LEFT - RIGHT) / this.scale);
  }

  private get quarters(): number {
    return this.shown ? this.shown.song.bars.at(-1)! / this.shown.song.quarter : 64;
  }

  private get least(): number {
    return Math.max(0.5, Math.min(12, (this.width - LEFT - RIGHT) / this.quarters));
  }

  private get laneTop(): number {
    return SKY + GAP + TOP;
  }

  private get lane(): number {
    return (this.height - this.laneTop - 10) / (this.high - this.low + 1);
  }

  private fit(): void {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.sky = null;
    if (!this.scale && this.width) this.scale = (this.width - LEFT - RIGHT) / (this.width < 600 ? 12 : 32);
    this.clamp();
    this.drawAll();
  }

  private clamp(): void {
    this.left = Math.max(0, Math.min(this.left, this.quarters - this.wide));
  }

  /** Lanes for the melody and three semitones more on either side; two octaves at least. */
  private range(): void {
    const notes = this.shown!.melody;
    const pitches = notes.length ? notes.map((n) => n[2]) : [60, 76];
    let low = Math.min(...pitches) - 3, high = Math.max(...pitches) + 3;
    const missing = Math.max(0, 24 - (high - low + 1));
    low -= missing >> 1;
    high += (missing + 1) >> 1;
    this.low = Math.max(0, low);
    this.high = Math.min(127, high);
  }

  // -- where things are ------------------------------------------------------------------------

  private x(tick: number): number {
    return LEFT + (tick / this.shown!.song.quarter - this.left) * this.scale;
  }

  private y(pitch: number): number {
    return this.laneTop + (this.high - pitch) * this.lane;
  }

  private tickAt(x: number): number {
    return Math.max(0, (this.left + (x - LEFT) / this.scale) * this.shown!.song.quarter);
  }

  private pitchAt(y: number): number {
    return Math.min(this.high, Math.max(this.low, this.high - Math.floor((y - this.laneTop) / this.lane)));
  }

  private barAtX(x: number): number {
    const song = this.shown!.song;
    return Math.min(barCount(song), Math.max(1, barAt(song, this.tickAt(x))));
  }

  private noteAt(x: number, y: number): Note | null {
    if (y < this.laneTop) return null;
    const tick = this.tickAt(x), pitch = this.pitchAt(y), slack = (3 / this.scale) * this.shown!.song.quarter;
    const near = this.shown!.melody.filter((n) => n[2] === pitch && n[0] - slack <= tick && tick < n[1] + slack);
    return near.at(-1) ?? null;
  }

  // -- drawing ---------------------------------------------------------------------------------

  /** What is shown, or bare paper: a canvas that nobody drew on is black. */
  private drawAll(): void {
    if (this.shown) return this.draw(this.shown);
    this.paper.fillStyle = inks().paper;
    this.paper.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  private draw(shown: Shown): void {
    const ratio = devicePixelRatio || 1, ctx = this.paper, ink = inks();
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = ink.paper;
    ctx.fillRect(0, 0, this.width, this.height);
    this.drawSky(shown, ink);
    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT - 1, 0, this.width - LEFT - RIGHT + 8, this.height);
    ctx.clip();
    this.drawLanes(shown, ink);
    this.drawNotes(shown, ink);
    ctx.restore();
    this.drawKeys(ink);
  }

  /** The whole melody as a skyline, and what part of it is seen. */
  private drawSky(shown: Shown, ink: Inks): void {
    const { song, melody } = shown, ctx = this.paper, width = this.width - LEFT - RIGHT;
    if (!this.sky || this.sky.key !== melody) this.sky = { key: melody, image: this.skyline(shown, width) };
    const x = (tick: number) => LEFT + (tick / song.bars.at(-1)!) * width;
    if (shown.region) {
      const [from, to] = [x(song.bars[shown.region[0] - 1] ?? 0), x(song.bars[shown.region[1]] ?? song.bars.at(-1)!)];
      ctx.fillStyle = ink.wash;
      ctx.fillRect(from, 6, Math.max(2, to - from), SKY - 6);
    }
    ctx.fillStyle = ink.sky;
    ctx.globalCompositeOperation = "source-over";
    ctx.drawImage(this.sky.image, LEFT, 0, width, SKY);
    ctx.strokeStyle = ink.bar;
    line(ctx, LEFT, SKY + 0.5, LEFT + width, SKY + 0.5);
    const from = LEFT + (this.left / this.quarters) * width, seen = Math.min(1, this.wide / this.quarters) * width;
    ctx.strokeStyle = ink.edge;
    ctx.lineWidth = 1;
    ctx.strokeRect(from + 0.5, 4.5, Math.max(6, seen - 1), SKY - 4);
    const head = x(shown.head);
    ctx.fillStyle = ink.head;
    ctx.fillRect(head - 0.5, 5, 1.5, SKY - 5);
  }

  private skyline(shown: Shown, width: number): HTMLCanvasElement {
    const image = document.createElement("canvas"), ratio = devicePixelRatio || 1, { song, melody } = shown;
    image.width = Math.max(1, Math.round(width * ratio));
    image.height = Math.round(SKY * ratio);
    const ctx = image.getContext("2d")!;
    ctx.scale(ratio, ratio);
    ctx.fillStyle = inks().sky;
    const scale = (SKY - 16) / Math.max(12, this.high - this.low), end = song.bars.at(-1)!;
    for (const [start, stop, pitch] of melody) {
      const top = Math.min(SKY - 2, Math.max(6, SKY - 4 - (pitch - this.low) * scale));
      ctx.fillRect((start / end) * width, top, Math.max(0.7, ((stop - start) / end) * width), SKY - top);
    }
    return image;
  }

  private drawLanes(shown: Shown, ink: Inks): void {
    const { song } = shown, ctx = this.paper, top = this.laneTop, bottom = this.y(this.low) + this.lane;
    const last = barCount(song), first = this.barAtX(LEFT), right = Math.min(this.width - RIGHT, this.x(song.bars.at(-1)!));
    if (shown.region) {
      const from = this.x(song.bars[shown.region[0] - 1] ?? 0), to = this.x(song.bars[shown.region[1]] ?? song.bars.at(-1)!);
      ctx.fillStyle = ink.wash;
      ctx.fillRect(from, SKY + GAP, to - from, bottom - SKY - GAP);
    }
    ctx.fillStyle = ink.black;
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (BLACK.has(pitch % 12)) ctx.fillRect(LEFT, this.y(pitch), right - LEFT, this.lane);
    }
    ctx.lineWidth = 1;
    ctx.strokeStyle = ink.octave;
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (pitch % 12 === 0) line(ctx, LEFT, Math.round(this.y(pitch) + this.lane) + 0.5, right, Math.round(this.y(pitch) + this.lane) + 0.5);
    }
    ctx.textAlign = "left";
    ctx.textBaseline = "alphabetic";
    const barWidth = this.x(song.bars[1] ?? song.quarter * 4) - this.x(0);
    const every = [1, 2, 4, 8, 16, 32, 64, 128].find((n) => n * barWidth > 26) ?? 256;
    for (let bar = first; bar <= last + 1; bar++) {
      const tick = song.bars[bar - 1]!, x = Math.round(this.x(tick)) + 0.5;
      if (x > this.width) break;
      if (barWidth > 40 && bar <= last) {
        ctx.strokeStyle = ink.beat;
        const beat = beatTicks(song, bar);
        for (let at = tick + beat; at < song.bars[bar]! - 1; at += beat) line(ctx, Math.round(this.x(at)) + 0.5, top, Math.round(this.x(at)) + 0.5, bottom);
      }
      if ((bar - 1) % every === 0 || bar === last + 1) {
        ctx.strokeStyle = bar === 1 || bar === last + 1 ? ink.edge : ink.bar;
        line(ctx, x, top, x, bottom);
      }
      if (bar <= last && (bar - 1) % every === 0 && x < this.width - RIGHT - 10) {
        const told = shown.region && bar >= shown.region[0] && bar <= shown.region[1];
        ctx.fillStyle = told || bar === shown.cursor ? ink.text : ink.mute;
        ctx.font = `${told ? "600 " : ""}11.5px ${SANS}`;
        ctx.fillText(`${bar}`, x + 3, top - 8);
      }
    }
    if (right < this.width - RIGHT) {
      ctx.fillStyle = ink.edge;
      ctx.fillRect(right + 3, top, 2.6, bottom - top); // the double bar that ends a piece
    }
    const here = song.bars[shown.cursor - 1];
    if (here !== undefined) {
      ctx.fillStyle = ink.cursor;
      ctx.fillRect(this.x(here), top - 4, Math.max(4, this.x(song.bars[shown.cursor] ?? here) - this.x(here)), 2);
    }
  }

  private drawNotes(shown: Shown, ink: Inks): void {
    const ctx = this.paper, { song, melody } = shown, [low, high] = extremes(melody);
    const thick = Math.max(4, Math.min(15, this.lane * 0.82)), from = this.tickAt(LEFT), to = this.tickAt(this.width);
    const box = (n: Note): [number, number, number, number] => [
      this.x(n[0]), this.y(n[2]) + (this.lane - thick) / 2, Math.max(2, this.x(n[1]) - this.x(n[0]) - 1), thick,
    ];
    ctx.fillStyle = ink.ghost;
    for (const [k, track] of song.tracks.entries()) {
      if (k === song.melody || track.drums) continue;
      for (const n of within(track.notes, from, to)) {
        if (n[2] >= this.low && n[2] <= this.high) round(ctx, ...box(n), 2);
      }
    }
    ctx.strokeStyle = ink.sky;
    ctx.lineWidth = 1;
    for (const n of within(shown.was, from, to)) {
      const [x, y, w, h] = box(n);
      ctx.beginPath();
      ctx.roundRect(x + 0.5, y + 0.5, Math.max(1, w - 1), h - 1, 2);
      ctx.stroke();
    }
    const dragged = this.drag?.kind === "note" ? this.drag.note : null;
    const [first, last] = shown.open && shown.region ? [song.bars[shown.region[0] - 1]!, song.bars[shown.region[1]]!] : [0, 0];
    for (const n of within(melody, from, to)) {
      if (n === dragged) continue;
      const locked = shown.locks.has(keyOf(n));
      if (n[0] >= first && n[0] < last && !locked) {
        const [x, y, w, h] = box(n);
        ctx.strokeStyle = ink.sky;
        ctx.beginPath();
        ctx.roundRect(x + 0.5, y + 0.5, Math.max(1, w - 1), h - 1, 2);
        ctx.stroke();
        continue;
      }
      ctx.fillStyle = colour(n[2], low, high);
      round(ctx, ...box(n), 2.5);
      if (locked || shown.chosen === keyOf(n)) {
        const [x, y, w, h] = box(n);
        ctx.strokeStyle = ink.text;
        ctx.lineWidth = locked ? 2 : 1.2;
        ctx.beginPath();
        ctx.roundRect(x - 1.5, y - 1.5, w + 3, h + 3, 4);
        ctx.stroke();
        if (locked) padlock(ctx, x + Math.min(w / 2, 9), y - 7, ink.text);
      }
    }
    ctx.globalAlpha = 0.62;
    for (const n of within(shown.heard, from, to)) {
      ctx.fillStyle = colour(n[2], low, high);
      round(ctx, ...box(n), 2.5);
    }
    ctx.globalAlpha = 1;
    if (this.drag?.kind === "note" || this.drag?.kind === "new") {
      ctx.fillStyle = colour(this.drag.shown[2], low, high);
      round(ctx, ...box(this.drag.shown), 2.5);
    }
    const x = this.x(shown.head);
    ctx.fillStyle = ink.head;
    ctx.fillRect(x - 0.75, this.laneTop - 5, 1.5, this.height - this.laneTop);
    ctx.beginPath();
    ctx.moveTo(x - 5, this.laneTop - 10);
    ctx.lineTo(x + 5, this.laneTop - 10);
    ctx.lineTo(x, this.laneTop - 3);
    ctx.fill();
  }

  private drawKeys(ink: Inks): void {
    const ctx = this.paper;
    ctx.fillStyle = ink.paper;
    ctx.fillRect(0, SKY + 2, LEFT - 1, this.height);
    ctx.fillStyle = ink.mute;
    ctx.font = `11.5px ${SANS}`;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    for (let pitch = this.low; pitch <= this.high; pitch++) {
      if (pitch % 12 === 0) ctx.fillText(pitchName(pitch), LEFT - 8, this.y(pitch) + this.lane / 2);
    }
  }

  // -- hands -----------------------------------------------------------------------------------

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.ctrlKey || event.metaKey) {
      this.zoom(Math.exp(-event.deltaY * unit * 0.003), (event.offsetX - LEFT) / (this.width - LEFT - RIGHT));
    } else {
      this.scrollBy(((Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY) * unit) / this.scale);
    }
  }

  private down(event: PointerEvent): void {
    if (!this.shown || event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, event);
    if (this.fingers.size === 2) {
      const [a, b] = [...this.fingers.values()];
      this.pinch = { distance: Math.abs(a!.offsetX - b!.offsetX) || 1, scale: this.scale };
      this.drag = null;
      return;
    }
    const { offsetX: x, offsetY: y } = event;
    if (y <= SKY + 4) {
      this.drag = { kind: "sky" };
      return this.skyTo(x);
    }
    const note = this.noteAt(x, y);
    if (y < this.laneTop) this.drag = { kind: "bars", from: this.barAtX(x) };
    else if (note && this.shown.drawing) {
      this.drag = { kind: "note", note, shown: note, edge: x > this.x(note[1]) - 7, x, y };
    } else if (note) this.drag = { kind: "note", note, shown: note, edge: false, x, y: NaN };
    else if (this.shown.drawing) this.drag = { kind: "new", shown: this.blank(x, y) };
    else if (event.pointerType === "touch") this.drag = { kind: "pan", x, left: this.left, moved: false };
    else this.drag = { kind: "bars", from: this.barAtX(x) };
    if (this.drag.kind === "bars") this.doing.region(this.drag.from, this.drag.from);
    this.paint();
  }

  private move(event: PointerEvent): void {
    if (!this.shown) return;
    const { offsetX: x, offsetY: y } = event;
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, event);
    if (this.pinch && this.fingers.size === 2) {
      const [a, b] = [...this.fingers.values()];
      const distance = Math.abs(a!.offsetX - b!.offsetX) || 1;
      return this.zoom((this.pinch.scale * distance) / this.pinch.distance / this.scale);
    }
    const drag = this.drag;
    if (!drag) {
      const note = this.noteAt(x, y), edge = note && this.shown.drawing && x > this.x(note[1]) - 7;
      this.canvas.style.cursor = edge ? "ew-resize" : note ? "pointer" : this.shown.drawing && y > this.laneTop ? "crosshair" : y < SKY ? "grab" : "text";
      return;
    }
    if (drag.kind === "sky") this.skyTo(x);
    else if (drag.kind === "bars") {
      const bar = this.barAtX(x);
      this.doing.region(Math.min(drag.from, bar), Math.max(drag.from, bar));
      if (x < LEFT + 8) this.scrollBy(-0.5);
      if (x > this.width - RIGHT - 8) this.scrollBy(0.5);
    } else if (drag.kind === "pan") {
      drag.moved ||= Math.abs(x - drag.x) > 6;
      this.left = drag.left - (x - drag.x) / this.scale;
      this.clamp();
      this.paint();
    } else if (drag.kind === "new") {
      const step = this.shown.song.quarter / 4, [start, , pitch, velocity] = drag.shown;
      drag.shown = [start, Math.max(start + step, Math.ceil(this.tickAt(x) / step) * step), pitch, velocity];
      this.paint();
    } else if (!Number.isNaN(drag.y)) {
      const step = this.shown.song.quarter / 4, by = Math.round((this.tickAt(x) - this.tickAt(drag.x)) / step) * step;
      const [start, end, pitch, velocity] = drag.note;
      if (drag.edge) drag.shown = [start, Math.max(start + step, end + by), pitch, velocity];
      else {
        const at = Math.max(0, start + by);
        drag.shown = [at, at + end - start, pitch + this.pitchAt(y) - this.pitchAt(drag.y), velocity];
      }
      this.paint();
    }
  }

  private up(event: PointerEvent): void {
    this.fingers.delete(event.pointerId);
    if (this.pinch) {
      if (!this.fingers.size) this.pinch = null;
      return;
    }
    const drag = this.drag;
    this.drag = null;
    if (!drag || !this.shown || event.type === "pointercancel") return this.paint();
    if (drag.kind === "new") this.doing.draw(drag.shown);
    else if (drag.kind === "note") {
      if (drag.shown.join() === drag.note.join()) this.doing.note(drag.note);
      else this.doing.move(drag.note, drag.shown);
    } else if (drag.kind === "pan" && !drag.moved) {
      const bar = this.barAtX(drag.x);
      this.doing.region(bar, bar);
    } else if (drag.kind === "bars" && event.offsetY > SKY) {
      const bar = this.barAtX(event.offsetX);
      if (bar === drag.from) this.doing.seek(this.shown.song.bars[bar - 1]!);
    }
    this.paint();
  }

  private skyTo(x: number): void {
    const share = (x - LEFT) / (this.width - LEFT - RIGHT);
    this.left = share * this.quarters - this.wide / 2;
    this.clamp();
    this.paint();
  }

  /** An eighth where the hand is. */
  private blank(x: number, y: number): Note {
    const step = this.shown!.song.quarter / 4, start = Math.floor(this.tickAt(x) / step) * step;
    return [start, start + 2 * step, this.pitchAt(y), 84];
  }
}

const SANS = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif";

/** The notes that sound between two ticks; notes are sorted by start. */
function within(notes: Note[], from: number, to: number): Note[] {
  if (!notes.length) return NOTHING;
  let low = 0, high = notes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (notes[middle]![0] < to) low = middle + 1;
    else high = middle;
  }
  const found: Note[] = [];
  for (let k = low - 1, long = 0; k >= 0 && long < 64; k--) {
    if (notes[k]![1] >= from) {
      found.push(notes[k]!);
      long = 0;
    } else long++;
  }
  return found;
}

function extremes(notes: Note[]): [number, number] {
  let low = 127, high = 0;
  for (const note of notes) {
    low = Math.min(low, note[2]);
    high = Math.max(high, note[2]);
  }
  return [low, high];
}

function line(ctx: CanvasRenderingContext2D, x: number, y: number, to: number, down: number): void {
  ctx.beginPath();
  ctx.moveTo(x, y);
  ctx.lineTo(to, down);
  ctx.stroke();
}

function round(ctx: CanvasRenderingContext2D, x: number, y: number, w: number, h: number, r: number): void {
  ctx.beginPath();
  ctx.roundRect(x, y, w, h, r);
  ctx.fill();
}

function padlock(ctx: CanvasRenderingContext2D, x: number, y: number, ink: string): void {
  ctx.fillStyle = ctx.strokeStyle = ink;
  ctx.fillRect(x - 3.5, y - 1, 7, 5);
  ctx.lineWidth = 1.3;
  ctx.beginPath();
  ctx.arc(x, y - 1, 2.2, Math.PI, 0);
  ctx.stroke();
}
