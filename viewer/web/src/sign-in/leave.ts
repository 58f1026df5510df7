/** The way out, wherever the button is. */

import { language } from "../language/language.svelte";
import { announcements } from "../store/announcements.svelte";
import { session } from "../store/session.svelte";

export async function signOut(): Promise<void> {
  try {
    await session.signOut();
  } catch {
    announcements.show(language.texts.rights.signIn.signOutFailed);
  }
}
