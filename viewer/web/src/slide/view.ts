/** Where on a slide somebody is looking, and its form in an address. */

export type View = {
  /** Centre of the window, in level-0 pixels of the full canvas. */
  x: number;
  y: number;
  /** CSS pixels on screen for one level-0 pixel. */
  zoom: number;
  /** Degrees clockwise, 0 to under 360. */
  rotation: number;
};

export const turned = (degrees: number): number => ((degrees % 360) + 360) % 360;

export function hashOf({ x, y, zoom, rotation }: View): string {
  const parts = [`x=${x.toFixed(1)}`, `y=${y.toFixed(1)}`, `zoom=${Number(zoom.toPrecision(6))}`];
  const angle = turned(Math.round(rotation * 10) / 10);
  if (angle !== 0) parts.push(`rotation=${angle}`);
  return `#${parts.join("&")}`;
}

/** null for an address that names no view, or not one that can be shown. */
export function viewOf(hash: string): View | null {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const number = (name: string): number => Number.parseFloat(parts.get(name) ?? "");
  const [x, y, zoom] = [number("x"), number("y"), number("zoom")];
  if (!Number.isFinite(x) || !Number.isFinite(y) || !(zoom > 0) || !Number.isFinite(zoom)) return null;
  const rotation = number("rotation");
  return { x, y, zoom, rotation: Number.isFinite(rotation) ? turned(rotation) : 0 };
}
