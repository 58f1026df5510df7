/** The slide that is open: from asking for it to letting go of it. */

import { closeViewing, openViewing, readSlide, Refusal, renewViewing, type Slide, type Viewing } from "../api/client";
import { slides } from "./slides.svelte";

/** Why nothing is shown. */
export type Obstacle =
  | { kind: "missing" }
  /** The slide itself tells why: being checked, or in quarantine. */
  | { kind: "notViewable" }
  | { kind: "ended" }
  /** The gate said no: at once, or later while somebody looked. */
  | { kind: "refused"; why: Why; later: boolean }
  | { kind: "failed"; refusal: Refusal };

/** A code with the server's own words, for those that have no translation. */
export type Why = { code: string; detail: string | null; nextStep: string | null };

const READY: readonly string[] = ["VERIFIED", "AVAILABLE"];

/** A viewing that ended without a reason was closed or ran out; there is nothing to explain. */
const endOf = (code: string | null, detail: string | null, nextStep: string | null): Obstacle =>
  code === null ? { kind: "ended" } : { kind: "refused", why: { code, detail, nextStep }, later: true };

class OpenViewing {
  viewing = $state.raw<Viewing | null>(null);
  obstacle = $state.raw<Obstacle | null>(null);
  #wanted: string | null = null;
  #checking = false;

  /** Let go of what was open and open this slide, unless it is open or on its way already. */
  async open(slideId: string): Promise<void> {
    if (this.#wanted === slideId && this.obstacle === null) return;
    this.close();
    this.#wanted = slideId;
    try {
      const viewing = await openViewing(slideId);
      if (this.#wanted !== slideId) {
        void closeViewing(viewing.id).catch(() => {});
        return;
      }
      slides.put(viewing.slide);
      this.viewing = viewing;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const obstacle = await this.#explain(slideId, error);
      if (this.#wanted === slideId) this.obstacle = obstacle;
    }
  }

  /** Safe to call at any time, also when the page is being left. */
  close(): void {
    this.#wanted = null;
    this.obstacle = null;
    if (this.viewing !== null) void closeViewing(this.viewing.id).catch(() => {});
    this.viewing = null;
  }

  /** The slide that is shown is no longer one for this person: at once if it says why itself. */
  lose(slide: Slide): void {
    if (READY.includes(slide.status)) void this.check();
    else this.#end({ kind: "notViewable" });
  }

  /** Go on after the screen was unlocked: what ended meanwhile is opened again, if the gate still allows it. */
  async resume(): Promise<void> {
    const slideId = this.viewing?.slide.id;
    await this.check();
    if (slideId !== undefined && this.viewing === null && this.#wanted === null) await this.open(slideId);
  }

  /** Say that somebody still looks and hear whether they may: every few seconds, and when tiles fail. */
  async check(): Promise<void> {
    const viewing = this.viewing;
    if (viewing === null || this.#checking) return;
    this.#checking = true;
    try {
      const over = await renewViewing(viewing.id).then(
        ({ state, code, detail, next_step }): Obstacle | null =>
          state === "OPEN" ? null : endOf(code ?? null, detail ?? null, next_step ?? null),
        (error: unknown): Obstacle | null =>
          error instanceof Refusal && [403, 404, 410].includes(error.status)
            ? endOf(error.status === 403 ? error.code : null, error.detail, error.nextStep)
            : null,
      );
      if (over !== null && this.viewing === viewing) this.#end(over);
    } finally {
      this.#checking = false;
    }
  }

  async #explain(slideId: string, refusal: Refusal): Promise<Obstacle> {
    if (refusal.status === 404 || refusal.status === 422) return { kind: "missing" };
    if (refusal.status === 0 || refusal.status >= 500) return { kind: "failed", refusal };
    try {
      const slide = await readSlide(slideId);
      slides.put(slide);
      if (!READY.includes(slide.status)) return { kind: "notViewable" };
    } catch {
      // Not even that there is such a slide may be told, or the line is down: the refusal says it all.
    }
    return { kind: "refused", why: refusal, later: false };
  }

  /** Stop showing. */
  #end(obstacle: Obstacle): void {
    if (this.viewing === null) return;
    this.close();
    this.obstacle = obstacle;
  }
}

export const openSlide = new OpenViewing();
