import { posix } from "node:path";
import { readDynamic } from "../../build/elf.ts";
import type { FileTree } from "../../build/file-tree.ts";
import type { TarEntry } from "../../build/tar.ts";
import type { ApkPackage } from "../alpine/apk-database.ts";
import { installedPackages, takeFile } from "../alpine/take.ts";

/** Takes programs out of an Alpine installation, with what they need to start. */

/** Where musl's dynamic linker looks, in this order. */
const libraryFolders = ["lib", "usr/local/lib", "usr/lib"];

export interface TakenPrograms {
  readonly entries: readonly TarEntry[];
  /** The packages that the entries come from. */
  readonly packages: readonly ApkPackage[];
}

/**
 * The programs, the linker and libraries that they name, and what those name: each checked against apk's database.
 *
 * @throws Error that names a file which is missing, belongs to no package, or is not what the database says.
 */
export function takePrograms(
  tree: FileTree,
  architecture: string,
  programs: readonly string[],
): TakenPrograms {
  const installed = installedPackages(tree, architecture);
  const entries = new Map<string, TarEntry>();
  const packages = new Set<ApkPackage>();
  const take = (path: string): void => {
    if (entries.has(path)) return;
    const owner = installed.find(({ files }) => files.some((file) => file.path === path));
    const file = owner?.files.find((each) => each.path === path);
    if (!owner || !file) throw new Error(`/${path} belongs to no package`);
    const entry = takeFile(tree, file);
    entries.set(path, entry);
    packages.add(owner);
    if ("symlink" in entry.content) take(linkTarget(path, entry.content.symlink));
    if ("file" in entry.content) for (const needed of neededBy(tree, entry.content.file)) take(needed);
  };
  for (const path of programs) take(path);
  return { entries: [...entries.values()], packages: [...packages] };
}

function neededBy(tree: FileTree, program: Uint8Array): string[] {
  const { interpreter, needed } = readDynamic(Buffer.from(program));
  const libraries = needed.map((name) => {
    const found = libraryFolders.map((folder) => `${folder}/${name}`).find((path) => tree.has(path));
    if (!found) throw new Error(`the library ${name} is missing`);
    return found;
  });
  return interpreter ? [interpreter.slice(1), ...libraries] : libraries;
}

function linkTarget(path: string, target: string): string {
  return posix.join("/", target.startsWith("/") ? target : `${posix.dirname(path)}/${target}`).slice(1);
}
