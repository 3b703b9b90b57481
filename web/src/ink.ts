/** The inks of the drawings that Cantilena makes (src/cantilena/music/draw.py), on a light page and on a dark one. */

const RAMP = [
  [0x44, 0x41, 0x9a], [0x5e, 0x41, 0xa2], [0x7d, 0x43, 0xa8], [0xa4, 0x42, 0x9e], [0xc8, 0x46, 0x82],
  [0xdc, 0x54, 0x67], [0xea, 0x6a, 0x4b], [0xeb, 0x88, 0x3b], [0xe9, 0xa5, 0x35],
] as const;

const LIGHT = {
  paper: "#fffefb", black: "rgba(138,124,85,.085)", wash: "#dfe9f0", beat: "#eae6db", bar: "#c9c3b4",
  octave: "#d3ccbb", edge: "#6f6a5f", sky: "#c0b9cc", ghost: "#d3cddb", text: "#2f2d29", mute: "#6b665b",
  head: "#b8443a", cursor: "#356a8a",
};

const DARK: typeof LIGHT = {
  paper: "#16171b", black: "rgba(0,0,0,.3)", wash: "#24323d", beat: "#2a2c32", bar: "#4a4d55",
  octave: "#3f424a", edge: "#9a9ca3", sky: "#57516a", ghost: "#3d3a4a", text: "#e6e4de", mute: "#9799a0",
  head: "#f08070", cursor: "#7fb4d4",
};

export type Inks = typeof LIGHT;
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

export function inks(): Inks {
  const asked = document.documentElement.dataset["theme"];
  const dark = asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  return dark ? DARK : LIGHT;
}

/** Along the ramp from indigo, low, to gold, high; its middle is enough for less than an octave and a half. */
export function colour(pitch: number, low: number, high: number): string {
  const place = (RAMP.length - 1) * (0.5 + (pitch - (low + high) / 2) / Math.max(high - low, 18));
  const at = Math.min(Math.max(place, 0), RAMP.length - 1);
  const one = RAMP[Math.floor(at)]!, other = RAMP[Math.ceil(at)]!, share = at % 1;
  return `rgb(${one.map((c, k) => Math.round(c + (other[k]! - c) * share)).join(" ")})`;
}

export function pitchName(pitch: number): string {
  return `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}
