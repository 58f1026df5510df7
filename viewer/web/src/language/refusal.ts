/** Why the server said no, and what can be done about it, in the reader's language. */

import { Refusal } from "../api/client";
import type { language as Language } from "./language.svelte";

export type Reason = {
  why: string;
  /** Null where nobody knows better than to ask somebody. */
  next: string | null;
  /** The language of both: sentences that have no translation come as the server wrote them. */
  lang: string;
};

/** What a code says; `detail` and `nextStep` are the server's own words for what is not translated. */
export function reasonFor(
  language: typeof Language,
  { code, detail, nextStep }: { code: string | null; detail: string | null; nextStep: string | null },
): Reason {
  const known = code === null ? undefined : language.texts.rights.codes[code];
  if (known !== undefined) return { ...known, lang: language.code };
  if (detail) return { why: detail, next: nextStep, lang: "en" };
  return { ...language.texts.rights.codes["INTERNAL"]!, lang: language.code };
}

/** An error that was caught, as a reason; errors that are not the server's are thrown on. */
export function reasonOf(language: typeof Language, error: unknown): Reason {
  if (!(error instanceof Refusal)) throw error;
  const reason = reasonFor(language, error);
  if (error.code !== "TOO_MANY_ATTEMPTS" || error.retryAfter === null) return reason;
  return { ...reason, next: language.texts.rights.waitFor(Math.ceil(error.retryAfter / 60)) };
}
