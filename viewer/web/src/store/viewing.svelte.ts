/** The slide that is open: from asking for it to letting go of it. */

import { closeViewing, openViewing, readSlide, Refusal, type Viewing, viewingState } from "../api/client";
import { slides } from "./slides.svelte";

/** Why nothing is shown. */
export type Obstacle =
  | { kind: "missing" }
  /** The slide itself tells why: being checked, or in quarantine. */
  | { kind: "notViewable" }
  | { kind: "ended" }
  | { kind: "failed"; refusal: Refusal };

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

  /** Stop showing, whatever the server says. */
  end(kind: "ended" | "notViewable"): void {
    if (this.viewing === null) return;
    this.close();
    this.obstacle = { kind };
  }

  /** Ask whether this viewing still stands: when tiles fail, and whenever events may have been missed. */
  async check(): Promise<void> {
    const viewing = this.viewing;
    if (viewing === null || this.#checking) return;
    this.#checking = true;
    try {
      const over = await viewingState(viewing.id).then(
        (state) => state === "ENDED",
        (error: unknown) => error instanceof Refusal && [403, 404, 410].includes(error.status),
      );
      if (over && this.viewing === viewing) this.end("ended");
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
      return slide.viewable ? { kind: "failed", refusal } : { kind: "notViewable" };
    } catch {
      return { kind: "failed", refusal };
    }
  }
}

export const openSlide = new OpenViewing();
