/** Asking about agreements: what holds, and what two care providers still lack. */

import { answer, client, type Json } from "./client";
import type { paths } from "./schema";

export type Agreement = Json<paths["/api/agreements"]["get"], 200>["items"][number];
export type Checklist = Json<paths["/api/checklists"]["get"], 200>["items"][number];

/** As many as a page can show; there are a handful per care provider. */
const ALL = 200;

export const listAgreements = async (): Promise<Agreement[]> =>
  (await answer(client.GET("/api/agreements", { params: { query: { limit: ALL } } }))).items;

export const listChecklists = async (): Promise<Checklist[]> => (await answer(client.GET("/api/checklists"))).items;

/** Names of care providers, by id. */
export const readNames = async (): Promise<Map<string, string>> => {
  const { items } = await answer(client.GET("/api/organisations", { params: { query: { limit: ALL } } }));
  return new Map(items.map(({ id, name }) => [id, name]));
};
