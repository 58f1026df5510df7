/** A slide's figures in words, the same everywhere. */

import type { Slide } from "../api/client";
import type { language as Language } from "../language/language.svelte";

/** Enough to tell scanners apart: 0,2461 and 0,25 are different ones. */
const SPACING_DECIMALS = 4;

export const captionOf = (slide: Slide, language: typeof Language): string =>
  slide.caption ?? language.texts.slide.noCaption;

export const sizeOf = ({ size }: Slide, language: typeof Language): string | null =>
  size && language.texts.slide.size(language.number(size.width), language.number(size.height));

export function spacingOf({ spacing }: Slide, language: typeof Language): string | null {
  if (!spacing) return null;
  const x = language.number(spacing.x, SPACING_DECIMALS);
  const y = language.number(spacing.y, SPACING_DECIMALS);
  return x === y ? language.texts.slide.spacing(x) : language.texts.slide.spacingBoth(x, y);
}

export const objectiveOf = ({ objective }: Slide, language: typeof Language): string | null =>
  objective === null ? null : language.texts.slide.objective(language.number(objective, 1));
