/** The work: where it stands in the history, what is asked for, and what has come of it. It knows no element. */

import { Api, Away, Refusal } from "./api";
import { History } from "./history";
import { barAt, barCount, changedBars, counted, isMidi, keyOf, melodyOf, midiOf, onTicks, spans, splice, toBase64 } from "./song";
import type { Entry, Heard, Made, Note, Request, Song, Source, Step } from "./types";

export interface Candidate {
  request: Request;
  state: "waiting" | "working" | "done" | "failed" | "lost";
  said: string;
  i: number;
  of: number;
  left: number;
  made: Made | null;
  /** The bars in which it differs; null where it is another song as a whole. */
  bars: number[] | null;
  taken: Set<number>;
}

export interface Job {
  verb: string;
  /** The ruler that x0_hat stands on, and the bars in which it is shown. */
  ruler: Song;
  from: number;
  to: number;
  heard: Note[];
  first: boolean;
  keeps: boolean;
  stop: AbortController;
}

export type Say = (text: string, kind?: "error" | "quiet") => void;

export class Work {
  readonly api = new Api();
  readonly history = new History();
  step: Step | null = null;
  candidates: Candidate[] = [];
  /** Which candidate is looked at; -1 is the song as it stands. */
  looked = -1;
  job: Job | null = null;
  region: [number, number] | null = null;
  opened = false;
  locks = new Set<string>();
  away = false;
  /** Milliseconds that every step is shown for; 0 is as fast as they come. */
  pace = 0;
  changed: () => void = () => undefined;
  say: Say = () => undefined;
  /** Which tune of a book is wanted, by its number; null is none. */
  choose: (book: string, tunes: Entry[]) => Promise<number | null> = async (_, tunes) => tunes[0]!.number;
  private readonly forward: string[] = [];
  private hands: Promise<unknown> = Promise.resolve();

  async open(): Promise<void> {
    await this.history.open(() => {
      this.know();
      this.changed();
    });
    this.know();
    const last = this.history.current, steps = [...this.history.steps.values()];
    const found = (last && this.history.steps.get(last)) || steps.sort((a, b) => b.time - a.time)[0];
    if (found) this.go(found.id);
  }

  get song(): Song | null {
    return this.step?.song ?? null;
  }

  get candidate(): Candidate | null {
    return this.candidates[this.looked] ?? null;
  }

  /** The song that is seen and heard, and its melody: with the bars that are taken of the candidate looked at. */
  shown(): { song: Song; melody: Note[]; was: Note[] } | null {
    const song = this.song, candidate = this.candidate;
    if (candidate?.made) {
      if (!song || candidate.bars === null) return { song: candidate.made.song, melody: melodyOf(candidate.made.song), was: [] };
      const spliced = splice(song, candidate.made.song, candidate.taken);
      return { song: candidate.made.song, melody: spliced.notes, was: spliced.gone };
    }
    return song && { song, melody: melodyOf(song), was: [] };
  }

  /** The file of what is seen, and the track of its melody: of some bars of a candidate, the song's with those. */
  async seen(): Promise<{ source: Source; track: number | null } | null> {
    const song = this.song, candidate = this.candidate;
    if (candidate?.made && (!song || candidate.bars === null || candidate.taken.size === candidate.bars.length)) {
      return { source: { name: candidate.made.name, sha256: candidate.made.sha256 }, track: candidate.made.track };
    }
    if (!song) return null;
    if (!candidate?.made || !candidate.taken.size) return { source: this.source(), track: song.melody };
    const { gone, fresh } = splice(song, candidate.made.song, candidate.taken);
    const { sha256 } = await this.api.change(this.source(), song.melody!, gone, fresh);
    return { source: { ...this.source(), sha256 }, track: song.melody };
  }

  // -- history ---------------------------------------------------------------------------------

  go(id: string): void {
    const step = this.history.steps.get(id);
    if (!step) return;
    this.stop();
    this.step = step;
    this.history.current = id;
    this.candidates = [];
    this.looked = -1;
    const bars = barCount(step.song);
    if (this.region && this.region[1] > bars) this.region = null;
    this.opened = false;
    const there = new Set(melodyOf(step.song).map(keyOf));
    for (const key of this.locks) if (!there.has(key)) this.locks.delete(key);
    this.changed();
  }

  get canUndo(): boolean {
    return this.candidates.length > 0 || Boolean(this.step?.parent && this.history.steps.has(this.step.parent));
  }

  get canRedo(): boolean {
    return this.forward.length > 0;
  }

  undo(): void {
    if (this.candidates.length) return this.drop();
    const parent = this.step?.parent;
    if (!this.step || !parent || !this.history.steps.has(parent)) return;
    this.forward.push(this.step.id);
    this.go(parent);
  }

  redo(): void {
    const next = this.forward.pop();
    if (next) this.go(next);
  }

  private async enter(made: Source & { midi: string; song: Song }, title: string, more: Partial<Step> = {}, root = false): Promise<void> {
    const step: Step = {
      id: [...crypto.getRandomValues(new Uint32Array(3))].map((n) => n.toString(36)).join(""),
      parent: root ? null : (this.step?.id ?? null), time: Date.now(), title,
      sha256: made.sha256, midi: made.midi, song: made.song, track: made.song.melody, request: null, table: "", ...more,
    };
    this.forward.length = 0;
    this.api.known.set(step.sha256, { name: step.song.name, midi: step.midi });
    try {
      await this.history.add(step);
    } catch (error) {
      this.say((error as Error).message, "error");
    }
    this.go(step.id);
  }

  private know(): void {
    for (const step of this.history.steps.values()) {
      this.api.known.set(step.sha256, { name: step.song.name, midi: step.midi });
    }
  }

  // -- files -----------------------------------------------------------------------------------

  /** A file of somebody's: a step of its own, unless it is only asked for as other music. */
  async read(file: File, beside = false): Promise<Step | null> {
    try {
      const data = await file.arrayBuffer();
      let stored = await this.api.keep(data, file.name);
      if (stored.tunes.length) {
        const number = await this.choose(file.name, stored.tunes);
        if (number === null) return null;
        stored = await this.api.keep(data, file.name, number);
      }
      const midi = toBase64(isMidi(data) ? new Uint8Array(data) : await this.api.bytes(stored)); // as the server has it
      const before = this.step?.id;
      await this.enter({ ...stored, midi }, `open ${stored.name}`, {}, true);
      const step = this.step;
      if (beside && before) this.go(before);
      else if (stored.song.why) this.say(stored.song.why, "error");
      else this.say([`${stored.name}: ${counted(stored.song.tracks.length, "track")}, ${counted(barCount(stored.song), "bar")}`, ...stored.remarks].join(". "));
      return step;
    } catch (error) {
      this.fail(error);
      return null;
    }
  }

  source(): Source {
    return { name: this.step!.song.name.slice(0, 200) || "song", sha256: this.step!.sha256 };
  }

  chooseTrack(track: number): void {
    if (!this.step) return;
    this.step = { ...this.step, song: { ...this.step.song, melody: track, why: "" }, track };
    void this.history.add(this.step);
    this.candidates = [];
    this.looked = -1;
    this.changed();
  }

  // -- requests --------------------------------------------------------------------------------

  /**
   * Have a request performed `ways` times, with seeds from its own up; several stand side by side. One that is no edit
   * (`keeps`) becomes the song at once.
   */
  async run(request: Request, ways: number, keeps: boolean, fields: { bars: "region" | "new" | "none" }): Promise<void> {
    this.stop();
    performance.mark("studio:asked");
    const stop = new AbortController(), base = this.song;
    const job: Job = { verb: request.verb, ruler: this.ruler(request, fields.bars), from: 0, to: Infinity, heard: [], first: false, keeps, stop };
    if (fields.bars === "region" && this.region && base) {
      [job.from, job.to] = [base.bars[this.region[0] - 1]!, base.bars[this.region[1]]!];
    } else if (fields.bars === "new" && base && request["song"]) job.from = request["before"] ? Infinity : base.bars.at(-1)!;
    this.job = job;
    this.looked = -1;
    this.candidates = Array.from({ length: ways }, (_, k) => ({
      request: { ...request, seed: Number(request["seed"] ?? 0) + k }, state: "waiting", said: "", i: 0, of: 1, left: 0,
      made: null, bars: null, taken: new Set<number>(),
    }));
    this.changed();
    try {
      if (request.verb === "infill") await this.keepLocks(this.candidates);
      await Promise.all(this.candidates.map((candidate, k) => this.perform(candidate, job, k === 0)));
    } catch (error) {
      this.fail(error);
      if (this.job === job) this.candidates = [];
    }
    if (this.job !== job) return;
    this.job = null;
    const first = this.candidates[0];
    if (keeps && first?.made) {
      await this.enter(first.made, first.made.title, { request: first.made.receipt.request, table: first.made.table });
    }
    this.changed();
  }

  /** Ask once more for what was lost when the server went. */
  async retry(): Promise<void> {
    const lost = this.candidates.filter((candidate) => candidate.state === "lost");
    if (!lost.length || !this.step) return;
    const job: Job = { verb: lost[0]!.request.verb, ruler: this.song!, from: 0, to: 0, heard: [], first: false, keeps: false, stop: new AbortController() };
    this.job = job;
    await Promise.all(lost.map((candidate) => this.perform(candidate, job, false)));
    if (this.job === job) this.job = null;
    this.changed();
  }

  /** End what is being composed. */
  stop(): boolean {
    const job = this.job;
    if (!job) return false;
    job.stop.abort();
    this.job = null;
    this.candidates = this.candidates.filter((candidate) => candidate.state === "done");
    if (!this.candidates[this.looked]) this.looked = -1;
    this.changed();
    return true;
  }

  private async perform(candidate: Candidate, job: Job, watched: boolean): Promise<void> {
    const queue: Heard[][] = [];
    let showing: Promise<void> | null = null;
    const showAll = async (): Promise<void> => {
      for (let heard = queue.shift(); heard && this.job === job; heard = queue.shift()) {
        job.heard = onTicks(job.ruler, heard).filter((n) => n[0] >= job.from && n[0] < job.to);
        if (!job.first) performance.mark("studio:first");
        job.first = true;
        this.changed();
        if (this.pace) await new Promise((go) => setTimeout(go, this.pace));
      }
      showing = null;
    };
    try {
      for await (const event of this.api.perform(candidate.request, job.stop.signal, watched)) {
        if (this.job !== job) return;
        if (event.event === "queued") candidate.said = `${event.ahead + 1} before it`;
        else if (event.event === "step") {
          candidate.state = "working";
          [candidate.i, candidate.of, candidate.left] = [event.i, event.of, event.seconds_left];
          if (watched && event.notes) {
            queue.push(event.notes);
            showing ??= showAll();
          } else this.changed();
        } else if (event.event === "done") {
          await showing;
          if (this.job !== job) return;
          this.came(candidate, event.result, event.parts);
        }
      }
    } catch (error) {
      if ((error as Error).name === "AbortError" || this.job !== job) return;
      candidate.state = error instanceof Away ? "lost" : "failed";
      candidate.said = (error as Error).message;
      this.fail(error);
    }
  }

  private came(candidate: Candidate, result: Made, parts: Made[]): void {
    const all = parts.length ? parts : [result];
    const found = all.map((made): Candidate => {
      this.api.known.set(made.sha256, { name: made.name, midi: made.midi });
      const within = candidate.request["song"] !== undefined && this.song;
      const bars = within ? changedBars(this.song!, made.song) : null;
      return { ...candidate, state: "done", said: "", made, request: made.receipt.request, bars, taken: new Set(bars ?? []) };
    });
    this.candidates.splice(this.candidates.indexOf(candidate), 1, ...found);
    if (this.looked < 0) this.looked = this.candidates.indexOf(found[0]!);
    if (this.job) this.job.heard = [];
    performance.mark("studio:done");
    this.away = false;
    this.changed();
  }

  /** The ruler on which x0_hat is seen: the song's, with bars behind it that will be, or that of a new tune. */
  private ruler(request: Request, bars: "region" | "new" | "none"): Song {
    const base = request["song"] || request["a"] ? this.song : null;
    const more = bars === "new" ? Number(request["bars"] ?? 32) : 0;
    const quarter = base?.quarter ?? 480;
    const song: Song = base ?? {
      name: "", quarter, bars: [0], metres: [[1, "4/4"]], tempos: [[0, Number(request["qpm"] ?? 120)]], tracks: [], melody: null, why: "",
    };
    const behind = base && request["before"] ? 0 : base ? more : Number(request["bars"] ?? 64);
    const lines = [...song.bars];
    for (let k = 0; k < behind; k++) lines.push(lines.at(-1)! + 4 * quarter);
    return { ...song, bars: lines };
  }

  /** The locked notes inside the region, as a file that the request names. */
  private async keepLocks(candidates: Candidate[]): Promise<void> {
    const song = this.song!, [first, last] = this.region!;
    const held = melodyOf(song).filter((n) => {
      const bar = barAt(song, n[0] + song.quarter / 8);
      return this.locks.has(keyOf(n)) && bar >= first && bar <= last;
    });
    if (!held.length) return;
    const bytes = midiOf(held, song.quarter);
    const { name, sha256 } = await this.api.keep(bytes as BufferSource, "locked notes.mid");
    this.api.known.set(sha256, { name, midi: toBase64(bytes) });
    for (const candidate of candidates) candidate.request["keep"] = { name, sha256 };
  }

  // -- candidates ------------------------------------------------------------------------------

  look(k: number): void {
    if (k >= 0 && !this.candidates[k]?.made) return;
    this.looked = k;
    this.changed();
  }

  take(bar: number, whether?: boolean): void {
    const taken = this.candidate?.taken;
    if (!taken) return;
    if (whether ?? !taken.has(bar)) taken.add(bar);
    else taken.delete(bar);
    this.changed();
  }

  /** Make the bars that are taken part of the song. */
  async accept(): Promise<void> {
    const before = this.step;
    await this.merge();
    if (this.step && this.step !== before) this.say(`Kept: ${this.step.title}.`);
  }

  private async merge(): Promise<void> {
    const candidate = this.candidate, song = this.song;
    if (!candidate?.made) return;
    const { made, bars, taken } = candidate, more = { request: made.receipt.request, table: made.table };
    if (!song || bars === null || taken.size === bars.length) return this.enter(made, titled(made, bars), more, !made.receipt.request["song"] && !song);
    if (!taken.size) return this.drop();
    const { gone, fresh } = splice(song, made.song, taken);
    await this.byHand(gone, fresh, `bar${taken.size === 1 ? "" : "s"} ${spans([...taken].sort((a, b) => a - b))} of ${made.title}`, more);
  }

  drop(): void {
    this.stop();
    this.candidates = [];
    this.looked = -1;
    this.opened = false;
    this.say("Dropped: the song is as it was.");
    this.changed();
  }

  // -- by hand ---------------------------------------------------------------------------------

  byHand(gone: Note[], fresh: Note[], title: string, more: Partial<Step> = {}): Promise<void> {
    const doing = this.hands.then(async () => {
      if (!this.step || this.song?.melody === null) return;
      try {
        const stored = await this.api.change(this.source(), this.song!.melody, gone, fresh);
        const blob = await this.api.file(stored, "mid", null);
        const midi = toBase64(new Uint8Array(await blob.arrayBuffer()));
        await this.enter({ ...stored, midi, song: { ...stored.song, name: this.step.song.name } }, title, more);
      } catch (error) {
        this.fail(error);
      }
    });
    this.hands = doing;
    return doing;
  }

  private fail(error: unknown): void {
    if ((error as Error).name === "AbortError") return;
    if (error instanceof Away) {
      this.away = true;
      this.say("The studio's server does not answer. What you have made is kept here; trying again …", "error");
      void this.wait();
    } else if (error instanceof Refusal) this.say(error.message, "error");
    else {
      console.error(error);
      this.say(`Something went wrong: ${(error as Error).message}`, "error");
    }
    this.changed();
  }

  private waiting = false;

  private async wait(): Promise<void> {
    if (this.waiting) return;
    this.waiting = true;
    while (!(await this.api.alive())) await new Promise((go) => setTimeout(go, 700));
    this.waiting = this.away = false;
    this.say("The server is back.");
    this.changed();
    await this.retry();
  }
}

function titled(made: Made, bars: number[] | null): string {
  const { verb, seed } = made.receipt.request;
  return bars?.length ? `${verb} ${spans(bars)}, seed ${seed}` : made.title;
}
