import type { BigIntStats } from "node:fs";
import { errnoOf, SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { type Fingerprint, fingerprintOf } from "../store/index.ts";
import type { Platform } from "../types.ts";
import { OpenDirectory } from "./open-directory.ts";
import { unreadable } from "./unreadable.ts";

/**
 * What a whole directory tree looks like now: the state of every file in it, without reading any. A change of
 * contents, owner, mode or attributes moves the change time of the file.
 */
export function fingerprintTree(path: string, root: BigIntStats, platform: Platform): Fingerprint {
  const hasher = new Bun.CryptoHasher("sha256");
  let newest = root.ctimeNs;
  const visit = (directory: OpenDirectory, depth: number) => {
    try {
      if (depth > limits.depth) {
        throw new SmolError("image.limit", `directories are nested deeper than ${limits.depth} in ${path}`);
      }
      for (const name of directory.names()) {
        const stat = directory.stat(name);
        if (stat.ctimeNs > newest) newest = stat.ctimeNs;
        hasher.update(`${stat.ino} ${stat.ctimeNs} ${stat.mtimeNs} ${stat.size} ${stat.mode} `);
        hasher.update(Buffer.from(`${name}\0`, "latin1"));
        if (stat.isDirectory() && stat.dev === root.dev) visit(directory.openDirectory(name), depth + 1);
      }
      hasher.update("/");
    } finally {
      directory.close();
    }
  };
  try {
    visit(OpenDirectory.open(path), 0);
  } catch (error) {
    throw errnoOf(error) === undefined ? error : unreadable(path, error);
  }
  const fingerprint = fingerprintOf(root, platform, undefined, hasher.digest("hex"));
  if (newest < fingerprint.changed) return fingerprint;
  return { ...fingerprint, changed: newest };
}
