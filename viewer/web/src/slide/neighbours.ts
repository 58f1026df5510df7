/**
 * Fetching what lies around the view while nothing else is asked for, so that the next step is there at once.
 *
 * The tiles come into the browser's own cache, not into the viewer's memory: they cost the line an idle
 * moment and nobody anything else.
 */

/** How many are asked for at once: few, so that a movement finds the line free. */
const AT_ONCE = 2;

export class Neighbours {
  readonly #known = new Set<string>();
  #waiting: string[] = [];
  #loading = new Set<HTMLImageElement>();

  /** Say that a tile is here already. */
  know(address: string): void {
    this.#known.add(address);
  }

  /** Fetch these, the first ones first, instead of what was still waiting. */
  fetch(addresses: string[]): void {
    this.#waiting = addresses.filter((address) => !this.#known.has(address));
    while (this.#loading.size < AT_ONCE && this.#waiting.length > 0) this.#next();
  }

  /** Ask for nothing more; what is on its way may come. */
  stop(): void {
    this.#waiting = [];
  }

  #next(): void {
    const address = this.#waiting.shift();
    if (address === undefined) return;
    const image = new Image();
    const done = (): void => {
      this.#loading.delete(image);
      this.#next();
    };
    image.fetchPriority = "low";
    image.onload = done;
    // A tile that cannot be had is told about when it is looked at.
    image.onerror = done;
    this.#known.add(address);
    this.#loading.add(image);
    image.src = address;
  }
}
