/** An assignment in words. */

import type { Assignment } from "../api/session";
import type { Texts } from "../language/sv";

/** "Klinisk patologi, Sektion Norrköping". */
export const placeOf = ({ unit, department }: Assignment): string =>
  department === null || department.name === unit.name ? unit.name : `${unit.name}, ${department.name}`;

/** Each role once, however many departments it is held for. */
export const rolesOf = ({ roles }: Assignment, texts: Texts): string[] => [
  ...new Set(roles.map(({ role }) => texts.rights.roles[role])),
];
