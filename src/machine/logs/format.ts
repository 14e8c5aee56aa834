/** What the lines of a log file mean to those who read it. */

/** Output that is not in the log, because it could not be written. */
export interface LostOutput {
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly lostBytes: number;
}

export interface LogFormat<Entry extends { readonly time: number }> {
  /** Undefined for a line that is damaged. `line` has no newline at its end. */
  decode(line: Uint8Array): Entry | LostOutput | undefined;
  /**
   * For a look at a log from its end: a new function that is told one entry after the other, the last one first, and
   * says whether this one is the end of a line of output, as people count lines.
   */
  counter(): (entry: Entry) => boolean;
}

const decoder = new TextDecoder();

/** The object in a line; undefined when there is none. */
export function parseLine(line: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(line));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Milliseconds of a time in RFC 3339; undefined for anything else. */
export function parseTime(value: unknown): number | undefined {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

let last = { time: Number.NaN, text: "" };

/** RFC 3339, to the millisecond. */
export function formatTime(time: number): string {
  // Many lines come within a millisecond.
  if (time !== last.time) last = { time, text: new Date(time).toISOString() };
  return last.text;
}
