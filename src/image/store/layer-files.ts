import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { bootId } from "../../host/index.ts";
import { decodeHeader, HEADER_BYTES, type LayerHeader } from "../layer/header.ts";

/** A layer that is in the cache. */
export interface StoredLayer {
  readonly diffId: string;
  /** Length of its data, in bytes. */
  readonly bytes: number;
  /** Entries, and bytes of files, in the sense of limits.ts. */
  readonly entries: number;
  readonly fileBytes: number;
  /** Whether it is safe from a power cut. */
  readonly durable: boolean;
}

/** Where a part of a layer is, below the directory of images. */
export const layerFile = (diffId: string, part: "data" | "entries" | "lock") =>
  `layers/${diffId.slice(diffId.indexOf(":") + 1)}.${part}`;

export function layerPaths(directory: string, diffId: string): { data: string; entries: string } {
  return {
    data: `${directory}/${layerFile(diffId, "data")}`,
    entries: `${directory}/${layerFile(diffId, "entries")}`,
  };
}

/**
 * Looks for a layer in the cache and makes sure, without reading it all, that both of its files are as they were
 * written: the head with its checksum, the sizes, and that no power cut came before they were safe on disk.
 *
 * @returns undefined when it is not there, or not as it should be.
 */
export function findLayer(directory: string, diffId: string): StoredLayer | undefined {
  if (!/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(diffId)) return undefined;
  const paths = layerPaths(directory, diffId);
  try {
    const header = readHeader(paths.entries);
    if (header === undefined || header.diffId !== diffId) return undefined;
    const { entries, bytes, dataBytes, writtenInBoot } = header;
    const durable = writtenInBoot === "";
    if (!durable && writtenInBoot !== bootId()) return undefined;
    const data = statSync(paths.data);
    if (!data.isFile() || data.size !== dataBytes) return undefined;
    return { diffId, bytes: dataBytes, entries, fileBytes: bytes, durable };
  } catch (error) {
    if (isUnusable(error)) return undefined;
    throw error;
  }
}

/** Whether a file of the cache cannot be used, which means as much as that it is not there. */
export function isUnusable(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "EACCES", "EISDIR", "EIO"].includes(errnoOf(error) ?? "");
}

function readHeader(path: string): LayerHeader | undefined {
  const fd = openSync(path, "r");
  try {
    const bytes = Buffer.allocUnsafe(HEADER_BYTES);
    if (readSync(fd, bytes, 0, HEADER_BYTES, 0) !== HEADER_BYTES) return undefined;
    const header = decodeHeader(bytes);
    return header?.entriesBytes === fstatSync(fd).size ? header : undefined;
  } finally {
    closeSync(fd);
  }
}
