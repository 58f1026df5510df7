/** What changed without anybody looking there: spoken by screen readers, and shown where it must be seen. */

/** Milliseconds a notice stays in sight. */
const NOTICE_MS = 4000;

class Announcements {
  spoken = $state("");
  shown = $state("");
  #timer: ReturnType<typeof setTimeout> | undefined;

  say(text: string): void {
    // An equal text twice running would not be read twice.
    this.spoken = this.spoken === text ? `${text}\u00a0` : text;
  }

  show(text: string): void {
    this.say(text);
    this.shown = text;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.shown = ""), NOTICE_MS);
  }
}

export const announcements = new Announcements();
