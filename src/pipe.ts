import { closeSync } from "node:fs";

/** What comes out of a pipe. Bun reads from a copy of the descriptor, and leaves this one open when the stream has ended. */
export async function* readAndClose(fd: number): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* Bun.file(fd).stream();
  } finally {
    closeSync(fd);
  }
}
