import type { FileTree } from "../../build/file-tree.ts";
import type { TarEntry } from "../../build/tar.ts";
import type { ApkPackage } from "./apk-database.ts";
import { type ApkState, stateFiles } from "./state.ts";
import { installedPackages, link, lookUp, takeDirectory, takeFile, textOf } from "./take.ts";

/**
 * Takes Alpine's minimal root out of a larger installation: the files of some packages, each with the owner, mode and
 * SHA-1 that apk's database has for it, busybox's links, and a database that lists exactly these packages.
 */

/** What Alpine's own minimal root consists of since 3.23. */
export const minimalPackages = [
  "alpine-baselayout",
  "alpine-baselayout-data",
  "alpine-keys",
  "alpine-release",
  "apk-tools",
  "busybox",
  "busybox-binsh",
  "ca-certificates-bundle",
  "libapk",
  "libcrypto3",
  "libssl3",
  "musl",
  "musl-utils",
  "scanelf",
  "ssl_client",
  "zlib",
];

export interface AlpineRoot {
  /** In the order of their paths. */
  readonly entries: readonly TarEntry[];
  readonly packages: readonly ApkPackage[];
  /** `3.23.6` */
  readonly release: string;
}

/**
 * @param names the packages to take; all that are installed when it is absent.
 * @param architecture apk's name of it: `x86_64`, `aarch64`.
 * @throws Error that names the first file which is missing or not what the database says.
 */
export async function alpineRoot(
  tree: FileTree,
  architecture: string,
  names?: readonly string[],
): Promise<AlpineRoot> {
  const packages = choose(installedPackages(tree, architecture), names);
  const entries = new Map<string, TarEntry>();
  for (const { directories } of packages) {
    for (const directory of directories) entries.set(directory.path, takeDirectory(tree, directory, entries));
  }
  for (const { files } of packages) {
    for (const file of files) entries.set(file.path, takeFile(tree, file));
  }
  for (const path of busyboxLinks(tree)) {
    if (!entries.has(path)) entries.set(path, link(path, "/bin/busybox"));
  }
  for (const entry of await stateFiles(readState(tree, architecture), packages))
    entries.set(entry.path, entry);
  return { entries: sorted(entries), packages, release: releaseOf(tree) };
}

/**
 * What an archive of a minimal root has beside what its database says: nothing, but for logs and caches.
 *
 * @throws Error that names the first of such files.
 */
export function refuseStrangers(tree: FileTree, { entries }: AlpineRoot): void {
  const known = new Set(entries.map(({ path }) => path));
  for (const [path, { type }] of tree) {
    const passing = type === "directory" || /^(var\/(log|cache)|run|tmp)\//.test(path);
    if (!known.has(path) && !passing) throw new Error(`/${path} belongs to no package of the archive`);
  }
}

function choose(installed: readonly ApkPackage[], names?: readonly string[]): readonly ApkPackage[] {
  return (names ?? installed.map(({ name }) => name)).map((name) => {
    const found = installed.find((entry) => entry.name === name);
    if (!found) throw new Error(`the package ${name} is not installed there`);
    return found;
  });
}

/** `busybox --install -s` makes a link at each of these paths where there is nothing. */
function busyboxLinks(tree: FileTree): string[] {
  const paths = textOf(tree, "etc/busybox-paths.d/busybox").split("\n");
  return paths.filter((path) => path !== "").map((path) => path.replace(/^\//, ""));
}

function readState(tree: FileTree, architecture: string): ApkState {
  const stated = textOf(tree, "etc/apk/arch").trim();
  if (stated !== architecture) throw new Error(`/etc/apk/arch says ${stated}, not ${architecture}`);
  return {
    architecture: textOf(tree, "etc/apk/arch"),
    repositories: textOf(tree, "etc/apk/repositories"),
    world: textOf(tree, "etc/apk/world"),
    triggers: textOf(tree, "lib/apk/db/triggers"),
    scripts: lookUp(tree, "lib/apk/db/scripts.tar.gz").read(),
  };
}

/** Alpine's version. @throws Error when it is something else. */
export function releaseOf(tree: FileTree): string {
  const release = textOf(tree, "usr/lib/os-release");
  const version = release.match(/^VERSION_ID=(\S+)$/m)?.[1];
  if (!/^ID=alpine$/m.test(release) || !version) throw new Error("this is not an Alpine installation");
  return version;
}

function sorted(entries: ReadonlyMap<string, TarEntry>): TarEntry[] {
  return [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
