/** The language of the screen: words, numbers and dates. */

import { remember, remembered } from "../store/preferences";
import { en } from "./en";
import { sv, type Texts } from "./sv";

export type Code = "sv" | "en";

const dictionaries: Record<Code, Texts> = { sv, en };
const locales: Record<Code, string> = { sv: "sv-SE", en: "en-GB" };

/** Made once each: making one takes longer than everything else that is done for a frame of a movement. */
const formats = new Map<string, Intl.NumberFormat>();

function format(code: Code, style: "decimal" | "percent", decimals: number): Intl.NumberFormat {
  const key = `${code} ${style} ${decimals}`;
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.NumberFormat(locales[code], { style, maximumFractionDigits: decimals });
    formats.set(key, found);
  }
  return found;
}

class Language {
  code = $state<Code>(remembered("language") === "en" ? "en" : "sv");
  texts = $derived(dictionaries[this.code]);

  constructor() {
    document.documentElement.lang = this.code;
  }

  choose(code: Code): void {
    this.code = code;
    document.documentElement.lang = code;
    remember("language", code);
  }

  /** `decimals` at most; noughts at the end are left out. */
  number(value: number, decimals = 0): string {
    return format(this.code, "decimal", decimals).format(value);
  }

  percent(share: number, decimals = 0): string {
    return format(this.code, "percent", decimals).format(share);
  }

  /** 3 significant digits and an SI prefix, as file managers and scanners count. */
  bytes(count: number): string {
    const units = ["B", "kB", "MB", "GB", "TB"];
    const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(count, 1)) / 3));
    const value = count / 1000 ** power;
    return `${this.number(value, value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[power]}`;
  }

  /** `2026-11-22 14:05`. A time without a zone is the scanner's own clock and shown as it stands. */
  time(stamp: string): string {
    const plain = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?)?$/.exec(stamp);
    if (plain !== null) return plain[2] === undefined ? `${plain[1]}` : `${plain[1]} ${plain[2]}`;
    const date = new Date(stamp);
    if (Number.isNaN(date.getTime())) return stamp;
    const two = (part: number): string => String(part).padStart(2, "0");
    return (
      `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
      `${two(date.getHours())}:${two(date.getMinutes())}`
    );
  }
}

export const language = new Language();
