/** What a person has chosen in this browser. A browser that refuses to remember is no error. */

export function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`samsyn.${name}`);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`samsyn.${name}`, value);
  } catch {
    // Private windows and locked-down computers: the choice then lasts as long as the page.
  }
}
