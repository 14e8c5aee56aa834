/** Logs as text. */
import { type ConsoleEntry, escapeControls } from "./console-entry.ts";
import { formatTime } from "./format.ts";
import type { LogEntry, OutputName } from "./workload-entry.ts";

const NEWLINE = 0x0a;

/**
 * Output as the workload wrote it, byte for byte: also what a terminal obeys, as docker does. With `timestamps`, each
 * line has its time before it.
 */
export class LogPrinter {
  readonly #timestamps: boolean;
  /** Streams that are within a line. */
  readonly #open = new Set<OutputName>();

  constructor(options: { readonly timestamps: boolean }) {
    this.#timestamps = options.timestamps;
  }

  print({ time, stream, bytes }: LogEntry): Uint8Array {
    if (!this.#timestamps) return bytes;
    const prefix = Buffer.from(`${formatTime(time)} `);
    const parts: Uint8Array[] = [];
    for (let start = 0; start < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline + 1;
      if (!this.#open.has(stream)) parts.push(prefix);
      parts.push(bytes.subarray(start, end));
      if (newline < 0) this.#open.add(stream);
      else this.#open.delete(stream);
      start = end;
    }
    return Buffer.concat(parts);
  }
}

/** A line of a console, with its newline. Nothing in it can drive a terminal. */
export function printConsole(entry: ConsoleEntry, options: { readonly timestamps: boolean }): string {
  const time = options.timestamps ? `${formatTime(entry.time)} ` : "";
  return `${time}${escapeControls(entry.message)}\n`;
}
