/** Every slide this person may see, kept current by the server's events. */

import { SvelteMap } from "svelte/reactivity";
import { listSlides, Refusal, type Slide } from "../api/client";
import { listen } from "../api/events";
import { session } from "./session.svelte";

const newestFirst = (a: Slide, b: Slide): number =>
  Date.parse(b.received_at) - Date.parse(a.received_at) || b.number - a.number;

class SlidesStore {
  #byId = new SvelteMap<string, Slide>();
  all = $derived([...this.#byId.values()].sort(newestFirst));
  viewable = $derived(this.all.filter((slide) => slide.viewable));
  state = $state<"loading" | "loaded" | "failed">("loading");
  refusal = $state.raw<Refusal | null>(null);
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
      const slides = await listSlides();
      const ids = new Set(slides.map((slide) => slide.id));
      for (const id of [...this.#byId.keys()]) if (!ids.has(id)) this.#byId.delete(id);
      for (const slide of slides) this.put(slide);
      this.state = "loaded";
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.refusal = error;
      // A list that is shown already stays: old rows help more than an error does.
      if (this.state !== "loaded") this.state = "failed";
    }
  }

  /** Fetch and follow until the returned function is called. */
  follow(): () => void {
    this.state = "loading";
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
        void session.check();
      },
      slide: (slide) => this.put(slide),
      sessionEnded: () => session.end(),
    });
    return () => {
      stop();
      this.#byId.clear();
      this.line = "connecting";
    };
  }
}

export const slides = new SlidesStore();
