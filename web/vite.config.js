import { defineConfig } from "vite";

// what is built ships inside the Python package: nobody who installs it needs Node
export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/cantilena/studio/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/api": "http://127.0.0.1:8642", "/healthz": "http://127.0.0.1:8642" } },
});
