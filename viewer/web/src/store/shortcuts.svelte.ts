/** Keys: which are pressed, and whether single ones may act (WCAG 2.1, 2.1.4). */

import { remember, remembered } from "./preferences";

class Shortcuts {
  singleKeys = $state(remembered("single-keys") !== "off");

  choose(on: boolean): void {
    this.singleKeys = on;
    remember("single-keys", on ? "on" : "off");
  }
}

export const shortcuts = new Shortcuts();

/**
 * What each key does. Letters are lower case, with "Shift+" before them where it is held; named keys
 * ("ArrowLeft", "PageDown") are as in KeyboardEvent.key.
 */
export type Keys = Record<string, () => void>;

const TYPING = "input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable]";

/** Whose arrow keys are their own: sliders, and panels that scroll. */
const OWN_ARROWS = "input[type=range], [data-scrolls]";

function nameOf(event: KeyboardEvent): string | null {
  const graph = event.getModifierState("AltGraph");
  if (event.metaKey || (event.ctrlKey && !graph)) return null;
  // Swedish keyboards make brackets with AltGr, or with the option key on a Mac.
  if (event.altKey && !graph && !"[]".includes(event.key)) return null;
  if (event.key.length > 1) return event.shiftKey ? `Shift+${event.key}` : event.key;
  const key = event.key.toLowerCase();
  return event.shiftKey && key !== event.key.toUpperCase() ? `Shift+${key}` : key;
}

/** Let keys act until the returned function is called. */
export function listenForKeys(keys: Keys): () => void {
  const pressed = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    const name = nameOf(event);
    const act = name === null ? undefined : keys[name];
    if (name === null || act === undefined) return;
    const at = event.target instanceof Element ? event.target : document.body;
    if (at.closest(TYPING) !== null || document.querySelector("dialog[open]") !== null) return;
    const single = name.replace("Shift+", "").length === 1;
    if (single && !shortcuts.singleKeys) return;
    if (name.includes("Arrow") && at.closest(OWN_ARROWS) !== null) return;
    event.preventDefault();
    act();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
