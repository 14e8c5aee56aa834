/** The pack that a request names: a file of the host below an allowed directory, or one in a registry. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { loadSettings } from "../../config/index.ts";
import { hostPlatform, platformName } from "../../image/platform.ts";
import { openPack, type PackSource } from "../../pack/index.ts";
import { namePack, openRemotePack, packBehindImage } from "../../pack/registry/index.ts";
import type { Credentials } from "../../registry/index.ts";
import { quote } from "../../values/index.ts";
import { Refused } from "../errors.ts";
import type { Serving } from "../serving.ts";
import { type AllowedFile, allowedPath, openAllowed } from "./host-paths.ts";

/** @param path of the host @throws Refused as `openAllowed`; `NOT_FOUND`; SmolError `pack.*` */
export async function openPackFile(path: string, roots: readonly string[]): Promise<PackSource> {
  const held = openPackAt(path, roots);
  try {
    const pack = await openPack(held.file);
    return {
      name: held.path,
      manifest: pack.manifest,
      contents: async () => pack,
      close: async () => await pack.close().finally(() => held.close()),
    };
  } catch (error) {
    held.close();
    throw error;
  }
}

/** Of a directory that is allowed a client may know what is not in it. */
function openPackAt(path: string, roots: readonly string[]): AllowedFile {
  try {
    return openAllowed(path, roots);
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== "FORBIDDEN") throw error;
    const directory = allowedPath(dirname(path), roots);
    const name = path.slice(path.lastIndexOf("/"));
    if (statSync(`${directory}${name}`, { throwIfNoEntry: false }) !== undefined) throw error;
    // Scripts look for these words.
    throw new Refused("NOT_FOUND", `sidecar file not found: ${quote(path)}`);
  }
}

/**
 * A pack of a registry: what it says about itself; its bytes come when they are asked for.
 *
 * @throws SmolError `registry.*`, `pack.*`; the signal's reason
 */
export async function openPackOf(
  name: string,
  { context }: Serving,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<PackSource> {
  const { cache } = context.paths;
  const named = namePack(name, await loadSettings(context.paths), { credentials, signal });
  return await openRemotePack({ ...named, platform: platformName(hostPlatform()) }, cache);
}

/**
 * The pack of a registry that a request calls its image.
 *
 * @param image null for the built-in one
 * @returns as `packBehindImage`
 * @throws SmolError `config.*`; the signal's reason
 */
export async function openPackBehind(
  image: string | null,
  { context }: Serving,
  credentials: Credentials | undefined,
  signal: AbortSignal,
): Promise<PackSource | undefined> {
  if (image === null) return undefined;
  const { cache: cacheDir } = context.paths;
  const settings = await loadSettings(context.paths);
  return await packBehindImage(image, { platform: hostPlatform(), settings, cacheDir, credentials, signal });
}
