import { dirname } from "node:path";
import { SmolError } from "../errors.ts";
import { readLayer, type Totals } from "./layer/index.ts";
import { FileSource } from "./local/file-source.ts";
import { attempt, type ImageTarget, makeImage } from "./make.ts";
import type { NewFile } from "./newfile.ts";
import { bytesOf, FileType, Inode, impliedDirectory } from "./tree/index.ts";

export interface WriteErofsOptions {
  /** Whether names that begin with `.wh.` delete files of the archives before (default: yes, as in OCI layers). */
  readonly whiteouts?: boolean;
  readonly signal?: AbortSignal;
}

export interface WrittenErofs {
  readonly sizeBytes: number;
  /** Digests of the archives, uncompressed: the image depends on nothing else. */
  readonly diffIds: readonly string[];
}

/**
 * Turns archives (plain, gzip or zstd), applied one over the other, into an EROFS image at `path`, which appears in
 * full or not at all, and replaces a file that is there. The same archives give the same bytes.
 *
 * @throws SmolError when an archive is damaged or beyond the limits, or the image cannot be written.
 */
export async function writeErofsFromTar(
  layers: readonly AsyncIterable<Uint8Array>[],
  path: string,
  options: WriteErofsOptions = {},
): Promise<WrittenErofs> {
  const diffIds: string[] = [];
  const fill = async ({ tree, writer }: ImageTarget) => {
    const totals: Totals = { entries: 0, bytes: 0 };
    for (const layer of layers) {
      const target = { tree, writer, totals, whiteouts: options.whiteouts ?? true, signal: options.signal };
      diffIds.push((await readLayer(layer, {}, target)).diffId);
    }
    return { identity: diffIds.join() };
  };
  const sizeBytes = await makeImage(dirname(path), fill, (file, size) => commit(file, path, size));
  return { sizeBytes, diffIds };
}

/**
 * Puts one file of the host into an EROFS image at `path`, as `/<name>`, owned by root, mode 0555.
 *
 * @throws SmolError when the file cannot be read or the image cannot be written.
 */
export async function writeErofsFromFile(
  source: string,
  name: string,
  path: string,
): Promise<{ sizeBytes: number }> {
  const file = new FileSource(source);
  try {
    const fill = async (target: ImageTarget) => {
      await copyFile(file, name, target);
      return { identity: `${name}\0${file.size}` };
    };
    return { sizeBytes: await makeImage(dirname(path), fill, (made, size) => commit(made, path, size)) };
  } finally {
    file.close();
  }
}

function commit(file: NewFile, path: string, sizeBytes: number): number {
  attempt(() => file.commit(path));
  return sizeBytes;
}

async function copyFile(file: FileSource, name: string, { tree, writer }: ImageTarget): Promise<void> {
  const inode = new Inode(FileType.regular, { ...impliedDirectory, permissions: 0o555 });
  const place = tree.locate(bytesOf(name), true);
  if (place === undefined || place.name === "") throw new SmolError("image.bad_entry", "a file needs a name");
  writer.beginFile(inode, file.size);
  for await (const chunk of file.read(0, file.size)) {
    writer.write(chunk);
    await writer.drain();
  }
  writer.endFile();
  tree.put(place, inode);
}
