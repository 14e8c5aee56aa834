import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { bootId, namesIn } from "../../host/index.ts";
import type { ImageConfig, Platform } from "../types.ts";
import { findLayer, isUnusable } from "./layer-files.ts";
import { FORMAT_VERSION, imagePaths, type StoredImage } from "./stored-image.ts";
import { describeDisk } from "./vmdk.ts";

/**
 * What an image is made from decides what it is: contents, configuration, platform, and the format of the files.
 *
 * @param configDigest of the configuration; empty for an image that has none.
 */
export function imageId(platform: Platform, diffIds: readonly string[], configDigest: string): string {
  const { os, architecture, variant = "" } = platform;
  const identity = JSON.stringify([FORMAT_VERSION, os, architecture, variant, diffIds, configDigest]);
  return `sha256:${new Bun.CryptoHasher("sha256").update(identity).digest("hex")}`;
}

/**
 * Reads what is said of an image, and does not look at the image.
 *
 * @returns undefined when there is no such image, or its description is damaged or of another version.
 */
export function describeImage(directory: string, id: string): StoredImage | undefined {
  if (!/^sha256:[0-9a-f]{64}$/.test(id)) return undefined;
  try {
    const stored = parseStored(readFileSync(imagePaths(directory, id).description, "utf8"));
    return stored?.id === id ? stored : undefined;
  } catch (error) {
    if (isUnusable(error)) return undefined;
    throw error;
  }
}

/** What is said of all images in a directory, as `describeImage`; nothing when there is no such directory. */
export function describeImages(directory: string): StoredImage[] {
  return namesIn(directory).flatMap((name) => {
    const hex = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
    return (hex && describeImage(directory, `sha256:${hex}`)) || [];
  });
}

/**
 * Looks for an image in the cache and makes sure, without reading it all, that each of its files is as it was
 * written: sizes, the checksum over superblock and root inode, the descriptor, the heads of the layers, and that no
 * power cut came before they were safe on disk. What is not noticed: bytes that changed later inside a file.
 *
 * @returns undefined when it is not there, or not as it should be.
 */
export function findImage(directory: string, id: string): StoredImage | undefined {
  const stored = describeImage(directory, id);
  if (stored === undefined) return undefined;
  if (stored.writtenInBoot !== "" && stored.writtenInBoot !== bootId()) return undefined;
  const paths = imagePaths(directory, id);
  try {
    if (readFileSync(paths.disk, "latin1") !== describeDisk(stored)) return undefined;
    if (!isIntact(paths.metadata, stored)) return undefined;
    const seen = new Set<string>();
    for (const { diffId, bytes } of stored.layers) {
      if (!seen.has(diffId) && findLayer(directory, diffId)?.bytes !== bytes) return undefined;
      seen.add(diffId);
    }
    return stored;
  } catch (error) {
    if (isUnusable(error)) return undefined;
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
  if (!isStored(value)) return undefined;
  // JSON has no undefined.
  const { config } = value;
  return { ...value, config: { ...config, stopSignal: config.stopSignal } };
}

/** Written by this program; looked at because disks fail, and because other versions write here too. */
function isStored(value: unknown): value is StoredImage {
  const stored = fields<StoredImage>(value);
  const platform = fields<Platform>(stored?.platform);
  return (
    stored?.format === FORMAT_VERSION &&
    typeof stored.id === "string" &&
    (stored.origin === "registry" || stored.origin === "local") &&
    [stored.createdAt, stored.metadataBytes, stored.sizeBytes, stored.checksum].every(isCount) &&
    typeof stored.writtenInBoot === "string" &&
    typeof platform?.os === "string" &&
    typeof platform.architecture === "string" &&
    (platform.variant === undefined || typeof platform.variant === "string") &&
    Array.isArray(stored.layers) &&
    stored.layers.every(isLayer) &&
    isConfig(stored.config)
  );
}

const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0;

function isLayer(value: unknown): boolean {
  const layer = fields<StoredImage["layers"][number]>(value);
  return typeof layer?.diffId === "string" && isCount(layer.bytes);
}

function isConfig(value: unknown): boolean {
  const config = fields<ImageConfig>(value);
  const lists = [config?.entrypoint, config?.cmd, config?.env, config?.volumes];
  return (
    lists.every((list) => Array.isArray(list) && list.every((item) => typeof item === "string")) &&
    typeof config?.workdir === "string" &&
    typeof config.user === "string" &&
    (config.stopSignal === undefined || typeof config.stopSignal === "string") &&
    fields(config.labels) !== undefined
  );
}

/** The fields of a value that may be anything. */
function fields<Shape>(value: unknown): Partial<Record<keyof Shape, unknown>> | undefined {
  return typeof value === "object" && value !== null ? value : undefined;
}

const BLOCK = 4096;
const SUPERBLOCK = 1024;

function isIntact(path: string, stored: StoredImage): boolean {
  const fd = openSync(path, "r");
  try {
    if (fstatSync(fd).size !== stored.metadataBytes) return false;
    const block = Buffer.allocUnsafe(BLOCK);
    return readSync(fd, block, 0, BLOCK, 0) === BLOCK && checksumOf(block) === stored.checksum;
  } finally {
    closeSync(fd);
  }
}

/** A checksum of the first block: what identifies the filesystem, and its root. */
export function checksumOf(block: Buffer): number {
  return Bun.hash.crc32(block.subarray(SUPERBLOCK));
}
