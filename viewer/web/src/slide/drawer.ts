/** Which of OpenSeadragon's drawers suit this computer. */

/** Renderers that compute on the processor: there the plain canvas is ten times faster. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render|software/i;

/** The graphics processor's name as WebGL gives it; null without WebGL. */
function renderer(): string | null {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (gl === null) return null;
  const names = gl.getExtension("WEBGL_debug_renderer_info");
  const name: unknown = gl.getParameter(names === null ? gl.RENDERER : names.UNMASKED_RENDERER_WEBGL);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return typeof name === "string" ? name : null;
}

export type Drawer = "webgl" | "canvas";

let drawers: Drawer[] | undefined;

/** In order of preference. `?drawer=canvas` in the address settles it, for tests. */
export function drawersForThisComputer(): Drawer[] {
  if (new URLSearchParams(location.search).get("drawer") === "canvas") return ["canvas"];
  if (drawers === undefined) {
    const name = renderer();
    drawers = name === null || SOFTWARE.test(name) ? ["canvas"] : ["webgl", "canvas"];
  }
  return drawers;
}
