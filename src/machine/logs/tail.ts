/** Where the last lines of a log begin. */
import type { LogFile } from "./files.ts";
import type { LogFormat } from "./format.ts";

export interface TailRequest {
  /** How many lines of output. */
  readonly tail: number;
  /** Only entries from this time span count; milliseconds since the epoch, inclusive. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

/**
 * Moves the file in which the last lines begin to their beginning, by reading from the end.
 *
 * @param files the oldest first
 * @returns the files before that one, of which nothing is wanted
 */
export async function startOfTail<Entry extends { readonly time: number }>(
  files: readonly LogFile[],
  format: LogFormat<Entry>,
  request: TailRequest,
): Promise<LogFile[]> {
  const { tail, since = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY } = request;
  const isLineEnd = format.counter();
  let lines = 0;
  for (const [index, file] of [...files.entries()].reverse()) {
    for await (const { position, bytes } of file.linesBackwards()) {
      const entry = bytes === undefined ? undefined : format.decode(bytes);
      if (bytes === undefined || entry === undefined || "lostBytes" in entry) continue;
      if (entry.time < since || entry.time > until || !isLineEnd(entry)) continue;
      lines += 1;
      if (lines <= tail) continue;
      // This line is one too many.
      file.position = position + bytes.length + 1;
      return files.slice(0, index);
    }
  }
  return [];
}
