import type { PullProgress } from "./types.ts";

/** The keys are a promise to programs: see docs/progress.md before changing them. */
export function pullEventJson(event: PullProgress): Record<string, unknown> {
  switch (event.kind) {
    case "resolving":
      return { event: "resolving", reference: event.reference };
    case "resolved": {
      const layers = event.layers.map(({ digest, size, present }) => ({ digest, size, present }));
      const { reference, digest, platform } = event;
      return { event: "resolved", reference, digest, platform, layers };
    }
    case "layer":
      return { event: "progress", digest: event.digest, bytes: event.bytes, size: event.size };
    case "waiting":
    case "stored":
      return { event: event.kind, digest: event.digest };
    case "retry": {
      const { what, attempt, delayMs, reason } = event;
      return { event: "retry", what, attempt, delay_ms: delayMs, reason };
    }
    case "merging":
      return { event: "merging" };
    case "done": {
      const { reference, digest, id, changed } = event;
      return { event: "done", reference, digest, id, changed };
    }
  }
}
