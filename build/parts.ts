import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { flock } from "../ffi/libc.ts";
import { untilLocked } from "../src/host/lock.ts";
import { cacheRoot, root, say, sha256 } from "./host.ts";

/**
 * Built parts, each in a directory named by what it was made from: the recipe's own source text and its pinned
 * inputs. The same inputs are never built twice, in no checkout; any change of an input makes a new part.
 */

/** Parts that nothing has asked for in this time are removed when a newer one of the same name is made. */
const KEEP_MILLISECONDS = 14 * 24 * 3600 * 1000;

export interface PartInputs {
  /** `import.meta.path` of the recipe: it and everything it imports from this checkout become part of the name. */
  readonly recipe: string;
  /** Versions, checksums, options: whatever else decides the result. */
  readonly pins: unknown;
}

/**
 * The directory that holds the part; `make` is called with an empty directory when it does not exist yet.
 * Two builds never make the same part at once, and one that is killed leaves only a directory that the next removes.
 */
export async function part(
  name: string,
  inputs: PartInputs,
  make: (directory: string) => Promise<void>,
): Promise<string> {
  const directory = partDirectory(name, inputs);
  const parts = dirname(directory);
  if (existsSync(directory)) {
    const now = new Date();
    utimesSync(directory, now, now);
    return directory;
  }
  mkdirSync(parts, { recursive: true });
  const lock = openSync(`${parts}/${name}.lock`, "a");
  try {
    await untilLocked(() => flock(lock, "exclusive", false) || undefined);
    if (!existsSync(directory)) await makeOnce(name, directory, make);
  } finally {
    closeSync(lock);
  }
  removeOld(parts, name, directory);
  return directory;
}

async function makeOnce(
  name: string,
  directory: string,
  make: (directory: string) => Promise<void>,
): Promise<void> {
  const parts = dirname(directory);
  for (const entry of readdirSync(parts)) {
    if (entry.startsWith(`${name}.unfinished-`))
      rmSync(`${parts}/${entry}`, { recursive: true, force: true });
  }
  // A name of its own: a tool that outlived its killed build may still write under the old one.
  const unfinished = `${parts}/${name}.unfinished-${process.pid}`;
  mkdirSync(unfinished);
  const start = performance.now();
  await make(unfinished);
  renameSync(unfinished, directory);
  const seconds = (performance.now() - start) / 1000;
  if (seconds >= 1) say(`${name}: made in ${seconds.toFixed(1)} s`);
}

/** Where the part is, or would be. */
export function partDirectory(name: string, inputs: PartInputs): string {
  const key = sha256(JSON.stringify([sourceHash(inputs.recipe), inputs.pins])).slice(0, 16);
  return `${cacheRoot()}/parts/${name}-${key}`;
}

function removeOld(parts: string, name: string, keep: string): void {
  for (const entry of readdirSync(parts)) {
    const path = `${parts}/${entry}`;
    if (path === keep || entry.slice(0, -17) !== name || !/^[0-9a-f]{16}$/.test(entry.slice(-16))) continue;
    if (Date.now() - statSync(path).mtimeMs > KEEP_MILLISECONDS)
      rmSync(path, { recursive: true, force: true });
  }
}

/**
 * One hash over a TypeScript file and all files of this checkout that it imports, directly or not. This file is
 * left out: it decides where parts are kept, not what is in them.
 */
export function sourceHash(path: string): string {
  const seen = new Map<string, string>();
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const visit = (file: string) => {
    if (seen.has(file) || file === import.meta.path) return;
    const text = readFileSync(file, "utf8");
    seen.set(file, sha256(text));
    if (!file.endsWith(".ts")) return;
    for (const { path: imported } of transpiler.scanImports(text)) {
      if (imported.startsWith(".")) visit(resolve(dirname(file), imported));
    }
  };
  visit(path);
  const lines = [...seen].map(([file, hash]) => `${file.slice(root.length)} ${hash}`);
  return sha256(lines.sort().join("\n"));
}
