// The piano of render.py without its room: the sound of notes [begin, samples, pitch, accent], made when it is asked for.
function tone(pitch, accent, size, rate) {
  const frequency = 440 * 2 ** ((pitch - 69) / 12), octave = (pitch - 60) / 12, partials = rate / 2 / frequency
  const bark = Math.min(1.6, 1.35 * 2 ** (-0.4 * octave) * accent, Math.max(0, 0.25 * (partials - 2)))
  const tine = 0.3 * 2 ** (-0.25 * octave) * accent ** 2 * Math.min(1, Math.max(0, (partials - 8) / 4))
  const level = accent * 10 ** (-1.4 * octave / 20), quick = 2 * 2 ** (0.35 * octave), slow = 0.22 * 2 ** (0.5 * octave)
  const attack = Math.round(0.004 * rate), sound = new Float32Array(size)
  for (let i = 0; i < size; i++) {
    const s = i / rate, p = 2 * Math.PI * ((i * frequency / rate) % 1)
    const phase = p + Math.sin(p) * bark * (0.4 + 0.6 * Math.exp(-3 * s)) + Math.sin(7 * p) * tine * Math.exp(-6 * s)
    sound[i] = Math.sin(phase) * level * (0.4 * Math.exp(-quick * s) + 0.6 * Math.exp(-slow * s))
    if (i < attack) sound[i] *= Math.sin(Math.PI / 2 * i / (attack - 1)) ** 2
  }
  return sound
}
function samples({ rate, size, notes }) {
  const release = Math.round(0.16 * rate), longest = {}, tones = {}, sound = new Float32Array(size)
  for (const [, held, pitch, accent] of notes) {
    const key = [pitch, accent]
    longest[key] = Math.max(longest[key] || 0, held)
  }
  for (const [begin, held, pitch, accent] of notes) {
    const key = [pitch, accent], made = (tones[key] ||= tone(pitch, accent, longest[key] + release, rate))
    for (let i = 0; i < held + release && begin + i < size; i++) {
      const fade = i < held ? 1 : Math.cos(Math.PI / 2 * (i - held) / (release - 1)) ** 2
      sound[begin + i] += made[i] * fade
    }
  }
  return sound
}
function wav(sound, rate) {
  const peak = sound.reduce((most, x) => Math.max(most, Math.abs(x)), 0), scale = peak && 32767 * 10 ** (-3 / 20) / peak
  const view = new DataView(new ArrayBuffer(44 + 2 * sound.length))
  const write = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)))
  write(0, "RIFF"), write(8, "WAVEfmt "), write(36, "data")
  view.setUint32(4, 36 + 2 * sound.length, true), view.setUint32(16, 16, true), view.setUint32(20, 0x10001, true)
  view.setUint32(24, rate, true), view.setUint32(28, 2 * rate, true), view.setUint32(32, 0x100002, true)
  view.setUint32(40, 2 * sound.length, true)
  sound.forEach((x, i) => view.setInt16(44 + 2 * i, Math.round(x * scale), true))
  return view
}
