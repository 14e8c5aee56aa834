import { errnoOf } from "../errors.ts";
import { oneLine } from "../values/index.ts";
import { cannotWrite } from "./cannot-write.ts";

export { oneLine };

/**
 * Writes results to stdout, whole, before it resolves. A reader that has gone away (`smolvm … | head -1`) is no
 * error; a full disk is.
 *
 * @throws SmolError `cli.stdout`
 */
export async function print(text: string | Uint8Array): Promise<void> {
  // Of a regular file, to which others have written before, the runtime would make an empty one.
  if (text.length === 0) return;
  try {
    // Not process.stdout: touching it costs 13 ms, and it may leave a pipe's last bytes behind on exit.
    await Bun.write(Bun.stdout, text);
  } catch (error) {
    if (errnoOf(error) === "EPIPE") return;
    throw cannotWrite("stdout", error);
  }
}

/**
 * Prints a value as JSON, indented. Strings of images and guests keep their value, but not one character of them can
 * be obeyed by a terminal: JSON itself only escapes those below U+0020.
 */
export async function printJson(value: unknown): Promise<void> {
  const text = JSON.stringify(value, null, 2).replace(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  await print(`${text}\n`);
}

/** A line on stderr. Not console.error, which Bun paints red on any terminal, also where TERM is dumb. */
export function complain(line: string): void {
  console.warn(line);
}

/** Something the user should know, which does not stop the command: one line on stderr. */
export function warn(message: string): void {
  complain(`note: ${oneLine(message)}`);
}
