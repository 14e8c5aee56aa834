import type { PullProgress } from "../image/index.ts";

/** Events between two of which so much time lies, in milliseconds. */
const PAUSE_MS = 100;

/** Sums up what a pull tells of its layers. */
export function pullProgress(
  tell: (event: Readonly<Record<string, unknown>>) => void,
): (event: PullProgress) => void {
  const received = new Map<string, number>();
  let total: number | undefined;
  let image = "";
  let told = 0;
  return (event) => {
    if (event.kind === "resolved") {
      image = event.reference;
      received.clear();
      total = 0;
      for (const { size, present } of event.layers) if (!present) total += size;
    } else if (event.kind === "layer") {
      received.set(event.digest, event.bytes);
    } else if (event.kind !== "merging") {
      return;
    }
    const now = Date.now();
    if (event.kind === "layer" && now - told < PAUSE_MS) return;
    told = now;
    const receivedBytes = [...received.values()].reduce((sum, bytes) => sum + bytes, 0);
    tell({ type: event.kind === "merging" ? "unpack" : "pull", image, receivedBytes, totalBytes: total });
  };
}
