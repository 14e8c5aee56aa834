import { oneLine } from "../../values/index.ts";
import { formatBytes } from "../format/bytes.ts";
import { formatSpan } from "../format/time.ts";
import type { PullState } from "./state.ts";

/**
 * Text of a registry as it may stand in a line whose width is counted: printable ASCII, one column for each
 * character. References and digests are nothing else once they are checked.
 */
export function plainText(text: string): string {
  return oneLine(text).replace(/[^\x20-\x7e]/g, "?");
}

/** The first 12 digits of a digest. */
export function shortDigest(digest: string): string {
  return plainText(digest.slice(digest.indexOf(":") + 1).slice(0, 12)).padEnd(12);
}

/** When something is tried again: at once, from another server, or after a time that may be no number. */
export function again(delayMs: number, format: (ms: number) => string): string {
  return delayMs > 0 && Number.isFinite(delayMs) ? `trying again in ${format(delayMs)}` : "trying again";
}

export interface SummaryOptions {
  /** Milliseconds that the pull took. */
  readonly took: number;
  /** Also say that there was nothing to do. */
  readonly upToDate: boolean;
}

/** The line that remains of a pull; undefined when there is nothing to say. */
export function summarize(state: PullState, { took, upToDate }: SummaryOptions): string | undefined {
  const name = oneLine(state.reference);
  if (state.missing.length === 0) {
    if (!upToDate) return undefined;
    return state.changed ? `Pulled ${name} (nothing to download)` : `${name} is up to date`;
  }
  const bytes = state.downloaded;
  return `Pulled ${name} (${bytes > 0 ? `${formatBytes(bytes)} ` : ""}in ${formatSpan(took)})`;
}
