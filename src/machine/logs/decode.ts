import { LineCutter } from "./lines.ts";
import { type LogEntry, workloadFormat } from "./workload-entry.ts";

/** Far more than a line has that a writer of ours has made. */
const MAX_LINE_BYTES = 1024 * 1024;

/**
 * Entries of a workload's log that come as bytes, cut anywhere.
 *
 * @param onNote told what is missing, one sentence each
 */
export async function* decodeEntries(
  chunks: AsyncIterable<Uint8Array>,
  { onNote }: { readonly onNote?: ((text: string) => void) | undefined } = {},
): AsyncGenerator<LogEntry, void, void> {
  let entries: LogEntry[] = [];
  const cutter = new LineCutter(MAX_LINE_BYTES, (line) => {
    const entry = workloadFormat.decode(line);
    if (entry === undefined) return;
    if ("lostBytes" in entry) onNote?.(missingNote(entry.lostBytes));
    else entries.push(entry);
  });
  for await (const chunk of chunks) {
    cutter.push(chunk);
    yield* entries;
    entries = [];
  }
}

/** What readers are told about a gap. */
export const missingNote = (bytes: number): string => `${bytes} bytes of output are missing here`;
