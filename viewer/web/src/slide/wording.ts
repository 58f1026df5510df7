/** Magnification in words. */

import type { language as Language } from "../language/language.svelte";
import { type Ground, powerAt } from "./magnification";

/** As exact as reading wants it: 0,63 4,3 20. */
const decimalsFor = (value: number): number => (value < 1 ? 2 : value < 10 ? 1 : 0);

/** "20×", or "50 %" of full resolution where nothing else is known. */
export function powerIn(language: typeof Language, power: number, ground: Ground): string {
  if (ground.by === "pixels") {
    return language.percent(power / ground.atFull, 1);
  }
  return language.texts.viewer.magnify(language.number(power, decimalsFor(power)));
}

export const magnificationIn = (language: typeof Language, zoom: number, ground: Ground): string =>
  powerIn(language, powerAt(zoom, ground), ground);
