/** Asking about signing in: who, under which assignment, from where. */

import { answer, client, type Json } from "./client";
import { take } from "../early";
import type { paths } from "./schema";

export type SessionState = Json<paths["/api/session"]["get"], 200>;
export type Person = NonNullable<SessionState["person"]>;
export type Assignment = NonNullable<SessionState["assignment"]>;
export type Permission = NonNullable<SessionState["permissions"]>[number];
export type Role = Assignment["roles"][number]["role"];
export type DemoProvider = NonNullable<SessionState["demo_providers"]>[number];
export type Enrolment = Json<paths["/api/session/enrolment"]["post"], 200>;
export type OtherSession = Json<paths["/api/session/others"]["get"], 200>[number];

/** One of the two shows again who somebody is; demo people show nothing. */
export type Proof = { password: string } | { code: string } | Record<string, never>;

export const readSession = (): Promise<SessionState> => 
  answer(client.GET("/api/session", { fetch: take("session") }));

export const signInAsDemo = (person_id: string, assignment_id: string): Promise<SessionState> =>
  answer(client.POST("/api/session", { body: { person_id, assignment_id } }));

/** The code is left out only by those who have not set up a telephone yet. */
export const signIn = (login: string, password: string, code: string): Promise<SessionState> =>
  answer(client.POST("/api/session", { body: code === "" ? { login, password } : { login, password, code } }));

export const signOut = (): Promise<unknown> => answer(client.DELETE("/api/session"));

/** Somebody is still there. */
export const noteActivity = (): Promise<SessionState> => answer(client.POST("/api/session/activity"));

export const unlock = (proof: Proof): Promise<SessionState> =>
  answer(client.POST("/api/session/unlock", { body: proof }));

export const proveAgain = (proof: Proof): Promise<SessionState> =>
  answer(client.POST("/api/session/reauthentication", { body: proof }));

export const chooseAssignment = (assignment_id: string): Promise<SessionState> =>
  answer(client.POST("/api/session/assignment", { body: { assignment_id } }));

/** A new secret for the telephone; the one before is void. */
export const startEnrolment = (): Promise<Enrolment> => answer(client.POST("/api/session/enrolment"));

export const confirmEnrolment = (code: string, new_password: string): Promise<SessionState> =>
  answer(client.PUT("/api/session/enrolment", { body: { code, new_password } }));

export const listOtherSessions = (): Promise<OtherSession[]> => answer(client.GET("/api/session/others"));

export const endOtherSession = (session_id: string): Promise<unknown> =>
  answer(client.DELETE("/api/session/others/{session_id}", { params: { path: { session_id } } }));
