/** People wait this long without wondering. */
const PATIENCE_MILLISECONDS = 1000;

/**
 * Writes one line to stderr if the work takes long and a person watches.
 *
 * @returns what to call when the work is done.
 */
export function sayIfSlow(text: string): () => void {
  const timer = setTimeout(async () => {
    const { isatty } = await import("node:tty"); // slow to load, and hardly ever needed
    if (isatty(2)) console.error(text);
  }, PATIENCE_MILLISECONDS);
  return () => clearTimeout(timer);
}
