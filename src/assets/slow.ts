import { writeSync } from "node:fs";

/** People wait this long without wondering. */
const PATIENCE_MILLISECONDS = 1000;

let said = false;

/**
 * Writes one line to stderr, once per process, if the work takes long and a person watches.
 *
 * @returns what to call when the work is done.
 */
export function sayIfSlow(text: string): () => void {
  const timer = setTimeout(async () => {
    const { isatty } = await import("node:tty"); // slow to load, and hardly ever needed
    if (said || !isatty(2)) return;
    said = true;
    writeSync(2, `${text}\n`);
  }, PATIENCE_MILLISECONDS);
  return () => clearTimeout(timer);
}
