/** The one way to ask the server anything: typed by its own description, one kind of error. */

import createClient from "openapi-fetch";
import { take } from "../early";
import type { paths } from "./schema";

export type Json<Operation, Status extends number> = Operation extends {
  responses: Record<Status, { content: { "application/json": infer Body } }>;
}
  ? Body
  : never;

export type SlideList = Json<paths["/api/slides"]["get"], 200>;
export type Slide = SlideList["slides"][number];
export type Viewing = Json<paths["/api/viewings"]["post"], 201>;
export type ViewingState = Json<paths["/api/viewings/{viewing_id}/renewals"]["post"], 200>;

/** The server was asked and said no, or could not be asked at all (`status` 0). */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    /** What `refusals.ts` translates by. */
    readonly code: string,
    /** A sentence by the server, in English; empty when it gave none. */
    readonly detail: string,
    /** What a person can do about it, in English. */
    readonly nextStep: string | null = null,
    /** Which part of what was sent is wrong. */
    readonly field: string | null = null,
    /** The moves that are possible now. */
    readonly allowed: readonly string[] = [],
    /** Seconds after which asking again has a chance. */
    readonly retryAfter: number | null = null,
  ) {
    super(`${code} (${status}): ${detail}`);
    this.name = "Refusal";
  }
}

export const client = createClient<paths>({ baseUrl: location.origin });

/** What nobody asked for just now: it keeps no session from locking. */
export const unasked = { "samsyn-background": "1" } as const;

/** The session is not what this page takes it for. */
export type Lapse = "NOT_SIGNED_IN" | "SESSION_LOCKED" | "ASSIGNMENT_MISSING" | "ENROLMENT_MISSING";
const LAPSES: readonly string[] = [
  "NOT_SIGNED_IN",
  "SESSION_LOCKED",
  "ASSIGNMENT_MISSING",
  "ENROLMENT_MISSING",
] satisfies Lapse[];

let onLapse = (_lapse: Lapse): void => {};
export function whenLapsed(listener: (lapse: Lapse) => void): void {
  onLapse = listener;
}

type Reply<Body> = { data?: Body; error?: unknown; response: Response };

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

function refusalOf({ error, response }: Reply<unknown>): Refusal {
  const problem: Partial<Record<"code" | "detail" | "next_step" | "field" | "allowed", unknown>> =
    typeof error === "object" && error !== null ? error : {};
  const allowed = Array.isArray(problem.allowed) ? problem.allowed.filter((move) => typeof move === "string") : [];
  return new Refusal(
    response.status,
    text(problem.code) ?? "UNKNOWN",
    text(problem.detail) ?? "",
    text(problem.next_step),
    text(problem.field),
    allowed,
    Number(response.headers.get("retry-after")) || null,
  );
}

export async function answer<Body>(asking: Promise<Reply<Body>>): Promise<Body> {
  let reply: Reply<Body>;
  try {
    reply = await asking;
  } catch {
    throw new Refusal(0, "UNREACHABLE", "");
  }
  if (reply.response.ok) return reply.data as Body;
  const refusal = refusalOf(reply);
  if (LAPSES.includes(refusal.code)) onLapse(refusal.code as Lapse);
  throw refusal;
}

/** `before`: only slides with lower numbers, as `next` of the page before said. */
export const listSlides = (limit: number, before: number | null): Promise<SlideList> =>
  answer(
    client.GET("/api/slides", {
      params: { query: before === null ? { limit } : { limit, before } },
      headers: unasked,
    }),
  );

export const readSlide = (slide_id: string): Promise<Slide> =>
  answer(client.GET("/api/slides/{slide_id}", { params: { path: { slide_id } }, headers: unasked }));

export const openViewing = (slide_id: string): Promise<Viewing> =>
  answer(client.POST("/api/viewings", { body: { slide_id }, fetch: take(`viewing ${slide_id}`) }));

/** Say that somebody still looks, and hear whether they may. */
export const renewViewing = (viewing_id: string): Promise<ViewingState> =>
  answer(
    client.POST("/api/viewings/{viewing_id}/renewals", { params: { path: { viewing_id } }, headers: unasked }),
  );

/** Outlives the page, so that closing the window ends the viewing too. */
export const closeViewing = (viewing_id: string): Promise<unknown> =>
  answer(
    client.DELETE("/api/viewings/{viewing_id}", { params: { path: { viewing_id } }, keepalive: true }),
  );

export const thumbnailAddress = (slide: Slide): string | null =>
  slide.images.includes("thumbnail") ? `/api/slides/${slide.id}/thumbnail.jpg` : null;

export const macroAddress = (slide: Slide): string | null =>
  slide.images.includes("macro") ? `/api/slides/${slide.id}/macro.jpg` : null;
