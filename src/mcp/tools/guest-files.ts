/** Files of a machine, as tools read and write them: in memory, and never larger than a message may be. */
import { copyFromMachine, copyToMachine, type Machine } from "../../machine/index.ts";

/** Of every copy. Links are followed; a file has no notes. */
const common = (signal: AbortSignal | undefined) => ({
  ...{ follow: true, archive: false, signal, onNote: () => {} },
  progress: { files: 0, bytes: 0 },
});

/** Writes a file, and makes the directories above it. It appears when it is complete. @throws SmolError `copy.*` */
export async function writeGuest(
  machine: Machine,
  path: string,
  content: AsyncIterable<Uint8Array>,
  { mode, signal }: { readonly mode?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const source = { content };
  await copyToMachine(machine, { ...common(signal), path, parents: true, source, overrides: { mode } });
}

/** What is in memory, as content. */
export async function* contentOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes;
}

/** Enough was read. */
class Enough extends Error {}

/**
 * Reads a part of a file.
 *
 * @returns `isMore`: there are bytes behind the part
 * @throws SmolError `copy.*`
 */
export async function readGuest(
  machine: Machine,
  path: string,
  {
    offset,
    limit,
    signal,
  }: { readonly offset: number; readonly limit: number; readonly signal: AbortSignal },
): Promise<{ readonly bytes: Buffer; readonly isMore: boolean }> {
  const parts: Buffer[] = [];
  let at = 0;
  let isMore = false;
  const write = async (piece: Uint8Array) => {
    const part = piece.subarray(Math.max(0, offset - at), Math.max(0, offset + limit - at));
    parts.push(Buffer.from(part));
    at += piece.length;
    isMore = at > offset + limit;
    if (isMore) throw new Enough();
  };
  try {
    await copyFromMachine(machine, { ...common(signal), path, target: { begin: () => {}, write } });
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  return { bytes: Buffer.concat(parts), isMore };
}
