/** Every care provider has one of the quiet colours of `tokens.css`, the same on every screen and computer. */

const COLOURS = 8;

/** By the name, which is the same wherever Samsyn runs. */
export function colourOf({ name }: { name: string }): number {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)!) >>> 0;
  return sum % COLOURS;
}
