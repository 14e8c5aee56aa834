import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import type { ImageConfig } from "../types.ts";

/** Changes whenever the same input would give another image: part of every image's identity. */
export const FORMAT_VERSION = 1;

/** What stands in `<hex>.json` beside an image. */
export interface StoredImage {
  readonly format: typeof FORMAT_VERSION;
  readonly id: string;
  readonly sizeBytes: number;
  /** CRC of the first block, as it stands in the superblock. */
  readonly checksum: number;
  /** Boot of the host in which the image was written; empty once it is known to be safe on disk. */
  readonly writtenInBoot: string;
  readonly config: ImageConfig;
}

/** Where an image and its description are. */
export function imagePaths(directory: string, id: string): { image: string; description: string } {
  const name = id.replace(/^sha256:/, "");
  return { image: `${directory}/${name}.erofs`, description: `${directory}/${name}.json` };
}

/**
 * Looks for an image in the cache and makes sure, without reading it all, that it is as it was written: the size, the
 * checksum over superblock and root inode, and that no power cut came before it was safe on disk. What is not
 * noticed: bytes that changed later in the middle of the file.
 *
 * @returns undefined when it is not there, or not as it should be.
 */
export function findImage(directory: string, id: string): StoredImage | undefined {
  if (!/^sha256:[0-9a-f]{64}$/.test(id)) return undefined;
  const paths = imagePaths(directory, id);
  try {
    const stored = parseStored(readFileSync(paths.description, "utf8"));
    if (stored === undefined || stored.id !== id) return undefined;
    if (stored.writtenInBoot !== "" && stored.writtenInBoot !== currentBoot()) return undefined;
    return isIntact(paths.image, stored) ? stored : undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "EACCES" || code === "EISDIR" || code === "EIO") return undefined;
    throw error;
  }
}

function parseStored(text: string): StoredImage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isStored(value) ? value : undefined;
}

/** Written by this program; looked at because disks fail, and because other versions write here too. */
function isStored(value: unknown): value is StoredImage {
  if (typeof value !== "object" || value === null) return false;
  const stored = value as Partial<Record<keyof StoredImage, unknown>>;
  return (
    stored.format === FORMAT_VERSION &&
    typeof stored.id === "string" &&
    typeof stored.sizeBytes === "number" &&
    typeof stored.checksum === "number" &&
    typeof stored.writtenInBoot === "string" &&
    isConfig(stored.config)
  );
}

function isConfig(value: unknown): value is ImageConfig {
  if (typeof value !== "object" || value === null) return false;
  const config = value as Partial<Record<keyof ImageConfig, unknown>>;
  const lists = [config.entrypoint, config.cmd, config.env];
  return (
    lists.every((list) => Array.isArray(list) && list.every((item) => typeof item === "string")) &&
    typeof config.workdir === "string" &&
    typeof config.user === "string" &&
    typeof config.labels === "object" &&
    config.labels !== null
  );
}

const BLOCK = 4096;
const SUPERBLOCK = 1024;

function isIntact(path: string, stored: StoredImage): boolean {
  const fd = openSync(path, "r");
  try {
    if (fstatSync(fd).size !== stored.sizeBytes) return false;
    const block = Buffer.alloc(BLOCK);
    if (readSync(fd, block, 0, BLOCK, 0) !== BLOCK) return false;
    return checksumOf(block) === stored.checksum;
  } finally {
    closeSync(fd);
  }
}

/** A checksum of the first block: what identifies the filesystem, and its root. */
export function checksumOf(block: Buffer): number {
  return Bun.hash.crc32(block.subarray(SUPERBLOCK));
}

let boot: string | undefined;

/** Identifies this run of the host's kernel; where there is no such thing, images are never taken for unsafe. */
export function currentBoot(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    } catch {
      boot = "";
    }
  }
  return boot;
}
