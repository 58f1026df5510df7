/** The one way to ask the server anything: typed by its own description, one kind of error. */

import createClient from "openapi-fetch";
import type { paths } from "./schema";

type Json<Operation, Status extends number> = Operation extends {
  responses: Record<Status, { content: { "application/json": infer Body } }>;
}
  ? Body
  : never;

export type Session = Json<paths["/api/session"]["get"], 200>;
export type Person = NonNullable<Session["person"]>;
export type Slide = Json<paths["/api/slides"]["get"], 200>["slides"][number];
export type Viewing = Json<paths["/api/viewings"]["post"], 201>;
export type ViewingState = Json<paths["/api/viewings/{viewing_id}"]["get"], 200>["state"];

/** The server was asked and said no, or could not be asked at all (`status` 0). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    /** A sentence by the server, in English; empty when it gave none. */
    readonly detail: string,
  ) {
    super(`${code} (${status}): ${detail}`);
    this.name = "Refusal";
  }
}

const client = createClient<paths>({ baseUrl: location.origin });

/** Called whenever the server no longer knows who is asking. */
let onSignedOut = (): void => {};
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

type Reply<Body> = { data?: Body; error?: unknown; response: Response };

async function answer<Body>(asking: Promise<Reply<Body>>): Promise<Body> {
  let reply: Reply<Body>;
  try {
    reply = await asking;
  } catch {
    throw new Refusal(0, "UNREACHABLE", "");
  }
  if (reply.response.ok) return reply.data as Body;
  if (reply.response.status === 401) onSignedOut();
  const problem = (typeof reply.error === "object" && reply.error !== null ? reply.error : {}) as {
    code?: unknown;
    detail?: unknown;
  };
  throw new Refusal(
    reply.response.status,
    typeof problem.code === "string" ? problem.code : "UNKNOWN",
    typeof problem.detail === "string" ? problem.detail : "",
  );
}

export const readSession = (): Promise<Session> => answer(client.GET("/api/session"));

export const signIn = (person_id: string): Promise<Session> =>
  answer(client.POST("/api/session", { body: { person_id } }));

export const signOut = (): Promise<unknown> => answer(client.DELETE("/api/session"));

export const listSlides = async (): Promise<Slide[]> => (await answer(client.GET("/api/slides"))).slides;

export const readSlide = (slide_id: string): Promise<Slide> =>
  answer(client.GET("/api/slides/{slide_id}", { params: { path: { slide_id } } }));

export const openViewing = (slide_id: string): Promise<Viewing> =>
  answer(client.POST("/api/viewings", { body: { slide_id } }));

export const viewingState = async (viewing_id: string): Promise<ViewingState> =>
  (await answer(client.GET("/api/viewings/{viewing_id}", { params: { path: { viewing_id } } }))).state;

/** Outlives the page, so that closing the window ends the viewing too. */
export const closeViewing = (viewing_id: string): Promise<unknown> =>
  answer(
    client.DELETE("/api/viewings/{viewing_id}", { params: { path: { viewing_id } }, keepalive: true }),
  );

export const thumbnailAddress = (slide: Slide): string | null =>
  slide.images.includes("thumbnail") ? `/api/slides/${slide.id}/thumbnail.jpg` : null;

export const macroAddress = (slide: Slide): string | null =>
  slide.images.includes("macro") ? `/api/slides/${slide.id}/macro.jpg` : null;
