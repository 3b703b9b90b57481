/** Elements in one line. */

type Given = string | Node | null | undefined | false;

type Tag<T extends string> = T extends `${infer K}.${string}` ? K : T;
type Made<T extends string> = Tag<T> extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[Tag<T>] : HTMLElement;

/** `h("button.go", { type: "button", onclick }, "Fill")` */
export function h<T extends string>(told: T, given: Record<string, unknown> = {}, ...children: Given[]): Made<T> {
  const [tag, ...classes] = told.split(".") as [string, ...string[]];
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name in element && !name.startsWith("aria") && name !== "list" && name !== "role") {
      (element as unknown as Record<string, unknown>)[name] = value;
    } else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is string | Node => child !== null && child !== undefined && child !== false));
  return element as Made<T>;
}

export function svg(width: number, height: number, path: string, classes: string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg"), shape = document.createElementNS(space, "path");
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("class", classes);
  picture.setAttribute("aria-hidden", "true");
  shape.setAttribute("d", path);
  picture.append(shape);
  return picture;
}
