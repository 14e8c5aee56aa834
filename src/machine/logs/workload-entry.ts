/**
 * A line of a workload's log, as docker's json-file driver writes it:
 *
 *     {"log":"text\n","stream":"stdout","time":"2026-01-31T12:00:00.123Z"}
 *
 * Bytes that are not UTF-8 are U+FFFD in `log`, and a further key `base64` has the line exactly. A line that is longer
 * than the writer's bound is several, of which only the last one's text ends with a newline. Where output is missing
 * there is `{"lost":BYTES,"time":…}`.
 */
import { isUtf8 } from "node:buffer";
import { formatTime, type LogFormat, type LostOutput, parseLine, parseTime } from "./format.ts";

export type OutputName = "stdout" | "stderr";

/** A piece of a workload's output: in a log file at most one line. */
export interface LogEntry {
  /** When it was written; milliseconds since the epoch. */
  readonly time: number;
  readonly stream: OutputName;
  readonly bytes: Uint8Array;
}

const NEWLINE = 0x0a;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The line, with its newline. */
export function encodeEntry({ time, stream, bytes }: LogEntry): string {
  const log = JSON.stringify(decoder.decode(bytes));
  const exact = isUtf8(bytes) ? "" : `,"base64":"${Buffer.from(bytes).toString("base64")}"`;
  return `{"log":${log},"stream":"${stream}","time":"${formatTime(time)}"${exact}}\n`;
}

/** The line, with its newline. */
export function encodeLost({ time, lostBytes }: LostOutput): string {
  return `{"lost":${lostBytes},"time":"${formatTime(time)}"}\n`;
}

function decode(line: Uint8Array): LogEntry | LostOutput | undefined {
  const value = parseLine(line);
  const time = parseTime(value?.time);
  if (value === undefined || time === undefined) return undefined;
  if (typeof value.lost === "number") return { time, lostBytes: value.lost };
  const { log, stream, base64 } = value;
  if (typeof log !== "string" || (stream !== "stdout" && stream !== "stderr")) return undefined;
  if (base64 !== undefined && typeof base64 !== "string") return undefined;
  const bytes = base64 === undefined ? encoder.encode(log) : Buffer.from(base64, "base64");
  return { time, stream, bytes };
}

export const workloadFormat: LogFormat<LogEntry> = {
  decode,
  counter() {
    const seen = new Set<OutputName>();
    // A piece without a newline belongs to the line behind it, unless nothing is behind it.
    return ({ stream, bytes }) => {
      const isLast = !seen.has(stream);
      seen.add(stream);
      return isLast || bytes.at(-1) === NEWLINE;
    };
  },
};
