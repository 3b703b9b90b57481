/**
 * Controls out of the requests' schema: a field that the server learns is a control here, and nobody has to write it.
 * What the page itself knows (the song, its track, the bars of the region, the locked notes) is not asked for.
 */

import { h } from "./dom";

export interface Schema {
  title?: string;
  description?: string;
  type?: string;
  enum?: string[];
  anyOf?: Schema[];
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  default?: unknown;
  minimum?: number;
  maximum?: number;
  examples?: string[];
  items?: Schema | false;
  prefixItems?: Schema[];
  additionalProperties?: Schema | boolean;
  "x-group"?: string;
}

export type Schemas = Record<string, Schema>;

/** Music that can be chosen: the id of a step, and its name. */
export interface Choice {
  id: string;
  name: string;
}

const FIRST = ["style", "metre", "bars", "qpm", "voice"]; // what most people want to say
const OWN = new Set(["verb", "song", "a", "track", "track_b", "tracks", "keep", "own", "seed"]);
const SAID: Record<string, string> = {
  k: "Keep", of: "Out of", qpm: "Tempo", b: "The other tune", songs: "The other tune", rhythm_of: "Rhythm of", form_of: "Form of",
  loop_resample: "Visits where it closes", resample: "Visits of each level", steps: "Steps", before: "Before the song",
};

/** What may be written where text is free: offered, not asked. */
const OFFERED: Record<string, string[]> = {
  key: ["C", "G", "D", "A", "F", "Bb", "Eb"].map((tonic) => `${tonic} major`).concat(["A", "E", "B", "D", "G", "C"].map((tonic) => `${tonic} minor`), ["D dorian", "G mixolydian"]),
  range: ["C4-A5", "G3-D5", "C5-C6"], density: ["1..3", "4..6", "6..9"], rhythm: ["straight", "syncopated"],
  contour: ["rise", "fall", "arch", "valley"], form: ["AABA", "AABB", "ABAC", "ABAB'"],
  chords: ["| C | F | G | C |", "| Dm7 | G7 | C | C |", "| Am | F | C | G |"],
};

interface Control {
  name: string;
  read(): unknown;
  write(value: unknown): void;
}

/** The controls of one verb. */
export class Form {
  readonly element: HTMLElement;
  private readonly controls: Control[] = [];
  private readonly music: { select: HTMLSelectElement; needed: boolean }[] = [];

  constructor(
    readonly verb: string, private readonly schemas: Schemas, schema: Schema,
    private readonly changed: (live: boolean) => void, private readonly open: (into: HTMLSelectElement) => void,
  ) {
    const plain = h("div.fields"), rules = h("div.fields"), more = h("div.fields");
    const place = (name: string) => (FIRST.indexOf(name) + FIRST.length + 1) % (FIRST.length + 1);
    for (const [name, field] of Object.entries(schema.properties ?? {}).sort(([a], [b]) => place(a) - place(b))) {
      if (OWN.has(name) || (name === "bars" && this.kind(field).type === "string")) continue;
      const kind = this.kind(field);
      if (kind.properties && kind.title !== "Source" && kind.properties["key"]) {
        const inner: Control[] = [];
        for (const [own, of] of Object.entries(kind.properties)) this.add(rules, own, of, inner, false);
        this.controls.push({
          name,
          read: () => {
            const asked = Object.fromEntries(inner.map((c) => [c.name, c.read()]).filter(([, v]) => v !== undefined));
            return Object.keys(asked).length ? asked : undefined;
          },
          write: (value) => inner.forEach((c) => c.write((value as Record<string, unknown> | null)?.[c.name])),
        });
      } else {
        this.add(field["x-group"] ? more : plain, name, field, this.controls, schema.required?.includes(name) ?? false);
      }
    }
    this.element = h(
      "div.form", {}, plain,
      rules.children.length > 0 && h("details", { open: false }, h("summary", {}, "Rules: key, range, chords, form …"), rules),
      more.children.length > 0 && h("details", {}, h("summary", {}, "How it is drawn"), more),
    );
  }

  /** The fields that were given; those left alone are the server's to settle. */
  read(): Record<string, unknown> {
    return Object.fromEntries(this.controls.map((c) => [c.name, c.read()]).filter(([, value]) => value !== undefined));
  }

  write(values: Record<string, unknown>): void {
    for (const control of this.controls) control.write(values[control.name]);
  }

  /** What can be chosen where music is asked for. */
  offer(choices: Choice[]): void {
    for (const { select, needed } of this.music) {
      const before = select.value;
      select.replaceChildren(
        h("option", { value: "" }, needed ? "choose …" : "none"),
        ...choices.map((choice) => h("option", { value: choice.id }, choice.name)),
        h("option", { value: "file" }, "a file …"),
      );
      select.value = [...select.options].some((option) => option.value === before) ? before : "";
    }
  }

  private kind(field: Schema): Schema {
    const several = typeof field.items === "object" && field.items.$ref ? field.items : field; // of several songs one is asked for
    const options = (several.anyOf ?? [several]).map((one) => (one.$ref ? this.schemas[one.$ref.split("/").at(-1)!]! : one));
    const found = options.find((one) => one.type !== "null" && one.type !== "array") ?? options[0]!;
    return { ...found, description: field.description ?? found.description } as Schema;
  }

  private add(into: HTMLElement, name: string, field: Schema, controls: Control[], needed: boolean): void {
    const kind = this.kind(field), arrays = (field.anyOf ?? [field]).find((one) => one.type === "array");
    const id = `${this.verb}-${name}`, hint = `${id}-hint`, help = field.description ?? "";
    const nullable = (field.anyOf ?? []).some((one) => one.type === "null") || field.default === null;
    const on = (live = false) => ({ onchange: () => this.changed(live) });
    const base = { id, name, "aria-describedby": hint };
    const [low, high] = [field.minimum, field.maximum];
    let control: HTMLInputElement | HTMLSelectElement, read: () => unknown, extra: Node | null = null;
    let write = (value: unknown): void => void (control.value = value === undefined || value === null ? "" : String(value));
    if (kind.title === "Source") {
      const select = h("select", { ...base, onchange: () => (select.value === "file" ? this.open(select) : this.changed(true)) });
      this.music.push({ select, needed });
      [control, read] = [select, () => (select.value && select.value !== "file" ? { step: select.value } : undefined)];
      write = () => undefined;
    } else if (kind.enum || field.examples) {
      const options = [nullable && h("option", { value: "" }, "as it suits"), ...(kind.enum ?? field.examples!).map((value) => h("option", { value }, value))];
      const select = h("select", { ...base, ...on() }, ...options);
      if (field.default) select.value = String(field.default);
      [control, read] = [select, () => (select.value && select.value !== field.default ? select.value : undefined)];
    } else if (kind.type === "boolean") {
      const box = h("input", { ...base, ...on(), type: "checkbox" });
      [control, read] = [box, () => box.checked || undefined];
      write = (value) => void (box.checked = value === true);
    } else if (kind.type === "number" && low === 0 && high === 1 && !nullable) {
      const value = h("output", { htmlFor: id }, String(field.default ?? 0.5));
      const slider = h("input", {
        ...base, type: "range", min: "0", max: "1", step: "0.05", value: String(field.default ?? 0.5),
        oninput: () => {
          value.textContent = slider.value;
          this.changed(true);
        },
      });
      [control, read, extra] = [slider, () => Number(slider.value), value];
      write = (given) => {
        slider.value = String(given ?? field.default);
        value.textContent = slider.value;
      };
    } else if (name === "step" && high !== undefined) {
      const value = h("output", { htmlFor: id }, "all");
      const most = () => Number((this.element?.querySelector(`[name=steps]`) as HTMLInputElement | null)?.value || 8);
      const slider = h("input", {
        ...base, type: "range", min: "0", max: "8", step: "1", value: "0",
        oninput: () => {
          slider.max = String(most());
          value.textContent = slider.value === "0" ? "all" : `${slider.value} of ${slider.max}`;
          this.changed(true);
        },
      });
      [control, read, extra] = [slider, () => Number(slider.value) || undefined, value];
    } else if (kind.type === "integer" || kind.type === "number") {
      const number = h("input", {
        ...base, ...on(), type: "number", step: kind.type === "integer" ? "1" : "any", min: low, max: high,
        placeholder: nullable ? "as it suits" : "", value: field.default === null || field.default === undefined ? (needed ? "3" : "") : String(field.default),
      });
      [control, read] = [number, () => (number.value === "" ? undefined : Number(number.value))];
    } else {
      const offered = OFFERED[name] ?? [], asked = needed ? (/"([^"]+)"/.exec(help)?.[1] ?? "") : "";
      const text = h("input", {
        ...base, ...on(), type: "text", autocomplete: "off", spellcheck: false, value: asked,
        placeholder: offered.length ? `e.g. ${offered[0]}` : "",
      });
      if (offered.length) {
        text.setAttribute("list", `${id}-list`);
        extra = h("datalist", { id: `${id}-list` }, ...offered.map((value) => h("option", { value })));
      }
      [control, read] = [text, () => (text.value.trim() ? this.parsed(text.value.trim(), kind, arrays) : undefined)];
    }
    const label = SAID[name] ?? `${name[0]!.toUpperCase()}${name.slice(1).replaceAll("_", " ")}`;
    into.append(
      h(
        kind.type === "boolean" ? "div.field.tick" : "div.field", {},
        h("label", { htmlFor: id }, label), control, extra, h("p.hint", { id: hint }, help),
      ),
    );
    controls.push({ name, read, write });
  }

  /** Rows "1,0 0,1", numbers by name "form=3,density=2", or the text as it is. */
  private parsed(text: string, kind: Schema, arrays: Schema | undefined): unknown {
    if (arrays && kind.type !== "string") {
      const rows = text.split(/\s+/).map((row) => row.split(",").map(Number));
      return typeof arrays.items === "object" && arrays.items.type === "array" ? rows : rows.flat();
    }
    if (kind.type === "object") return Object.fromEntries(text.split(",").map((part) => [part.split("=")[0]!.trim(), Number(part.split("=")[1])]));
    return text;
  }
}
