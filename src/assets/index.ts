import { SmolError } from "../errors.ts";
import { embedded } from "./embedded.ts";
import { executables, fileNames } from "./file-names.ts";
import type { AssetLease } from "./lease.ts";
import { matchingStamp } from "./stamp.ts";
import type { AssetName, BaseImageConfig, Manifest } from "./types.ts";

/**
 * What the executable carries, as files. Each is unpacked at first need into `<cache>/runtime/<content hash>/`,
 * and found again in microseconds: see stamp.ts for when its content is checked, prune.ts for when it goes away.
 */

export type { AssetLease } from "./lease.ts";
export type { AssetName, BaseImageConfig, Component, Manifest } from "./types.ts";

/** Whether this build carries the asset. */
export function hasAsset(name: AssetName): boolean {
  return embedded().assets[name] !== undefined;
}

/**
 * Absolute path of the asset's file, unpacked if it is not there yet or damaged. Safe with any number of processes
 * at once. The file is read-only; disk templates are sparse.
 *
 * @param cacheDir absolute path of smolvm's cache directory, which need not exist.
 * @throws SmolError `assets.missing` when this build does not carry it; `assets.no_space`,
 * `assets.cache_unwritable`, `assets.damaged_program`, `assets.unpack_failed`: then nothing is left behind.
 */
export async function assetPath(name: AssetName, cacheDir: string): Promise<string> {
  const asset = embedded().assets[name];
  if (!asset) throw missing(name);
  const directory = runtimeDirectory(cacheDir, asset.sha256);
  const path = `${directory}/${fileNames[name]}`;
  if (matchingStamp(path)?.sha256 === asset.sha256) return path;
  const { unpack } = await import("./unpack.ts");
  await unpack(asset, directory, path, executables.has(name) ? 0o555 : 0o444);
  return path;
}

/**
 * Which asset this build carries: the SHA-256 (hex) of its data.
 *
 * @throws SmolError `assets.missing`
 */
export function assetId(name: AssetName): string {
  const asset = embedded().assets[name];
  if (!asset) throw missing(name);
  return asset.sha256;
}

/**
 * As `assetPath`, of an asset that perhaps another version of the program carries: the base image that a machine was
 * begun on. A machine that needs one pins it (`pinAsset`).
 *
 * @param id what `assetId` said then
 * @returns undefined when it is another version's and not there, or not as it was
 */
export async function assetPathOf(
  name: AssetName,
  id: string,
  cacheDir: string,
): Promise<string | undefined> {
  if (embedded().assets[name]?.sha256 === id) return await assetPath(name, cacheDir);
  const { findUnpacked } = await import("./lease.ts");
  return findUnpacked(`${runtimeDirectory(cacheDir, id)}/${fileNames[name]}`, id);
}

/** Keeps files that `assetPath` gave as long as a machine runs: see `leaseAssets` in lease.ts. */
export async function leaseAssets(paths: readonly string[]): Promise<AssetLease | undefined> {
  return (await import("./lease.ts")).leaseAssets(paths);
}

/** Keeps one for a machine that lasts, also while it does not run: see `pinAsset` in lease.ts. */
export async function pinAsset(path: string, recordPath: string): Promise<AssetLease | undefined> {
  return await (await import("./lease.ts")).pinAsset(path, recordPath);
}

function missing(name: AssetName): SmolError {
  const why = embedded().absent[name];
  return new SmolError("assets.missing", `this build of smolvm has no ${name}${why ? `: ${why}` : ""}`, {
    hint: "./dev build makes one with everything",
  });
}

function runtimeDirectory(cacheDir: string, hash: string): string {
  return `${cacheDir}/runtime/${hash.slice(0, 32)}`;
}

/** How the base image wants its programs to be run. It has none of its own to run. */
export function baseImageConfig(): BaseImageConfig {
  return {
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    workdir: "/",
    volumes: [],
    stopSignal: undefined,
  };
}

/** Which build this is: changes whenever anything in the program does. */
export const buildId = (): string => embedded().buildId;

/** What this build is and what it consists of. */
export async function componentManifest(): Promise<Manifest> {
  return (await Bun.file(embedded().manifest).json()) as Manifest;
}

/** The licence texts of everything that is shipped. */
export async function licenceTexts(): Promise<string> {
  return Buffer.from(await Bun.zstdDecompress(await Bun.file(embedded().licences).bytes())).toString("utf8");
}
