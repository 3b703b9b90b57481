declare module "*.css";
/** The part of abcjs that draws. */
declare module "abcjs/src/api/abc_tunebook_svg.js" {
  import type { renderAbc } from "abcjs";
  const render: typeof renderAbc;
  export default render;
}
