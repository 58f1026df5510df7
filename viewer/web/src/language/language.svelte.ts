/** The language of the screen: words, numbers and dates. */

import { remember, remembered } from "../store/preferences";
import { en } from "./en";
import { sv, type Texts } from "./sv";

export type Code = "sv" | "en";

const dictionaries: Record<Code, Texts> = { sv, en };
/** As CLDR has them. By hand, for the browser's own Intl.NumberFormat takes a slow computer 0.1 s to make. */
const marks: Record<Code, { decimal: string; group: string; minus: string; percent: string }> = {
  sv: { decimal: ",", group: "\u00a0", minus: "\u2212", percent: "\u00a0%" },
  en: { decimal: ".", group: ",", minus: "-", percent: "%" },
};

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
    const { decimal, group, minus } = marks[this.code];
    const [whole = "", part = ""] = Math.abs(value).toFixed(decimals).split(".");
    const shown = [whole.replace(/\B(?=(\d{3})+$)/g, group), part.replace(/0+$/, "")].filter(Boolean).join(decimal);
    return value < 0 && shown !== "0" ? minus + shown : shown;
  }

  percent(share: number, decimals = 0): string {
    return this.number(share * 100, decimals) + marks[this.code].percent;
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
