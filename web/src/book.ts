/** A dialog over the tunes of a book, of which one is chosen. */

import { h } from "./dom";
import { counted } from "./song";
import type { Entry } from "./types";

/** The number of the tune that is chosen, by its name or its place in the list; null where none is. */
export function chosenTune(book: string, tunes: Entry[]): Promise<number | null> {
  const find = h("input", { id: "book-find", type: "search", autocomplete: "off" });
  const list = h("select", { id: "book-list", size: 12 });
  const open = h("button.go", { type: "submit" }, "Open");
  const cancel = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = h(
    "form", { method: "dialog" },
    h("h2", {}, `${book}: ${counted(tunes.length, "tune")}`),
    h("div.field", {}, h("label", { htmlFor: "book-find" }, "Find"), find),
    h("div.field", {}, h("label", { htmlFor: "book-list" }, "Tune"), list),
    h("div.doing", {}, open, cancel),
  );
  const dialog = h("dialog.book", { "aria-label": "A tune of the book" }, form);
  const fill = () => {
    const wanted = find.value.trim().toLowerCase();
    const named = tunes.map((tune) => ({ tune, text: [tune.number, tune.title || "(no title)", tune.metre, tune.key].filter(Boolean).join(" · ") }));
    const found = named.filter(({ text }) => text.toLowerCase().includes(wanted));
    list.replaceChildren(...found.map(({ tune, text }) => h("option", { value: String(tune.number) }, text)));
    list.selectedIndex = found.length ? 0 : -1;
    open.disabled = !found.length;
  };
  find.oninput = fill;
  list.ondblclick = () => list.value && form.requestSubmit(open);
  form.onkeydown = (event) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by && [find, list].includes(event.target as any)) {
      event.preventDefault(); // one list for both: the search field keeps the focus while the tune moves
      list.selectedIndex = Math.max(0, Math.min(list.length - 1, list.selectedIndex + by));
      list.selectedOptions[0]?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && event.target === list && list.value) form.requestSubmit(open);
  };
  fill();
  document.body.append(dialog);
  return new Promise((choose) => {
    let number: number | null = null;
    form.onsubmit = () => (number = list.value ? Number(list.value) : null);
    dialog.onclose = () => {
      dialog.remove();
      choose(number);
    };
    dialog.showModal();
    find.focus();
  });
}
