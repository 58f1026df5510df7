/** Which page the address names. The only router there is. */

export type Place =
  | { page: "slides" }
  | { page: "slide"; id: string }
  | { page: "access" }
  | { page: "start" }
  | { page: "nowhere" };

function placeOf(path: string): Place {
  if (path === "/") return { page: "start" };
  if (path === "/slides" || path === "/slides/") return { page: "slides" };
  if (path === "/access" || path === "/access/") return { page: "access" };
  const id = /^\/slides\/([0-9a-f-]{36})$/i.exec(path)?.[1];
  return id === undefined ? { page: "nowhere" } : { page: "slide", id };
}

class Address {
  #path = $state(location.pathname);
  place = $derived(placeOf(this.#path));

  constructor() {
    addEventListener("popstate", () => (this.#path = location.pathname));
  }

  go(path: string, { replace = false } = {}): void {
    if (replace) history.replaceState(null, "", path);
    else history.pushState(null, "", path);
    this.#path = location.pathname;
  }
}

export const address = new Address();

/** Let an ordinary link change the page without loading it anew; other clicks stay the browser's. */
export function follow(event: MouseEvent & { currentTarget: HTMLAnchorElement }): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  address.go(event.currentTarget.pathname);
}

export const slidePath = (id: string): string => `/slides/${id}`;
