/** The page: what is on it, and what hands and keys do. */

import { SONGS, type Kind } from "./api";
import { chosenTune } from "./book";
import { h, svg } from "./dom";
import { Form, type Schema, type Schemas } from "./form";
import { pitchName } from "./ink";
import { Roll } from "./roll";
import { Score, type Written } from "./score";
import { barAt, barCount, counted, keyOf, melodyOf, secondsAt, skyline, spans, tickAt } from "./song";
import { Player, rendered, soundings, wavOf } from "./sound";
import type { Note, Request, Song } from "./types";
import { Work, type Candidate } from "./work";

const DOES: Record<string, string> = { compose: "New tune", infill: "Fill", extend: "Extend", vary: "Vary", morph: "Morph" };
const ORDER = ["infill", "vary", "extend", "compose", "morph"];
const LONGEST = 600; // seconds of all tracks that the page renders
const WAYS: Record<string, number> = { infill: 3, extend: 2 };

export class Page {
  readonly work = new Work();
  readonly player = new Player();
  roll!: Roll;
  readonly score = new Score((first, last) => this.select(first, last), (bar) => this.walk(bar, false));
  private forms = new Map<string, { form: Form; schema: Schema; panel: HTMLElement; tab: HTMLButtonElement }>();
  private verb = "infill";
  private cursor = 1;
  private anchor = 1;
  private chosen: string | null = null;
  private drawing = false;
  private context = true;
  private loops = false;
  private heard: unknown = null;
  private live = 0;
  private treeKey = "";
  private picked: HTMLSelectElement | null = null;

  private readonly canvas = h("canvas.roll", { tabIndex: 0, role: "application", "aria-roledescription": "piano roll", "aria-label": "Piano roll" });
  private readonly name = h("h1.name", {}, "Cantilena");
  private readonly meta = h("p.meta");
  private readonly clock = h("span.clock", { "aria-hidden": "true" });
  private readonly status = h("p.status", { role: "status", "aria-live": "polite" });
  private readonly alert = h("div.alert", { role: "alert", hidden: true });
  private readonly live_ = h("div.unseen", { "aria-live": "polite" });
  private readonly tray = h("section.tray", { "aria-label": "Candidates", hidden: true });
  private readonly tabs = h("div.tabs", { role: "tablist", "aria-label": "What to do" });
  private readonly panels = h("div.panels");
  private readonly tree = h("ol.tree");
  private readonly seed = h("input", { id: "seed", type: "number", min: "0", step: "1", value: "1" });
  private readonly ways = h("input", { id: "ways", type: "number", min: "1", max: "4", step: "1", value: "3" });
  private readonly pace = h("input", { id: "pace", type: "range", min: "0", max: "400", step: "20", value: "0" });
  private readonly go = h("button.go", { type: "button" });
  private readonly cancel = h("button", { type: "button", hidden: true }, "Cancel");
  private readonly where = h("p.where");
  private readonly track = h("select", { id: "track" });
  private readonly play = h("button.play", { type: "button", title: "Play (space)" });
  private readonly undo = h("button.icon", { type: "button", title: "Undo (Ctrl+Z)", "aria-label": "Undo" }, "↶");
  private readonly redo = h("button.icon", { type: "button", title: "Redo (Ctrl+Shift+Z)", "aria-label": "Redo" }, "↷");
  private readonly chooser = h("input", { type: "file", accept: ".mid,.midi,.kar,.rmi,.musicxml,.xml,.mxl,.abc,audio/midi", hidden: true, "aria-label": "A file" });
  private readonly help = h("dialog.help", { "aria-label": "Keys" });
  private readonly midi = h("a.button", { href: "#", draggable: true, title: "Click to download, or drag it into your DAW" }, "MIDI");

  async start(root: HTMLElement): Promise<void> {
    this.build(root);
    this.work.changed = () => this.soon();
    this.work.say = (text, kind) => this.say(text, kind);
    this.work.choose = chosenTune;
    this.roll = new Roll(this.canvas, {
      region: (first, last) => this.select(first, last),
      seek: (tick) => this.seek(tick),
      note: (note) => this.touch(note),
      draw: (note) => this.handed([], [note], `draw ${pitchName(note[2])}`),
      move: (from, to) => this.handed([from], [to], `move ${pitchName(from[2])}`),
    });
    this.player.ended = () => this.show();
    const described = await this.described();
    await this.work.open();
    this.makeForms(described);
    this.show();
    if (!this.work.step) await this.firstTune();
    requestAnimationFrame(() => this.tick());
  }

  /** The sound of the first seconds, for who measures. */
  async sound(seconds: number): Promise<Float32Array> {
    const shown = this.work.shown()!;
    return (await rendered(soundings(shown.song, shown.melody, this.context), seconds)).getChannelData(0);
  }

  private async described(): Promise<any> {
    for (;;) {
      try {
        return await this.work.api.schema();
      } catch (error) {
        this.say((error as Error).message, "error");
        await new Promise((go) => setTimeout(go, 1000));
      }
    }
  }

  private async firstTune(): Promise<void> {
    this.say("Composing a tune to begin with …");
    await this.work.run({ verb: "compose", seed: 39, bars: 32 }, 1, true, { bars: "none" });
    this.say("A tune to begin with. Drag over bars to open a region, then fill it; press ? for all keys.");
  }

  // -- what is there ---------------------------------------------------------------------------

  private build(root: HTMLElement): void {
    const button = (text: string, title: string, onclick: () => void, more: Record<string, unknown> = {}) =>
      h("button", { type: "button", title, onclick, ...more }, text);
    const context = button("All tracks", "Hear the other tracks too", () => {
      this.context = !this.context;
      context.setAttribute("aria-pressed", String(this.context));
      this.rehear();
    }, { "aria-pressed": "true" });
    const loop = button("Loop", "Repeat the region, or all of it", () => {
      this.loops = !this.loops;
      loop.setAttribute("aria-pressed", String(this.loops));
      this.heard = null;
      this.rehear();
    }, { "aria-pressed": "false" });
    const draw = button("Draw", "Draw, move and delete notes (D)", () => this.setDrawing(!this.drawing), { id: "draw", "aria-pressed": "false" });
    const score = button("Score", "The melody as notes on staves (S)", () => this.setScore(!this.canvas.hidden), { id: "score", "aria-pressed": "false" });
    this.play.onclick = () => void this.toggle();
    this.undo.onclick = () => this.work.undo();
    this.redo.onclick = () => this.work.redo();
    this.go.onclick = () => void this.ask();
    this.cancel.onclick = () => this.work.stop();
    this.pace.oninput = () => (this.work.pace = Number(this.pace.value));
    this.track.onchange = () => this.work.chooseTrack(Number(this.track.value));
    this.chooser.onchange = () => void this.opened();
    this.midi.onclick = (event) => {
      event.preventDefault();
      void this.download("mid");
    };
    this.midi.ondragstart = (event) => {
      const step = this.work.step!, name = `${this.filed()}.mid`;
      event.dataTransfer!.setData("DownloadURL", `audio/midi:${name}:data:audio/midi;base64,${step.midi}`);
      event.dataTransfer!.effectAllowed = "copy";
    };
    root.append(
      h(
        "header.top", {},
        h("div.title", {}, this.name, this.meta),
        h(
          "div.files", { role: "group", "aria-label": "Files" },
          button("Open …", "A MIDI, MusicXML or ABC file; or drop it anywhere on the page", () => {
            this.picked = null;
            this.chooser.click();
          }),
          h("span.by", {}, "Save"), this.midi,
          button("WAV", "Download the sound: of all tracks, if they are heard", () => void this.download("wav")),
          button("MusicXML", "Download the melody as notation", () => void this.download("musicxml")),
          button("PDF", "Download the melody as a typeset score", () => void this.download("pdf")),
          button("SVG", "Download the melody as a picture", () => void this.download("svg")),
          button("◐", "Light or dark", () => this.theme(), { className: "icon", "aria-label": "Light or dark" }),
          button("?", "All keys", () => this.help.showModal(), { className: "icon", "aria-label": "Keys" }),
        ),
      ),
      h(
        "main", {},
        h(
          "div.stage", {},
          h(
            "div.bar", {},
            h("div.transport", { role: "toolbar", "aria-label": "Transport" }, this.play, this.clock, loop, context),
            h(
              "div.tools", { role: "toolbar", "aria-label": "Tools" }, this.undo, this.redo, draw, score,
              button("−", "Show more bars (−)", () => this.roll.zoom(0.8), { className: "icon zoom", "aria-label": "Zoom out" }),
              button("+", "Show fewer bars (+)", () => this.roll.zoom(1.25), { className: "icon zoom", "aria-label": "Zoom in" }),
            ),
          ),
          this.canvas, this.score.element, h("div.under", {}, this.status, h("div.field.inline", {}, h("label", { htmlFor: "track" }, "Melody"), this.track)), this.alert, this.tray),
        h(
          "div.side", {},
          h(
            "section.verbs", { "aria-label": "Compose" }, this.tabs, this.where, this.panels,
            h(
              "div.asking", {},
              h("div.field", {}, h("label", { htmlFor: "seed" }, "Seed"), this.seed,
                button("⚂", "Another seed", () => (this.seed.value = String(Math.floor(Math.random() * 1e6))), { className: "icon", "aria-label": "Another seed" })),
              h("div.field", { id: "ways-field" }, h("label", { htmlFor: "ways" }, "Candidates"), this.ways),
              h("div.field", {}, h("label", { htmlFor: "pace" }, "Watch slowly"), this.pace),
            ),
            h("div.doing", {}, this.go, this.cancel),
          ),
          h("section.history", { "aria-label": "History" }, h("h2", {}, "History"), this.tree,
            button("Forget all but this", "Delete the other steps from this browser", () => void this.forget(), { className: "quiet" })),
        ),
      ),
      this.live_, this.chooser, this.help,
    );
    this.help.append(
      h("h2", {}, "Keys"),
      h("dl", {}, ...KEYS.flatMap(([keys, does]) => [h("dt", {}, ...keys.split(" ").map((key) => h("kbd", {}, key))), h("dd", {}, does)])),
      h("button", { type: "button", onclick: () => this.help.close() }, "Close"),
    );
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("click", (event) => {
      // after a click the space bar plays again, and does not press the same button
      const at = event.target as HTMLElement;
      if (event.detail > 0 && at.closest("button, a.button") && !at.closest("dialog, [role=tablist]")) (this.canvas.hidden ? this.score.element : this.canvas).focus({ preventScroll: true });
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      const file = event.dataTransfer?.files[0];
      if (file) void this.work.read(file);
    });
    const theme = localStorage.getItem("theme");
    if (theme) document.documentElement.dataset["theme"] = theme;
  }

  /** A tab for every verb that the server has, whatever it is. */
  private makeForms(described: any): void {
    const schemas = described.components.schemas as Schemas;
    const verbs = Object.values(schemas).filter((schema) => schema.properties?.["verb"]?.enum && schema.properties["seed"]);
    const named = new Map(verbs.map((schema) => [schema.properties!["verb"]!.enum![0]!, schema]));
    const order = [...ORDER.filter((verb) => named.has(verb)), ...[...named.keys()].filter((verb) => !ORDER.includes(verb))];
    for (const verb of order) {
      const schema = named.get(verb)!;
      const form = new Form(verb, schemas, schema, (live) => live && this.again(verb), (select) => {
        this.picked = select;
        this.chooser.click();
      });
      const tab = h("button", {
        type: "button", role: "tab", id: `tab-${verb}`, "aria-controls": `panel-${verb}`, title: schema.description,
        onclick: () => this.choose(verb),
        onkeydown: (event: KeyboardEvent) => {
          const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
          if (!by) return;
          event.preventDefault();
          event.stopPropagation();
          const next = order[(order.indexOf(verb) + by + order.length) % order.length]!;
          this.choose(next);
          this.forms.get(next)!.tab.focus();
        },
      }, DOES[verb] ?? `${verb[0]!.toUpperCase()}${verb.slice(1)}`);
      const panel = h("div", { role: "tabpanel", id: `panel-${verb}`, "aria-labelledby": `tab-${verb}` }, h("p.help", {}, schema.description ?? ""), form.element);
      this.tabs.append(tab);
      this.panels.append(panel);
      this.forms.set(verb, { form, schema, panel, tab });
    }
    this.choose(order[0]!);
  }

  private choose(verb: string): void {
    this.verb = verb;
    for (const [own, { panel, tab }] of this.forms) {
      tab.setAttribute("aria-selected", String(own === verb));
      tab.tabIndex = own === verb ? 0 : -1;
      panel.hidden = own !== verb;
    }
    this.ways.value = String(WAYS[verb] ?? 1);
    this.show();
  }

  private waiting = 0;

  /** Show once a frame, however often something changes. */
  private soon(): void {
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.show();
    });
  }

  // -- showing ---------------------------------------------------------------------------------

  private show(): void {
    const { work } = this, shown = work.shown(), job = work.job;
    if (shown) {
      const composing = job && job.heard.length > 0 && work.looked < 0;
      const ruler = composing ? job.ruler : shown.song;
      const anew = composing && job.from === 0 && job.to === Infinity && !this.schemaOf(job.verb).properties?.["song"];
      const melody = composing ? shown.melody.filter((n) => !anew && (n[0] < job.from || n[0] >= job.to)) : shown.melody;
      this.roll.show({
        song: ruler === shown.song ? shown.song : anew ? { ...ruler, tracks: [] } : ruler, melody,
        was: composing ? shown.melody.filter((n) => n[0] >= job.from && n[0] < job.to && !anew) : shown.was,
        heard: composing ? job.heard : [], region: work.region, open: work.opened && work.looked < 0 && !composing, cursor: this.cursor,
        locks: work.locks, chosen: this.chosen, head: this.head(shown.song), drawing: this.drawing,
      });
      const melodyNotes = shown.melody, pitches = melodyNotes.map((n) => n[2]);
      this.name.textContent = work.step?.song.name || "Cantilena";
      this.meta.textContent = [
        `${barCount(shown.song)} bars`, `${melodyNotes.length} notes`,
        pitches.length ? `${pitchName(Math.min(...pitches))}–${pitchName(Math.max(...pitches))}` : "",
        `${Math.round((shown.song.tempos.at(-1)?.[1] ?? 120) * 10) / 10} qpm`, shown.song.metres.map(([, m]) => m).slice(0, 3).join(" "),
      ].filter(Boolean).join(" · ");
      this.canvas.setAttribute("aria-label", `Piano roll of ${barCount(shown.song)} bars. ${this.told(shown.song, melodyNotes)}`);
      this.rehear();
      void this.showScore(shown.song);
    }
    this.undo.disabled = !work.canUndo;
    this.redo.disabled = !work.canRedo;
    this.play.textContent = this.player.playing ? "❚❚" : "►";
    this.play.setAttribute("aria-label", this.player.playing ? "Pause" : "Play");
    this.showAsking();
    this.showTray();
    this.showTree();
    this.showTracks();
    document.documentElement.classList.toggle("away", work.away);
  }

  private schemaOf(verb: string): Schema {
    return this.forms.get(verb)?.schema ?? {};
  }

  /** How a verb takes bars: those of the region, a number of new ones, or none. */
  private barsOf(verb: string): "region" | "new" | "none" {
    const bars = this.schemaOf(verb).properties?.["bars"];
    if (!bars) return "none";
    return [bars, ...(bars.anyOf ?? [])].some((one) => one.type === "string") ? "region" : "new";
  }

  private showAsking(): void {
    const { work, verb } = this, schema = this.schemaOf(verb), needs = schema.required ?? [];
    const region = work.region && (work.region[0] === work.region[1] ? `bar ${work.region[0]}` : `bars ${work.region[0]}–${work.region[1]}`);
    const inside = this.barsOf(verb) === "region";
    const lacks = inside && needs.includes("bars") && !region;
    const locked = verb === "infill" && work.region ? this.lockedInside().length : 0;
    this.where.hidden = !inside;
    this.where.textContent = lacks
      ? "No region yet: drag over bars, or shift and arrows."
      : region ? `${region[0]!.toUpperCase()}${region.slice(1)}${locked ? `, ${locked} note${locked === 1 ? "" : "s"} locked` : ""}` : "The whole melody; drag over bars for a part.";
    const named = DOES[verb] ?? `${verb[0]?.toUpperCase()}${verb.slice(1)}`;
    this.go.textContent = inside && region ? `${named} ${region}` : verb === "compose" ? "Compose a new tune" : named;
    this.go.disabled = lacks || (needs.some((one) => ["song", "songs", "a"].includes(one)) && !work.step);
    this.cancel.hidden = !work.job;
    const edits = Boolean(schema.properties?.["song"]);
    document.getElementById("ways-field")!.hidden = !edits;
    for (const { form } of this.forms.values()) form.offer(this.choices());
  }

  private choices(): { id: string; name: string }[] {
    const seen = new Set<string>(), found = [];
    for (const step of [...this.work.history.steps.values()].sort((a, b) => b.time - a.time)) {
      if (seen.has(step.sha256) || found.length > 40) continue;
      seen.add(step.sha256);
      found.push({ id: step.id, name: `${step.title} (${step.song.name})`.slice(0, 60) });
    }
    return found;
  }

  private trayKey = "";

  private showTray(): void {
    const { work } = this, open = work.song !== null && work.candidates.length > 0 && !(work.job?.keeps ?? false);
    this.tray.hidden = !open;
    const key = open ? JSON.stringify([work.looked, work.candidates.map((c) => [c.state, c.said, c.i, c.made?.sha256, [...c.taken]])]) : "";
    if (key === this.trayKey) return;
    this.trayKey = key;
    if (!open) return void this.tray.replaceChildren();
    const focus = document.activeElement instanceof HTMLElement && this.tray.contains(document.activeElement) ? document.activeElement.id : "";
    const cards = work.candidates.map((candidate, k) => this.card(candidate, k));
    const base = h(
      "button.card", { type: "button", id: "look-a", "aria-pressed": String(work.looked < 0), onclick: () => work.look(-1), title: "The song as it stands (A)" },
      h("span.letter", {}, "A"), h("span.what", {}, "as it stands"), this.picture(work.song!, work.song!, work.region),
    );
    const looked = work.candidate;
    const chips = looked?.made && looked.bars && looked.bars.length > 0
      ? h("div.chips", { role: "group", "aria-label": "Bars to keep" }, h("span", {}, "Keep bars"),
          ...looked.bars.map((bar) => h("button.chip", {
            type: "button", id: `bar-${bar}`, "aria-pressed": String(looked.taken.has(bar)), "aria-label": `Bar ${bar}`, onclick: () => work.take(bar),
          }, `${bar}`)))
      : null;
    const n = looked?.taken.size ?? 0, all = !looked?.bars || n === looked.bars.length;
    const receipt = looked?.made && h("details.receipt", {}, h("summary", {}, `Receipt: ${looked.made.title}`), h("pre", { tabIndex: 0 }, looked.made.table));
    this.tray.replaceChildren(
      h("div.cards", {}, base, ...cards),
      ...[chips, h("div.judge", {},
        h("button.go", { type: "button", id: "accept", disabled: !looked?.made, title: "Make it part of the song (K)", onclick: () => void work.accept() }, all ? "Keep it" : `Keep ${n} bar${n === 1 ? "" : "s"}`),
        h("button", { type: "button", id: "drop", title: "Leave the song as it is (Escape)", onclick: () => work.drop() }, "Drop")), receipt].filter((x): x is HTMLDivElement | HTMLDetailsElement => Boolean(x)),
    );
    if (focus) document.getElementById(focus)?.focus();
  }

  private card(candidate: Candidate, k: number): HTMLElement {
    const { made } = candidate, letter = String.fromCharCode(66 + k);
    const missed = made?.receipt.rows.filter((row) => !row[4]).length ?? 0, rows = made?.receipt.rows.length ?? 0;
    const said = made ? `seed ${made.receipt.request["seed"]}${rows ? ` · rules ${rows - missed}/${rows}` : ""}`
      : candidate.state === "working" ? `${Math.round((100 * candidate.i) / candidate.of)} % · ${candidate.left.toFixed(1)} s left`
      : candidate.state === "waiting" ? `waits ${candidate.said}` : candidate.state === "lost" ? "the server went away" : candidate.said;
    const picture = made && this.work.song ? this.picture(made.song, this.work.song, candidate.bars ? this.spanOf(candidate.bars) : null)
      : h("progress", { max: 1, value: candidate.i / candidate.of, "aria-label": `Candidate ${letter}` });
    return h(
      "button.card", {
        type: "button", id: `look-${letter.toLowerCase()}`, disabled: !made, "aria-pressed": String(this.work.looked === k), title: `Candidate ${letter} (${k + 1})`,
        onclick: () => this.work.look(k),
      },
      h("span.letter", {}, letter), h("span.what", {}, said), picture,
    );
  }

  private spanOf(bars: number[]): [number, number] | null {
    return bars.length ? [bars[0]!, bars.at(-1)!] : null;
  }

  private picture(song: Song, base: Song, bars: [number, number] | null): SVGSVGElement {
    const [from, to] = bars ? [song.bars[bars[0] - 1] ?? 0, song.bars[bars[1]] ?? song.bars.at(-1)!] : [0, song.bars.at(-1)!];
    void base;
    return svg(140, 30, skyline(song, melodyOf(song), 140, 30, from, to), "mini");
  }

  private showTree(): void {
    const { history, step } = this.work, key = `${step?.id} ${[...history.steps.keys()].join()}`;
    if (key === this.treeKey) return;
    this.treeKey = key;
    this.tree.replaceChildren(
      ...history.tree().reverse().map(({ step: one, depth }) => {
        const here = one.id === step?.id;
        const item = h(
          "button", { type: "button", "aria-current": here ? "step" : undefined, onclick: () => this.work.go(one.id), title: new Date(one.time).toLocaleString() },
          svg(60, 18, skyline(one.song, melodyOf(one.song), 60, 18), "mini"), h("span", {}, one.title),
        );
        const row = h("li", {}, item);
        row.style.marginLeft = `${Math.min(depth, 6) * 12}px`;
        return row;
      }),
    );
  }

  private tracksKey: unknown = null;

  private showTracks(): void {
    const song = this.work.song;
    if (!song || this.tracksKey === song) return;
    this.tracksKey = song;
    this.track.replaceChildren(
      ...(song.melody === null ? [h("option", { value: "" }, "none")] : []),
      ...song.tracks.map((track, k) => h("option", { value: String(k), disabled: track.drums }, `${k}: ${track.name || "track"}${track.drums ? " (drums)" : ""}`.slice(0, 40))),
    );
    this.track.value = song.melody === null ? "" : String(song.melody);
  }

  private say(text: string, kind?: "error" | "quiet"): void {
    if (kind === "error") {
      this.alert.replaceChildren(h("span", {}, text), h("button.icon", { type: "button", "aria-label": "Close", onclick: () => (this.alert.hidden = true) }, "×"));
      this.alert.hidden = false;
    } else {
      this.alert.hidden = true;
      this.status.textContent = text;
    }
  }

  private told(song: Song, melody: Note[]): string {
    const bar = this.cursor, [from, to] = [song.bars[bar - 1] ?? 0, song.bars[bar] ?? 0];
    const names = melody.filter((n) => n[0] >= from && n[0] < to).map((n) => pitchName(n[2]));
    return `Bar ${bar}: ${names.length ? names.join(" ") : "no note begins"}.`;
  }

  // -- doing -----------------------------------------------------------------------------------

  private select(first: number, last: number): void {
    this.work.region = [first, last];
    this.work.opened = false;
    this.cursor = last;
    this.anchor = first;
    this.show();
  }

  private lockedInside(): Note[] {
    const { song, region, locks } = this.work;
    if (!song || !region) return [];
    return melodyOf(song).filter((n) => locks.has(keyOf(n)) && barAt(song, n[0]) >= region[0] && barAt(song, n[0]) <= region[1]);
  }

  private touch(note: Note): void {
    const key = keyOf(note);
    this.chosen = key;
    if (!this.drawing) this.lock(key);
    this.show();
  }

  private lock(key: string): void {
    const { locks } = this.work;
    if (!locks.delete(key)) locks.add(key);
    this.live_.textContent = locks.has(key) ? "Locked" : "Free";
  }

  private handed(gone: Note[], fresh: Note[], title: string): void {
    if (this.work.candidates.length) return this.say("Keep or drop the candidates first.", "error");
    if (fresh[0]) this.chosen = keyOf(fresh[0]);
    void this.work.byHand(gone, fresh, title);
  }

  private setScore(on: boolean): void {
    document.getElementById("score")!.setAttribute("aria-pressed", String(on));
    this.score.element.hidden = !on;
    this.canvas.hidden = on;
    if (on && this.drawing) this.setDrawing(false);
    for (const button of document.querySelectorAll<HTMLButtonElement>("#draw, .zoom")) button.disabled = on;
    this.show();
    (on ? this.score.element : this.canvas).focus({ preventScroll: true });
  }

  private scored: { key: string; written: Promise<Written | null> } | null = null;

  /** The score of what is seen; while something emerges, that of what it comes from. */
  private async showScore(song: Song): Promise<void> {
    const { work } = this, candidate = work.candidate;
    if (this.score.element.hidden) return;
    const key = [work.step?.sha256, song.melody, candidate?.made?.sha256, ...(candidate?.taken ?? [])].join(" ");
    if (this.scored?.key !== key) {
      const written = work.seen().then(async (seen): Promise<Written | null> => {
        if (!seen || song.melody === null) return null;
        const { abc, begin } = await work.api.notation(seen.source, seen.track);
        return { abc, first: barAt(song, begin) };
      });
      written.catch((error: Error) => this.say(error.message, "error"));
      this.scored = { key, written };
    }
    const asked = this.scored, written = await asked.written.catch(() => null);
    if (asked === this.scored) await this.score.show(written, { region: work.region, fresh: work.candidate?.taken ?? new Set(), cursor: this.cursor });
  }

  private setDrawing(on: boolean): void {
    this.drawing = on;
    document.getElementById("draw")!.setAttribute("aria-pressed", String(on));
    this.say(on ? "Draw: click for a note, drag it to move it, its end to stretch it; Delete deletes it." : "");
    this.show();
  }

  /** The request that the controls make. */
  private request(verb: string): Request | null {
    const { form, schema } = this.forms.get(verb)!, { work } = this, has = schema.properties ?? {};
    const request: Request = { verb, ...form.read(), seed: Math.max(0, Math.floor(Number(this.seed.value) || 0)) };
    for (const [name, value] of Object.entries(request)) request[name] = this.sourced(value);
    if (request["rules"]) request["rules"] = Object.fromEntries(Object.entries(request["rules"]).map(([k, v]) => [k, this.sourced(v)]));
    if (has["song"] || has["a"]) {
      if (!work.step) return null;
      request[has["song"] ? "song" : "a"] = work.source();
      if (has["track"] && work.song!.melody !== null) request["track"] = work.song!.melody;
    }
    const lacks = (has["b"] && !request["b"]) || (has["songs"] && !request["songs"]);
    if (has["songs"]) {
      if (!work.step) return null;
      request["songs"] = [work.source(), request["songs"]];
      if (work.song!.melody !== null) request["tracks"] = [work.song!.melody, null];
    }
    if (lacks) {
      this.say("Choose the other tune first.", "error");
      return null;
    }
    if (this.barsOf(verb) === "region" && work.region) request["bars"] = work.region.join("-");
    return request;
  }

  private sourced(value: unknown): unknown {
    const id = (value as { step?: string } | null)?.step;
    const step = id ? this.work.history.steps.get(id) : undefined;
    return step ? { name: step.song.name.slice(0, 200) || "song", sha256: step.sha256 } : value;
  }

  private async ask(): Promise<void> {
    if (this.go.disabled) return;
    const { verb } = this, request = this.request(verb);
    if (!request) return;
    const edits = Boolean(this.schemaOf(verb).properties?.["song"]);
    const ways = edits ? Math.min(4, Math.max(1, Number(this.ways.value) || 1)) : 1;
    this.alert.hidden = true;
    this.status.textContent = "Composing …";
    this.work.opened = this.barsOf(verb) === "region";
    await this.work.run(request, ways, verb === "compose", { bars: this.barsOf(verb) });
    this.seed.value = String(Number(request["seed"]) + ways);
    const { candidates } = this.work;
    if (candidates.some((c) => c.made)) {
      const bars = [...new Set(candidates.flatMap((c) => c.bars ?? []))].sort((a, b) => a - b);
      if (bars.length) this.roll.reveal(bars[0]!, bars.at(-1)!);
      this.status.textContent = `${counted(candidates.length, "candidate")}${bars.length ? ` for bars ${spans(bars)}` : ""}. A and B compare; keep or drop.`;
    }
  }

  /** A slider was moved: compose again at once, with the same seed. */
  private again(verb: string): void {
    if (verb !== this.verb || !this.work.step) return;
    const asked = ++this.live;
    setTimeout(async () => {
      if (asked !== this.live || ["b", "songs"].some((one) => this.schemaOf(verb).required?.includes(one) && !this.forms.get(verb)!.form.read()[one])) return;
      const request = this.request(verb);
      if (request) await this.work.run(request, 1, false, { bars: this.barsOf(verb) });
    }, 40);
  }

  private async opened(): Promise<void> {
    const file = this.chooser.files?.[0], select = this.picked;
    this.chooser.value = "";
    if (!file) return;
    const step = await this.work.read(file, select !== null);
    if (!select || !step) return;
    for (const { form } of this.forms.values()) form.offer(this.choices());
    select.value = step.id;
    select.dispatchEvent(new Event("change"));
  }

  private async forget(): Promise<void> {
    const { step, history } = this.work;
    if (!step || !confirm(`Forget ${history.steps.size - 1} other steps?`)) return;
    await history.clear(step.id);
    this.treeKey = "";
    this.show();
  }

  private filed(): string {
    return (this.work.step?.song.name ?? "tune").replace(SONGS, "").replace(/[^\p{L}\p{N} ,_-]/gu, "").trim() || "tune";
  }

  private save(blob: Blob, ending: string): void {
    const link = h("a", { href: URL.createObjectURL(blob), download: `${this.filed()}.${ending}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  private async download(kind: Kind): Promise<void> {
    try {
      const seen = await this.work.seen(), shown = this.work.shown();
      if (kind === "wav" && shown && this.context && shown.song.tracks.length > 1 && this.lasts(shown.song) <= LONGEST) {
        this.say("Rendering all tracks …");
        const sound = await rendered(soundings(shown.song, shown.melody, true), this.lasts(shown.song) + 2);
        this.save(wavOf(sound), kind); // as it is heard here; the server renders the melody alone
        this.say("");
      } else if (seen) {
        if (kind === "pdf") this.say("Typesetting …");
        this.save(await this.work.api.file(seen.source, kind, seen.track), kind);
        if (kind === "pdf") this.say("");
      }
    } catch (error) {
      this.say((error as Error).message, "error");
    }
  }

  private theme(): void {
    const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = root.dataset["theme"] ?? (dark ? "dark" : "light");
    root.dataset["theme"] = now === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset["theme"]!);
    this.roll.paint();
  }

  // -- sound -----------------------------------------------------------------------------------

  private head(song: Song): number {
    return tickAt(song, this.player.seconds);
  }

  private lasts(song: Song): number {
    return secondsAt(song, song.bars.at(-1)!);
  }

  private span(song: Song): [number, number] | null {
    if (!this.loops) return null;
    const [first, last] = this.work.region ?? [1, barCount(song)];
    return [secondsAt(song, song.bars[first - 1]!), secondsAt(song, song.bars[Math.min(last, barCount(song))]!)];
  }

  async toggle(): Promise<void> {
    const shown = this.work.shown();
    if (!shown) return;
    if (this.player.playing) this.player.stop();
    else {
      const loop = this.span(shown.song), here = this.player.seconds;
      const from = loop && (here < loop[0] || here >= loop[1]) ? loop[0] : here >= this.lasts(shown.song) ? 0 : here;
      this.heard = shown.melody;
      await this.player.play(soundings(shown.song, shown.melody, this.context), from, this.lasts(shown.song), loop);
    }
    this.show();
  }

  private seek(tick: number): void {
    const shown = this.work.shown();
    if (shown) this.player.seek(secondsAt(shown.song, tick));
    this.roll.paint();
  }

  /** What is heard changes with what is seen, without a break. */
  private rehear(): void {
    const shown = this.work.shown(), key = shown && `${this.context} ${this.loops} ${this.work.region} ${shown.song.name}`;
    if (!this.player.playing || !shown || (this.heard === shown.melody && this.heardKey === key)) return;
    const first = this.heard === shown.melody && this.heardKey === undefined;
    this.heard = shown.melody;
    this.heardKey = key ?? undefined;
    if (!first) this.player.change(soundings(shown.song, shown.melody, this.context), this.lasts(shown.song), this.span(shown.song));
  }

  private heardKey: string | undefined;

  private tick(): void {
    const shown = this.work.shown();
    if (shown && this.roll.shown) {
      const head = this.head(shown.song);
      if (head !== this.roll.shown.head) {
        this.roll.shown.head = head;
        if (this.player.playing) this.roll.follow(head);
        this.roll.paint();
      }
      if (!this.score.element.hidden) this.score.sound(this.player.playing ? barAt(shown.song, head) : null);
      const seconds = this.player.seconds, bar = barAt(shown.song, head);
      const text = `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")} · bar ${bar}`;
      if (this.clock.textContent !== text) this.clock.textContent = text;
    }
    requestAnimationFrame(() => this.tick());
  }

  // -- keys ------------------------------------------------------------------------------------

  private key(event: KeyboardEvent): void {
    const at = event.target as HTMLElement, control = event.ctrlKey || event.metaKey;
    if (this.help.open || at.closest("dialog")) return;
    if (control && event.key.toLowerCase() === "z" && !at.matches("input[type=text],input[type=number]")) {
      event.preventDefault();
      if (event.shiftKey) this.work.redo();
      else this.work.undo();
      return;
    }
    if (control && event.key.toLowerCase() === "y") {
      event.preventDefault();
      return this.work.redo();
    }
    if (control || event.altKey || at.matches("input,select,textarea,summary,[role=tab]")) return;
    if (at.matches("button,a") && (event.key === " " || event.key === "Enter")) return;
    const doing = this.does(event);
    if (!doing) return;
    event.preventDefault();
    doing();
  }

  private does(event: KeyboardEvent): (() => void) | null {
    const { work } = this, song = work.song;
    if (!song) return null;
    const bars = barCount(song), to = (bar: number) => () => this.walk(Math.min(bars, Math.max(1, bar)), event.shiftKey);
    switch (event.key) {
      case " ": return () => void this.toggle();
      case "ArrowRight": return to(this.cursor + 1);
      case "ArrowLeft": return to(this.cursor - 1);
      case "PageDown": return to(this.cursor + 8);
      case "PageUp": return to(this.cursor - 8);
      case "Home": return to(1);
      case "End": return to(bars);
      case "ArrowUp": return () => this.nudge(1);
      case "ArrowDown": return () => this.nudge(-1);
      case "[": return () => this.pickNote(-1);
      case "]": return () => this.pickNote(1);
      case "l": return () => { if (this.chosen) this.lock(this.chosen); this.show(); };
      case "d": return this.canvas.hidden ? null : () => this.setDrawing(!this.drawing);
      case "s": return () => this.setScore(!this.canvas.hidden);
      case "Delete": case "Backspace": return () => this.remove();
      case "Enter": return () => (work.candidate?.made ? void work.accept() : void this.fill());
      case "a": return () => work.look(-1);
      case "b": return () => work.look(Math.max(0, work.looked));
      case "1": case "2": case "3": case "4": return () => work.look(Number(event.key) - 1);
      case "k": return () => void work.accept();
      case "Escape": return () => { if (!work.stop()) { if (work.candidates.length) work.drop(); else { work.region = null; work.opened = false; this.chosen = null; this.show(); } } };
      case "+": case "=": return () => this.roll.zoom(1.25);
      case "-": return () => this.roll.zoom(0.8);
      case "?": return () => this.help.showModal();
    }
    return null;
  }

  private fill(): Promise<void> {
    if (this.work.region && this.verb !== "infill" && this.work.opened) this.choose("infill");
    return this.ask();
  }

  private walk(bar: number, extend: boolean): void {
    const { work } = this;
    if (extend) {
      if (!work.region) this.anchor = this.cursor;
      this.cursor = bar;
      work.region = [Math.min(this.anchor, bar), Math.max(this.anchor, bar)];
      work.opened = false;
    } else {
      this.cursor = this.anchor = bar;
      this.seek(work.song!.bars[bar - 1]!);
    }
    this.roll.reveal(bar);
    this.show();
    this.live_.textContent = extend && work.region ? `Bars ${work.region[0]} to ${work.region[1]}` : this.told(work.song!, melodyOf(work.song!));
  }

  private pickNote(by: number): void {
    const song = this.work.song!, notes = melodyOf(song);
    if (!notes.length) return;
    const at = notes.findIndex((n) => keyOf(n) === this.chosen);
    const first = notes.findIndex((n) => n[0] >= song.bars[this.cursor - 1]!);
    const note = notes[at < 0 ? Math.max(0, first) : Math.min(notes.length - 1, Math.max(0, at + by))]!;
    this.chosen = keyOf(note);
    this.cursor = this.anchor = barAt(song, note[0]);
    this.roll.reveal(this.cursor);
    this.show();
    this.live_.textContent = `${pitchName(note[2])} in bar ${this.cursor}${this.work.locks.has(this.chosen) ? ", locked" : ""}`;
  }

  private nudge(by: number): void {
    const note = this.chosenNote();
    if (note) this.handed([note], [[note[0], note[1], note[2] + by, note[3]]], `move ${pitchName(note[2])} to ${pitchName(note[2] + by)}`);
  }

  private chosenNote(): Note | undefined {
    return this.work.song ? melodyOf(this.work.song).find((n) => keyOf(n) === this.chosen) : undefined;
  }

  /** Delete a chosen note, or give up the region's: what fill is for. */
  private remove(): void {
    const note = this.chosenNote();
    if (this.drawing && note) return this.handed([note], [], `delete ${pitchName(note[2])}`);
    if (!this.work.region) this.work.region = [this.cursor, this.cursor];
    this.work.opened = true;
    if (this.verb !== "infill") this.choose("infill");
    this.live_.textContent = `Bars ${this.work.region.join(" to ")} are open: Enter fills them`;
    this.show();
  }
}

const KEYS: [string, string][] = [
  ["Space", "play, pause"], ["← →", "bar by bar"], ["Shift+← Shift+→", "select bars"], ["PageUp PageDown", "eight bars"],
  ["Delete", "open the selected bars (drawing: delete the note)"], ["Enter", "fill them; keep the candidate"],
  ["A B", "hear the song as it stands, or the candidate"], ["1 2 3 4", "candidates"], ["K", "keep"], ["Escape", "cancel, drop"],
  ["[ ]", "note by note"], ["L", "lock the note"], ["↑ ↓", "move the note"], ["D", "draw"], ["S", "roll or score"], ["+ −", "zoom"],
  ["Ctrl+Z Ctrl+Shift+Z", "undo, redo"],
];

