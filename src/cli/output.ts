import { errnoOf, SmolError } from "../errors.ts";

/**
 * Writes results to stdout, whole, before it resolves. A reader that has gone away (`smolvm … | head -1`) is no
 * error; a full disk is.
 *
 * @throws SmolError `cli.stdout`
 */
export async function print(text: string): Promise<void> {
  try {
    // Not process.stdout: touching it costs 13 ms, and it may leave a pipe's last bytes behind on exit.
    await Bun.write(Bun.stdout, text);
  } catch (error) {
    if (errnoOf(error) === "EPIPE") return;
    throw new SmolError("cli.stdout", `cannot write to stdout: ${errnoOf(error) ?? "unknown error"}`, {
      cause: error,
    });
  }
}

/** Something the user should know, which does not stop the command: one line on stderr. */
export function warn(message: string): void {
  console.error(`note: ${oneLine(message)}`);
}

/**
 * The text without line breaks and control characters: names and messages may come from an image or a guest,
 * and must not be able to write to the user's terminal.
 */
export function oneLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ").trim();
}
