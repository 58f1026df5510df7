/** The scale bar's arithmetic. */

export type ScaleBar = { micrometres: number; pixels: number };

/** In micrometres; steps of 1, 2 and 5 can be halved and doubled in the head. */
const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000];

/**
 * Micrometres that one CSS pixel along the bar stands for.
 *
 * With unequal spacing a level bar on a turned slide lies across both of its axes.
 */
export function micrometresPerPixel(
  spacing: { x: number; y: number },
  zoom: number,
  rotation: number,
): number {
  const angle = (rotation * Math.PI) / 180;
  return Math.hypot(spacing.x * Math.cos(angle), spacing.y * Math.sin(angle)) / zoom;
}

/** The longest round length of at most `longest` CSS pixels; null if even the shortest is longer. */
export function scaleBar(micrometresPerPixel: number, longest: number): ScaleBar | null {
  const micrometres = LENGTHS.findLast((length) => length / micrometresPerPixel <= longest);
  return micrometres === undefined ? null : { micrometres, pixels: micrometres / micrometresPerPixel };
}
