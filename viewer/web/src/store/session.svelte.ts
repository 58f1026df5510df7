/** Who is signed in here, under which assignment, and until when. */

import { type Lapse, whenLapsed } from "../api/client";
import * as api from "../api/session";
import type { Assignment, Permission, Proof, SessionState } from "../api/session";

/** How far somebody has come; "ASKING" until the server was heard, "UNREACHABLE" if it was not. */
export type Step = SessionState["state"] | "ASKING" | "UNREACHABLE";

/** Milliseconds for which a proof of who somebody is counts as fresh. Source: domain rules, 11.4. */
const FRESH_MS = 5 * 60_000;

class SessionStore {
  #known = $state.raw<SessionState | null>(null);
  step = $state<Step>("ASKING");
  /** True when the session ended by itself, so that the sign-in page can say so. */
  ended = $state(false);
  /** Waits while the dialog asks for a proof: told whether it was given. */
  asked = $state.raw<((proven: boolean) => void) | null>(null);
  /** Server's clock minus this one's, in milliseconds. */
  #ahead = 0;

  person = $derived(this.#known?.person ?? null);
  assignment: Assignment | null = $derived(this.#known?.assignment ?? null);
  assignments: Assignment[] = $derived(this.#known?.assignments ?? []);
  demo = $derived(this.#known?.demo ?? false);
  demoProviders = $derived(this.#known?.demo_providers ?? []);
  /** Whether showing again who one is takes more than a click. */
  proofNeeded = $derived(this.#known?.method !== "DEMO");
  /** Somebody works here, even if the screen is locked just now: the page stays. */
  working = $derived(this.assignment !== null && (this.step === "ACTIVE" || this.step === "LOCKED"));
  locked = $derived(this.working && this.step === "LOCKED");

  constructor() {
    whenLapsed((lapse) => this.#heed(lapse));
  }

  may(permission: Permission): boolean {
    return this.#known?.permissions?.includes(permission) ?? false;
  }

  /** When the session locks, by the server's clock. */
  idleUntilThere = $derived(this.#known?.idle_until ?? null);

  /** The same by this computer's clock, in milliseconds. */
  get idleUntil(): number {
    return this.#here(this.idleUntilThere);
  }

  get endsAt(): number {
    return this.#here(this.#known?.ends_at);
  }

  get authenticatedAt(): string | null {
    return this.#known?.authenticated_at ?? null;
  }

  async ask(): Promise<void> {
    // Whoever has begun to sign in keeps what they have written.
    if (this.#known === null && this.step !== "ANONYMOUS") this.step = "ASKING";
    try {
      this.#take(await api.readSession());
    } catch {
      // Where somebody works already, a server that cannot be reached is no reason to send anyone away.
      if (this.#known === null) this.step = "UNREACHABLE";
    }
  }

  async signIn(login: string, password: string, code: string): Promise<void> {
    this.#begin(await api.signIn(login, password, code));
  }

  async signInAsDemo(personId: string, assignmentId: string): Promise<void> {
    this.#begin(await api.signInAsDemo(personId, assignmentId));
  }

  async confirmEnrolment(code: string, password: string): Promise<void> {
    this.#begin(await api.confirmEnrolment(code, password));
  }

  async choose(assignmentId: string): Promise<void> {
    this.#begin(await api.chooseAssignment(assignmentId));
  }

  async unlock(proof: Proof): Promise<void> {
    this.#take(await api.unlock(proof));
  }

  async proveAgain(proof: Proof): Promise<void> {
    this.#take(await api.proveAgain(proof));
  }

  async noteActivity(): Promise<void> {
    this.#take(await api.noteActivity());
  }

  async signOut(): Promise<void> {
    const { step } = this;
    // First here, so that nothing on this screen asks on behalf of somebody who has left.
    this.step = "ANONYMOUS";
    try {
      await api.signOut();
    } catch (error) {
      this.step = step;
      throw error;
    }
    this.#known = null;
    await this.ask();
  }

  /** Make sure that whoever sits here has shown lately who they are; asks them if not. */
  proven(): Promise<boolean> {
    const { authenticatedAt } = this;
    if (authenticatedAt !== null && Date.now() - this.#here(authenticatedAt) < FRESH_MS) return Promise.resolve(true);
    return this.prove();
  }

  /** Ask whoever sits here to show again who they are. */
  prove(): Promise<boolean> {
    this.asked?.(false);
    return new Promise((tell) => (this.asked = tell));
  }

  end(): void {
    if (this.step === "ANONYMOUS") return;
    this.ended = this.working;
    this.step = "ANONYMOUS";
    this.#known = null;
    // Whom the sign-in page offers is told to nobody who is signed in.
    void this.ask();
  }

  #begin(state: SessionState): void {
    this.ended = false;
    this.#take(state);
  }

  #take(state: SessionState): void {
    this.#ahead = Date.parse(state.now) - Date.now();
    if (state.state === "ANONYMOUS") this.ended ||= this.working;
    this.#known = state;
    this.step = state.state;
  }

  #heed(lapse: Lapse): void {
    if (lapse === "NOT_SIGNED_IN") this.end();
    else if (lapse === "SESSION_LOCKED" && this.working) this.step = "LOCKED";
    else void this.ask();
  }

  /** A moment by the server's clock as one by this computer's, in milliseconds; never, if there is none. */
  #here(moment: string | null | undefined): number {
    return moment == null ? Infinity : Date.parse(moment) - this.#ahead;
  }
}

export const session = new SessionStore();
