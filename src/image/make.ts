import { errnoOf } from "../errors.ts";
import { diskError } from "./disk.ts";
import { ErofsWriter } from "./erofs/index.ts";
import { NewFile } from "./newfile.ts";
import { Tree } from "./tree/index.ts";

/** What files are put into. */
export interface ImageTarget {
  readonly tree: Tree;
  readonly writer: ErofsWriter;
}

/**
 * Makes an image in a file without a name. Nothing is left when any step fails, or when the process is killed.
 *
 * @param fill puts the files into the tree and the image; what it returns identifies the contents.
 * @param keep gives the complete file its name.
 */
export async function makeImage<Filled extends { readonly identity: string }, Result>(
  directory: string,
  fill: (target: ImageTarget) => Promise<Filled>,
  keep: (file: NewFile, sizeBytes: number, filled: Filled) => Result | Promise<Result>,
): Promise<Result> {
  const file = attempt(() => new NewFile(directory));
  const writer = new ErofsWriter(file.fd);
  try {
    const tree = new Tree((inode) => writer.release(inode));
    const filled = await fill({ tree, writer });
    const sizeBytes = await writer.finish(tree.root, { uuid: uuidOf(filled.identity) });
    return await keep(file, sizeBytes, filled);
  } finally {
    await writer.abort();
    file.discard();
  }
}

/** Runs an action on the cache; what the system refuses becomes an error for users. */
export function attempt<Result>(action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    throw errnoOf(error) === undefined ? error : diskError(error);
  }
}

/** The 16 bytes that identify the filesystem, made from what identifies its contents (RFC 9562, version 8). */
function uuidOf(identity: string): Uint8Array {
  const uuid = new Bun.CryptoHasher("sha256").update(identity).digest().subarray(0, 16);
  uuid[6] = 0x80 | ((uuid[6] ?? 0) & 0x0f);
  uuid[8] = 0x80 | ((uuid[8] ?? 0) & 0x3f);
  return uuid;
}
