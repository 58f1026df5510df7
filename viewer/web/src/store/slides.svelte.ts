/** Every slide this person may see, kept current by the server's events. */

import { SvelteMap } from "svelte/reactivity";
import { listSlides, Refusal, type Slide, type SlideList } from "../api/client";
import { listen } from "../api/events";
import { session } from "./session.svelte";

/** Slides that are fetched at once; the rest comes when it is asked for. */
const PAGE = 100;

const newestFirst = (a: Slide, b: Slide): number =>
  Date.parse(b.received_at) - Date.parse(a.received_at) || b.number - a.number;

class SlidesStore {
  #byId = new SvelteMap<string, Slide>();
  all = $derived([...this.#byId.values()].sort(newestFirst));
  viewable = $derived(this.all.filter((slide) => slide.viewable));
  state = $state<"loading" | "loaded" | "failed">("loading");
  refusal = $state.raw<Refusal | null>(null);
  /** Where to go on; null when everything is here. */
  next = $state<number | null>(null);
  /** "connecting" until first heard; afterwards whether the server can be heard now. */
  line = $state<"connecting" | "up" | "lost">("connecting");
  /** Counts the times the line came up: whoever holds something open can look after it then. */
  connections = $state(0);
  /** Where the list is taken up again after the viewer. */
  lastOpened: string | null = null;

  get(id: string): Slide | undefined {
    return this.#byId.get(id);
  }

  put(slide: Slide): void {
    const held = this.#byId.get(slide.id);
    // An event may have overtaken the list that was asked for before it.
    if (held === undefined || slide.version >= held.version) this.#byId.set(slide.id, slide);
  }

  async load(): Promise<void> {
    try {
      const found: Slide[] = [];
      let next: number | null = null;
      // As far down as was shown before.
      do {
        const page: SlideList = await listSlides(PAGE, next);
        found.push(...page.slides);
        next = page.next;
      } while (next !== null && found.length < this.#byId.size);
      const ids = new Set(found.map((slide) => slide.id));
      for (const id of [...this.#byId.keys()]) if (!ids.has(id)) this.#byId.delete(id);
      for (const slide of found) this.put(slide);
      this.next = next;
      this.state = "loaded";
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refusal = error;
      // A list that is shown already stays: old rows help more than an error does.
      if (this.state !== "loaded") this.state = "failed";
    }
  }

  /** Fetch the next page. Raises a `Refusal`. */
  async more(): Promise<void> {
    if (this.next === null) return;
    const { slides, next } = await listSlides(PAGE, this.next);
    for (const slide of slides) this.put(slide);
    this.next = next;
  }

  /** Fetch and follow until the returned function is called. */
  follow(): () => void {
    // Asked for at once, for a proxy may hold events back.
    void this.load();
    const stop = listen({
      connected: () => {
        this.line = "up";
        this.connections += 1;
      },
      stale: () => void this.load(),
      lost: () => {
        this.line = "lost";
        void session.ask();
      },
      slide: (slide) => this.put(slide),
      session: () => void session.ask(),
    });
    return () => {
      stop();
      this.line = "connecting";
    };
  }

  /** Somebody else works here now, or nobody: what one could see is not for the next. */
  forget(): void {
    this.#byId.clear();
    this.next = null;
    this.state = "loading";
    this.connections = 0;
    this.lastOpened = null;
  }
}

export const slides = new SlidesStore();
