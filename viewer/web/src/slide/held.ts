/**
 * Tiles that were asked for before they are wanted, held in memory until the viewer takes them.
 *
 * They are a patient's: unless their owner says otherwise, a browser keeps nothing of them anywhere else, and what
 * is not held here would be asked for twice.
 */

/** As many as lie around a large window, a few times over; the oldest go first. */
const MOST = 400;

const held = new Map<string, HTMLImageElement>();

/** Whether a tile is here, or on its way. */
export const holds = (address: string): boolean => held.has(address);

/** Ask for a tile and hold it. */
export function hold(address: string, priority: "auto" | "low" = "auto"): HTMLImageElement {
  const image = new Image();
  image.fetchPriority = priority;
  image.src = address;
  held.set(address, image);
  for (const oldest of held.keys()) {
    if (held.size <= MOST) break;
    held.delete(oldest);
  }
  return image;
}

/** Hold nothing any longer. */
export const letGo = (): void => held.clear();

/** Give a tile away; undefined where it must be asked for, or came to nothing. */
export function takeHeld(address: string): HTMLImageElement | undefined {
  const image = held.get(address);
  held.delete(address);
  return image?.complete && image.naturalWidth === 0 ? undefined : image;
}
