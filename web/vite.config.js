import { defineConfig } from "vite";

// The page's policy allows no style attributes and elements, which abcjs writes: the few attributes go through the CSSOM,
// which may do the same; its one style sheet is for dragging notes, which nobody does here.
const styled = {
  name: "abcjs-without-inline-styles",
  transform: (code, id) =>
    id.includes("/abcjs/")
      ? code.replace(/\.setAttribute\((["'])style\1, /g, ".style.cssText = (").replace(/renderer\.paper\.insertStyles\(.*\);/, "")
      : null,
};

// what is built ships inside the Python package: nobody who installs it needs Node
export default defineConfig({
  base: "./",
  plugins: [styled],
  build: {
    outDir: "../src/cantilena/studio/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/api": "http://127.0.0.1:8642", "/healthz": "http://127.0.0.1:8642" } },
});
