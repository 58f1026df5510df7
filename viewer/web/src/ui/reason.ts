/** Why a slide is in quarantine or has no pyramid, in the reader's language. */

import type { Slide } from "../api/client";
import type { Texts } from "../language/sv";

export const reasonIn = (texts: Texts, { code }: NonNullable<Slide["reason"]>): string =>
  texts.slide.reasons[code] ?? texts.slide.unknownReason;
