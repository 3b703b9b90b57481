/**
 * The melody as notes on staves, from the ABC that the server writes. abcjs draws them; it is fetched when a score is
 * first asked for, and only the part that draws: its synthesiser would ask another host for sounds.
 */

import { h } from "./dom";

/** A melody as ABC. */
export interface Written {
  abc: string;
  /** The bar of the song that it begins in, from 1. */
  first: number;
}

/** What is told of bars. */
export interface Told {
  region: [first: number, last: number] | null;
  /** Those that a candidate makes new. */
  fresh: Set<number>;
  cursor: number;
}

const MOST = 64; // bars on one sheet
const ROOM = 27; // pixels that a note needs
const SPACE = "http://www.w3.org/2000/svg";

export class Score {
  readonly element = h("div.score", { tabIndex: 0, role: "application", "aria-roledescription": "score", "aria-label": "Score", hidden: true });
  private readonly paper = h("div");
  private written: Written | null = null;
  private told: Told = { region: null, fresh: new Set(), cursor: 1 };
  private bars = new Map<number, SVGRectElement>();
  private sheet = "";
  private sounding: SVGRectElement | undefined;
  private from: number | null = null;

  /** `region` is told of bars that are dragged over, `seek` of one that is clicked. */
  constructor(private readonly region: (first: number, last: number) => void, private readonly seek: (bar: number) => void) {
    const paper = this.element;
    paper.append(this.paper);
    new ResizeObserver(() => void this.draw()).observe(paper);
    paper.addEventListener("pointerdown", (event) => (this.from = this.barAt(event)));
    paper.addEventListener("pointermove", (event) => {
      const bar = this.from && this.barAt(event);
      if (this.from && bar && bar !== this.from) this.region(Math.min(this.from, bar), Math.max(this.from, bar));
    });
    paper.addEventListener("pointerup", (event) => {
      if (this.from && this.barAt(event) === this.from) this.seek(this.from);
      this.from = null;
    });
    paper.addEventListener("pointercancel", () => (this.from = null));
  }

  /** Show a melody, or none; `told` is marked on it. */
  async show(written: Written | null, told: Told): Promise<void> {
    this.told = told;
    this.written = written;
    await this.draw();
    this.mark();
  }

  /** Mark the bar that sounds, and keep it in sight. */
  sound(bar: number | null): void {
    const rect = bar === null ? undefined : this.bars.get(bar);
    if (bar !== null && !rect && this.written) {
      this.told = { ...this.told, cursor: bar };
      void this.draw().then(() => this.mark());
    }
    if (rect === this.sounding) return;
    this.sounding?.classList.remove("sounding");
    rect?.classList.add("sounding");
    this.sounding = rect;
    const paper = this.element.getBoundingClientRect(), box = rect?.getBoundingClientRect();
    if (box && (box.top < paper.top || box.bottom > paper.bottom)) this.element.scrollTop += box.top - paper.top - 30;
  }

  private barAt(event: PointerEvent): number | null {
    return Number(document.elementFromPoint(event.clientX, event.clientY)?.getAttribute("data-bar")) || null;
  }

  /** Draw the sheet that the cursor is on, where it is not drawn yet. */
  private async draw(): Promise<void> {
    const paper = this.element, width = paper.clientWidth - 32;
    if (!this.written || paper.hidden || width <= 0) return;
    const { abc, first } = this.written, { head, bars } = parted(abc);
    const page = Math.max(0, Math.min(Math.floor((this.told.cursor - first) / MOST), Math.ceil(bars.length / MOST) - 1));
    const shown = bars.slice(page * MOST, (page + 1) * MOST), begin = first + page * MOST;
    const sheet = `${width} ${begin} ${abc}`;
    if (sheet === this.sheet) return;
    this.sheet = sheet;
    const { default: render } = await import("abcjs/src/api/abc_tunebook_svg.js");
    if (sheet !== this.sheet) return; // something else is asked for by now
    const scale = width < 500 ? 0.75 : 1;
    const text = `${head}\n%%barnumbers 1\n%%setbarnb ${begin}\n${lines(shown, width / scale / ROOM).join("\n")}\n`;
    render(this.paper, text, {
      add_classes: true, scale, staffwidth: width, paddingtop: 12, paddingbottom: 24, paddingleft: 16, paddingright: 16,
      foregroundColor: "currentColor", selectTypes: false, ariaLabel: `Bars ${begin} to ${begin + shown.length - 1}`,
      format: { tempofont: "sans-serif 13", measurefont: "sans-serif 11", gchordfont: "sans-serif 14" },
    });
    this.layBars(begin);
  }

  /** Lay a box under every bar: what is told of it is its colour, and pointers find it. */
  private layBars(begin: number): void {
    this.bars.clear();
    this.sounding = undefined;
    let bar = begin;
    for (const line of this.element.querySelectorAll<SVGGElement>(".abcjs-staff-wrapper")) {
      const staff = line.querySelector<SVGGElement>(".abcjs-staff")!.getBBox();
      let left = staff.x;
      const strokes = [...line.querySelectorAll<SVGPathElement>(".abcjs-bar path, path.abcjs-bar")].map((one) => one.getBBox().x);
      for (const end of strokes.sort((a, b) => a - b)) {
        if (end - left < 12) continue; // the second stroke of a double bar
        const rect = document.createElementNS(SPACE, "rect");
        for (const [name, value] of Object.entries({
          x: left, y: staff.y - 14, width: end - left, height: staff.height + 28, "data-bar": bar, class: "bar-box",
        })) rect.setAttribute(name, `${value}`);
        line.prepend(rect);
        this.bars.set(bar, rect);
        left = end;
        bar++;
      }
    }
  }

  private mark(): void {
    const { region, fresh, cursor } = this.told;
    for (const [bar, rect] of this.bars) {
      rect.classList.toggle("told", region !== null && bar >= region[0] && bar <= region[1]);
      rect.classList.toggle("fresh", fresh.has(bar));
      rect.classList.toggle("here", bar === cursor);
    }
  }
}

/** The fields of a tune, without its title, and its bars. */
function parted(abc: string): { head: string; bars: string[] } {
  const all = abc.trimEnd().split("\n"), key = all.findIndex((line) => line.startsWith("K:"));
  const bars = all.slice(key + 1).join(" ").replace(/\|\]\s*$/, "").split("|").map((bar) => bar.trim());
  if (bars.at(-1) === "") bars.pop();
  return { head: all.slice(0, key + 1).filter((line) => !line.startsWith("T:")).join("\n"), bars };
}

/** Bars in lines of four, or of fewer where that would be more than `most` notes. */
function lines(bars: string[], most: number): string[] {
  const found: string[][] = [];
  let size = Infinity;
  for (const bar of bars) {
    const notes = Math.max(3, bar.match(/[A-Ga-gz]/g)?.length ?? 0);
    if (size + notes > most || found.at(-1)!.length === 4) {
      found.push([]);
      size = 0;
    }
    found.at(-1)!.push(bar);
    size += notes;
  }
  return found.map((line, k) => `${line.join(" | ")} ${k === found.length - 1 ? "|]" : "|"}`);
}
