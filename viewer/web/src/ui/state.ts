/** A slide's state as one shape and one word: status and pyramid together. */

import type { Slide } from "../api/client";

export type StateName = "received" | "verifying" | "verified" | "building" | "available" | "quarantined";

export function stateOf(slide: Pick<Slide, "status" | "pyramid">): StateName {
  switch (slide.status) {
    case "RECEIVED":
      return "received";
    case "VERIFYING":
      return "verifying";
    case "VERIFIED":
      return slide.pyramid === "BUILDING" ? "building" : "verified";
    case "AVAILABLE":
      return "available";
    case "QUARANTINED":
      return "quarantined";
  }
}
