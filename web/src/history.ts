/** Every step of the work, as a tree in IndexedDB: one can go back anywhere, and nothing is lost by a reload. */

import type { Step } from "./types";

const NAME = "cantilena-studio";

export class History {
  readonly steps = new Map<string, Step>();
  private db: IDBDatabase | null = null;
  private readonly tabs = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;

  /** Read all; `changed` is called when another tab adds a step. Without IndexedDB the tree lasts as long as the page. */
  async open(changed: () => void): Promise<void> {
    this.tabs?.addEventListener("message", async () => {
      await this.read();
      changed();
    });
    this.db = await new Promise<IDBDatabase | null>((found) => {
      let asked: IDBOpenDBRequest;
      try {
        asked = indexedDB.open(NAME, 1);
      } catch {
        return found(null);
      }
      asked.onupgradeneeded = () => asked.result.createObjectStore("steps", { keyPath: "id" });
      asked.onsuccess = () => found(asked.result);
      asked.onerror = () => found(null);
    });
    await this.read();
  }

  async add(step: Step): Promise<void> {
    this.steps.set(step.id, step);
    await this.write((store) => store.put(step));
    this.tabs?.postMessage("");
  }

  async clear(but: string): Promise<void> {
    for (const id of [...this.steps.keys()]) if (id !== but) this.steps.delete(id);
    const kept = this.steps.get(but);
    if (kept) kept.parent = null;
    await this.write((store) => {
      store.clear();
      if (kept) store.put(kept);
    });
    this.tabs?.postMessage("");
  }

  /** The tree in the order in which it is shown: each with its depth, children that were first go deeper last. */
  tree(): { step: Step; depth: number }[] {
    const children = new Map<string | null, Step[]>();
    for (const step of [...this.steps.values()].sort((a, b) => a.time - b.time)) {
      const parent = step.parent !== null && this.steps.has(step.parent) ? step.parent : null;
      children.set(parent, [...(children.get(parent) ?? []), step]);
    }
    const found: { step: Step; depth: number }[] = [];
    const walk = (step: Step, depth: number): void => {
      found.push({ step, depth });
      const own = children.get(step.id) ?? [];
      for (const child of own.slice(0, -1)) walk(child, depth + 1); // side branches stand indented
      const last = own.at(-1);
      if (last) walk(last, depth);
    };
    for (const root of children.get(null) ?? []) walk(root, 0);
    return found;
  }

  get current(): string | null {
    return sessionStorage.getItem("step") ?? localStorage.getItem("step");
  }

  set current(id: string | null) {
    if (id === null) return;
    sessionStorage.setItem("step", id); // each tab has its own
    localStorage.setItem("step", id);
  }

  private async read(): Promise<void> {
    if (!this.db) return;
    const all = await new Promise<Step[]>((found) => {
      const asked = this.db!.transaction("steps").objectStore("steps").getAll();
      asked.onsuccess = () => found(asked.result as Step[]);
      asked.onerror = () => found([]);
    });
    for (const step of all) if (!this.steps.has(step.id)) this.steps.set(step.id, step);
  }

  private write(change: (store: IDBObjectStore) => void): Promise<void> {
    return new Promise((done, failed) => {
      if (!this.db) return done();
      const work = this.db.transaction("steps", "readwrite");
      change(work.objectStore("steps"));
      work.oncomplete = () => done();
      work.onerror = work.onabort = () => failed(new Error("the browser keeps no more history: its space is full"));
    });
  }
}
