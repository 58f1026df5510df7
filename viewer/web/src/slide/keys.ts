/** The keys that move the slide under the microscope. */

import type { Keys } from "../store/shortcuts.svelte";
import { POWERS, ZOOM_FACTOR } from "./magnification";
import type { Microscope } from "./microscope";

type Step = -1 | 0 | 1;

export function microscopeKeys(
  microscope: () => Microscope | null,
  magnify: (power: number) => void,
): Keys {
  const pan = (right: Step, down: Step, by: "step" | "field") => () => microscope()?.pan(right, down, by);
  const zoom = (factor: number) => () => microscope()?.zoomBy(factor);
  return {
    ArrowLeft: pan(-1, 0, "step"),
    ArrowRight: pan(1, 0, "step"),
    ArrowUp: pan(0, -1, "step"),
    ArrowDown: pan(0, 1, "step"),
    "Shift+ArrowLeft": pan(-1, 0, "field"),
    "Shift+ArrowRight": pan(1, 0, "field"),
    "Shift+ArrowUp": pan(0, -1, "field"),
    "Shift+ArrowDown": pan(0, 1, "field"),
    "+": zoom(ZOOM_FACTOR),
    "=": zoom(ZOOM_FACTOR),
    "-": zoom(1 / ZOOM_FACTOR),
    ...Object.fromEntries(POWERS.map((power, i) => [String(i + 1), () => magnify(power)])),
    7: () => microscope()?.fit(),
    0: () => microscope()?.rotateTo(0),
    r: () => microscope()?.rotateBy(90),
    "Shift+r": () => microscope()?.rotateBy(-90),
  };
}
