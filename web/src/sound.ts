/**
 * The electric piano of src/cantilena/music/render.py, in the browser: two FM modulators, a small room. Tones are made
 * once for each pitch and stroke and played as buffers: worklets are missing on plain-http addresses of a LAN.
 */

import { beatTicks, barAt, secondsAt } from "./song";
import type { Note, Song } from "./types";

const ATTACK = 0.004, RELEASE = 0.16, ROOM = 1.25, WET = 0.2, SWAY = 0.12, SWAY_HZ = 3.1;
const AHEAD = 0.35; // seconds that are scheduled in advance
const LENGTHS = [0.5, 1, 2, 4, 8, 16];

/** What is to sound: when, in seconds of the song, how long, and how. */
export interface Sounding {
  at: number;
  lasts: number;
  pitch: number;
  accent: number;
  drum: boolean;
}

/** How hard a note is struck, by its place in the bar: the first beat, the middle one, other beats, eighths, the rest. */
function accentAt(song: Song, tick: number): number {
  const bar = barAt(song, tick), beat = beatTicks(song, bar);
  const inside = tick - (song.bars[bar - 1] ?? 0), step = (inside / beat) * 4;
  const near = Math.round(step);
  if (near === 0) return 1;
  if (near % 8 === 0) return 0.94;
  if (near % 4 === 0) return 0.87;
  return near % 2 === 0 ? 0.79 : 0.66;
}

/** All that sounds: the melody in front, other tracks behind it. */
export function soundings(song: Song, melody: Note[], context: boolean): Sounding[] {
  const found: Sounding[] = [];
  const add = (notes: Note[], drum: boolean, level: number): void => {
    for (const [start, end, pitch, velocity] of notes) {
      const at = secondsAt(song, start);
      const accent = level === 1 ? accentAt(song, start) : level * (0.4 + (0.6 * velocity) / 127);
      found.push({ at, lasts: secondsAt(song, end) - at, pitch, accent, drum });
    }
  };
  add(melody, false, 1);
  if (context) {
    for (const [k, track] of song.tracks.entries()) {
      if (k !== song.melody) add(track.notes, track.drums, track.drums ? 0.35 : 0.5);
    }
  }
  return found.sort((a, b) => a.at - b.at);
}

/** Plays into any audio context: the one that is heard, or one that is only measured. */
export class Instrument {
  private readonly tones = new Map<string, AudioBuffer>();
  private readonly dry: GainNode;
  readonly out: GainNode;

  constructor(readonly context: BaseAudioContext) {
    this.dry = context.createGain();
    this.out = context.createGain();
    const limit = context.createDynamicsCompressor();
    limit.threshold.value = -6;
    limit.ratio.value = 12;
    limit.attack.value = 0.002;
    const room = context.createConvolver();
    room.normalize = false;
    room.buffer = this.room();
    const pan = context.createStereoPanner(), sway = context.createOscillator(), depth = context.createGain();
    sway.frequency.value = SWAY_HZ;
    depth.gain.value = SWAY;
    sway.connect(depth).connect(pan.pan);
    sway.start();
    this.dry.gain.value = 0.42;
    this.dry.connect(pan).connect(this.out);
    this.dry.connect(room).connect(this.out);
    this.out.connect(limit).connect(context.destination);
  }

  /** Strike a note at a time of the context; what is returned ends it at once. */
  strike(note: Sounding, at: number): AudioBufferSourceNode {
    const source = this.context.createBufferSource(), fade = this.context.createGain();
    if (note.drum) {
      source.buffer = this.drum(note.pitch);
      fade.gain.value = note.accent;
    } else {
      source.buffer = this.tone(note.pitch, Math.max(0.2, note.accent), note.lasts + RELEASE);
      fade.gain.setValueAtTime(1, at);
      fade.gain.setValueAtTime(1, at + note.lasts);
      fade.gain.setTargetAtTime(0, at + note.lasts, RELEASE / 3);
    }
    source.connect(fade).connect(this.dry);
    source.start(at);
    if (!note.drum) source.stop(at + note.lasts + RELEASE * 2);
    source.onended = () => fade.disconnect();
    return source;
  }

  /** sin(p + bark(t) sin p + tine(t) sin 7 p), p = 2 pi f t: two modulators, as render.py has them. */
  private tone(pitch: number, accent: number, seconds: number): AudioBuffer {
    const stroke = Math.round(accent * 20) / 20, lasts = LENGTHS.find((length) => length >= seconds) ?? 16;
    const key = `${pitch}/${stroke}/${lasts}`, made = this.tones.get(key);
    if (made) return made;
    const rate = this.context.sampleRate, size = Math.round(lasts * rate);
    const buffer = this.context.createBuffer(1, size, rate), tone = buffer.getChannelData(0);
    const frequency = 440 * 2 ** ((pitch - 69) / 12), octave = (pitch - 60) / 12, partials = rate / 2 / frequency;
    const bark = Math.min(1.6, 1.35 * 2 ** (-0.4 * octave) * stroke, Math.max(0, 0.25 * (partials - 2)));
    const tine = 0.3 * 2 ** (-0.25 * octave) * stroke ** 2 * Math.min(1, Math.max(0, (partials - 8) / 4));
    const level = stroke * 10 ** ((-1.4 * octave) / 20), attack = Math.round(ATTACK * rate);
    const quick = 2 * 2 ** (0.35 * octave), slow = 0.22 * 2 ** (0.5 * octave);
    const each = (rise: number) => Math.exp(-rise / rate);
    const [three, six, fast, long] = [each(3), each(6), each(quick), each(slow)];
    let [a, b, c, d] = [1, 1, 1, 1];
    for (let k = 0, cycles = 0; k < size; k++, cycles += frequency / rate) {
      const phase = 2 * Math.PI * (cycles - Math.floor(cycles));
      const bend = bark * (0.4 + 0.6 * a) * Math.sin(phase) + tine * b * Math.sin(7 * phase);
      tone[k] = Math.sin(phase + bend) * level * (0.4 * c + 0.6 * d);
      if (k < attack) tone[k]! *= Math.sin((k / attack) * (Math.PI / 2)) ** 2;
      a *= three; b *= six; c *= fast; d *= long;
    }
    this.tones.set(key, buffer);
    return buffer;
  }

  /** A drum is a burst of noise, a low one a thump. */
  private drum(pitch: number): AudioBuffer {
    const key = `drum ${pitch}`, made = this.tones.get(key);
    if (made) return made;
    const rate = this.context.sampleRate, thump = pitch < 37, bright = pitch >= 42;
    const lasts = thump ? 0.25 : bright ? 0.08 : 0.18, size = Math.round(lasts * rate);
    const buffer = this.context.createBuffer(1, size, rate), sound = buffer.getChannelData(0), noise = noises(pitch + 1);
    for (let k = 0, before = 0; k < size; k++) {
      const seconds = k / rate, burst = noise();
      const body = thump ? Math.sin(2 * Math.PI * 55 * seconds * (1 + 1.5 * Math.exp(-40 * seconds))) : burst - (bright ? before : 0);
      sound[k] = body * 0.7 * Math.exp((-5 * seconds) / lasts);
      before = burst;
    }
    this.tones.set(key, buffer);
    return buffer;
  }

  /** Noise that dies away, its highs first, after 12 ms. */
  private room(): AudioBuffer {
    const rate = this.context.sampleRate, size = Math.round(ROOM * rate);
    const buffer = this.context.createBuffer(2, size, rate);
    for (const channel of [0, 1]) {
      const echo = buffer.getChannelData(channel), noise = noises(64 + channel);
      let mellow = 0, energy = 0;
      for (let k = 0; k < size; k++) {
        const seconds = k / rate, fresh = noise();
        mellow += 0.12 * (fresh - mellow);
        const rise = Math.min(1, Math.max(0, (seconds - 0.012) / 0.03));
        echo[k] = (fresh * 0.15 * Math.exp(-14 * seconds) + 2.5 * mellow * Math.exp(-5.5 * seconds)) * rise * (1 - seconds / ROOM);
        energy += echo[k]! ** 2;
      }
      const scale = (WET * 1.4) / Math.sqrt(energy);
      for (let k = 0; k < size; k++) echo[k]! *= scale;
    }
    return buffer;
  }
}

/** Always the same noise, -1 to 1. */
function noises(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2147483648 - 1;
  };
}

/** Plays a song from anywhere, and goes on in another one without a break: that is how A and B are compared. */
export class Player {
  playing = false;
  ended: () => void = () => undefined;
  private instrument: Instrument | null = null;
  private notes: Sounding[] = [];
  private next = 0;
  private began = 0; // time of the context at second 0 of the song
  private from = 0;
  private until = 0;
  private loop: [number, number] | null = null;
  private timer = 0;
  private struck = new Set<AudioBufferSourceNode>();

  /** Where it is, in seconds of the song. */
  get seconds(): number {
    if (!this.playing || !this.instrument) return this.from;
    return Math.min(Math.max(this.instrument.context.currentTime - this.began, this.from), this.until);
  }

  async play(notes: Sounding[], from: number, until: number, loop: [number, number] | null): Promise<void> {
    this.instrument ??= new Instrument(new AudioContext({ latencyHint: "interactive" }));
    const context = this.instrument.context as AudioContext;
    this.stop();
    this.playing = true;
    await context.resume();
    if (!this.playing) return;
    this.load(notes, until, loop);
    this.seek(from);
    clearInterval(this.timer);
    this.timer = window.setInterval(() => this.schedule(), 60);
    this.schedule();
  }

  /** Go on at the same place with other notes. */
  change(notes: Sounding[], until: number, loop: [number, number] | null): void {
    if (!this.playing) return;
    const here = this.seconds;
    this.silence();
    this.load(notes, until, loop);
    this.seek(here);
    this.schedule();
  }

  seek(seconds: number): void {
    if (!this.instrument) return void (this.from = seconds);
    if (this.playing) this.silence();
    this.from = seconds;
    this.began = this.instrument.context.currentTime + 0.03 - seconds;
    this.next = this.notes.findIndex((note) => note.at >= seconds - 0.001);
    if (this.next < 0) this.next = this.notes.length;
  }

  stop(): void {
    this.from = this.seconds;
    this.playing = false;
    clearInterval(this.timer);
    this.silence();
  }

  private load(notes: Sounding[], until: number, loop: [number, number] | null): void {
    [this.notes, this.until, this.loop] = [notes, until, loop];
  }

  private schedule(): void {
    if (!this.playing || !this.instrument) return;
    const now = this.instrument.context.currentTime, end = this.loop?.[1] ?? this.until;
    for (; this.next < this.notes.length; this.next++) {
      const note = this.notes[this.next]!, at = this.began + note.at;
      if (at > now + AHEAD || note.at >= end) break;
      const source = this.instrument.strike(note, Math.max(at, now));
      this.struck.add(source);
      source.addEventListener("ended", () => this.struck.delete(source));
    }
    if (now - this.began >= end) {
      if (this.loop) return this.seek(this.loop[0]);
      this.stop();
      this.from = 0;
      this.ended();
    }
  }

  private silence(): void {
    for (const source of this.struck) {
      try {
        source.stop();
      } catch {
        // it had not begun
      }
    }
    this.struck.clear();
  }
}

/** The first seconds of what would be heard, not played: for a file, or to be measured. */
export function rendered(notes: Sounding[], seconds: number): Promise<AudioBuffer> {
  const context = new OfflineAudioContext(2, Math.round(seconds * 44_100), 44_100);
  const instrument = new Instrument(context);
  for (const note of notes) if (note.at < seconds) instrument.strike(note, note.at);
  return context.startRendering();
}

/** A sound as a WAV file of 16 bits. */
export function wavOf(sound: AudioBuffer): Blob {
  const channels = Array.from({ length: sound.numberOfChannels }, (_, k) => sound.getChannelData(k));
  const samples = new Int16Array(sound.length * channels.length);
  for (const [k, channel] of channels.entries()) {
    for (let j = 0; j < channel.length; j++) samples[j * channels.length + k] = Math.max(-1, Math.min(1, channel[j]!)) * 32767;
  }
  const head = new DataView(new ArrayBuffer(44)), frame = 2 * channels.length, bytes = samples.byteLength;
  const text = (at: number, word: string) => [...word].forEach((letter, k) => head.setUint8(at + k, letter.charCodeAt(0)));
  text(0, "RIFF"), head.setUint32(4, 36 + bytes, true), text(8, "WAVEfmt "), head.setUint32(16, 16, true);
  head.setUint16(20, 1, true), head.setUint16(22, channels.length, true), head.setUint32(24, sound.sampleRate, true);
  head.setUint32(28, sound.sampleRate * frame, true), head.setUint16(32, frame, true), head.setUint16(34, 16, true);
  text(36, "data"), head.setUint32(40, bytes, true);
  return new Blob([head, samples], { type: "audio/wav" });
}
