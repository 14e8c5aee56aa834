import { fstatSync } from "node:fs";
import { errnoOf, messageOf, SmolError } from "../../errors.ts";

/** Reading ends with these where there is nothing to read: a descriptor that is closed, a terminal that is gone. */
const ENDS = ["EBADF", "EIO"];

/**
 * Fails when standard input can never be read: better said before anything is started.
 *
 * @throws SmolError `cli.stdin`
 */
export function checkStdin(): void {
  if (isDirectory()) throw cannotRead("it is a directory");
}

/**
 * This process's standard input to its end.
 *
 * @throws SmolError `cli.stdin` when it cannot be read
 */
export async function* readStdin(): AsyncGenerator<Uint8Array, void, undefined> {
  checkStdin();
  try {
    yield* Bun.stdin.stream();
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined || !ENDS.includes(code)) throw cannotRead(code ?? messageOf(error));
  }
}

function isDirectory(): boolean {
  try {
    return fstatSync(0).isDirectory();
  } catch {
    return false;
  }
}

function cannotRead(why: string): SmolError {
  return new SmolError("cli.stdin", `cannot read standard input: ${why}`);
}
