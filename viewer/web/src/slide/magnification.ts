/**
 * From zoom to magnification and back.
 *
 * Zoom counts CSS pixels, not the screen's own: 96 to the inch by definition, so that a magnification
 * looks equally large on an ordinary screen and on one of double density.
 */

import type { Slide } from "../api/client";

/** Micrometres per pixel times magnification at 1:1: 0.25 µm/px is 40x. */
const MICROMETRES_PER_PIXEL_AT_1X = 10;

/** What keys 1 to 6 ask for. */
export const POWERS = [1, 2, 5, 10, 20, 40] as const;

/** What + and - multiply and divide by. */
export const ZOOM_FACTOR = 1.5;

/** Further in, a pixel only grows. */
export const LARGEST_ZOOM = 2;

export type Ground =
  /** `atFull` is the magnification at zoom 1. */
  | { by: "spacing"; atFull: number }
  | { by: "objective"; atFull: number }
  /** Nothing is known: full resolution takes the place of 40x and figures are shares of it. */
  | { by: "pixels"; atFull: 40 };

export function groundOf(slide: Pick<Slide, "spacing" | "objective">): Ground {
  if (slide.spacing) {
    const { x, y } = slide.spacing;
    return { by: "spacing", atFull: MICROMETRES_PER_PIXEL_AT_1X / ((x + y) / 2) };
  }
  if (slide.objective) return { by: "objective", atFull: slide.objective };
  return { by: "pixels", atFull: 40 };
}

export const powerAt = (zoom: number, ground: Ground): number => zoom * ground.atFull;
export const zoomFor = (power: number, ground: Ground): number => power / ground.atFull;

/** Whether a window may zoom in that far; a hair's breadth of rounding in spacing is forgiven. */
export const reachable = (power: number, ground: Ground): boolean =>
  zoomFor(power, ground) <= LARGEST_ZOOM * 1.02;
