/** Who is signed in here. */

import { type Person, readSession, signIn, signOut, whenSignedOut } from "../api/client";

class SessionStore {
  person = $state<Person | null>(null);
  demoPeople = $state.raw<Person[]>([]);
  state = $state<"asking" | "known" | "failed">("asking");
  /** True when the session ended by itself, so that the sign-in page can say so. */
  ended = $state(false);

  constructor() {
    whenSignedOut(() => this.end());
  }

  async ask(): Promise<void> {
    this.state = "asking";
    try {
      const { person, demo_people } = await readSession();
      this.person = person;
      this.demoPeople = demo_people;
      this.state = "known";
    } catch {
      this.state = "failed";
    }
  }

  async signIn(personId: string): Promise<void> {
    const { person, demo_people } = await signIn(personId);
    this.ended = false;
    this.person = person;
    this.demoPeople = demo_people;
  }

  async signOut(): Promise<void> {
    const { person } = this;
    // First here, so that nothing on this screen asks on behalf of somebody who has left.
    this.person = null;
    try {
      await signOut();
    } catch (error) {
      this.person = person;
      throw error;
    }
  }

  /** Find out whether silence means that the session is over. */
  async check(): Promise<void> {
    try {
      if ((await readSession()).person === null) this.end();
    } catch {
      // The server cannot be reached: that is no reason to send anyone away.
    }
  }

  end(): void {
    this.ended ||= this.person !== null;
    this.person = null;
  }
}

export const session = new SessionStore();
