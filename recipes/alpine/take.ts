import type { FileNode, FileTree } from "../../build/file-tree.ts";
import type { TarEntry } from "../../build/tar.ts";
import { type ApkEntry, type ApkFile, type ApkPackage, parseDatabase } from "./apk-database.ts";
import { isReplaced, lockRoot, originalOf } from "./originals.ts";

/** Takes single files out of an Alpine installation, each checked against apk's database. Errors name the file. */

/** Which group reads /etc/shadow: a package's script gives it this, which the database does not know. */
const SHADOW_GROUP = 42;

/**
 * What is installed there, from its own database.
 *
 * @param architecture apk's name of it: `x86_64`, `aarch64`.
 * @throws Error when a package is for another one.
 */
export function installedPackages(tree: FileTree, architecture: string): ApkPackage[] {
  const packages = parseDatabase(textOf(tree, "lib/apk/db/installed"));
  for (const { name, architecture: found } of packages) {
    if (found !== architecture && found !== "noarch")
      throw new Error(`the package ${name} is for ${found}, not for ${architecture}`);
  }
  return packages;
}

/**
 * A directory of a package, with the owner and mode that it is to have.
 *
 * @param taken what other packages said of the same directories.
 */
export function takeDirectory(
  tree: FileTree,
  wanted: ApkEntry,
  taken: ReadonlyMap<string, TarEntry>,
): TarEntry {
  const earlier = taken.get(wanted.path);
  if (earlier && (earlier.mode !== wanted.mode || earlier.uid !== wanted.uid || earlier.gid !== wanted.gid))
    throw new Error(`packages do not agree about /${wanted.path}`);
  const node = lookUp(tree, wanted.path);
  if (node.type !== "directory") throw new Error(`/${wanted.path} is not a directory`);
  checkOwner(node, wanted);
  return { ...wanted, content: { directory: true } };
}

/** A file or link of a package, when it is what the package brought; accounts and names that came later are left out. */
export function takeFile(tree: FileTree, file: ApkFile): TarEntry {
  const { path, uid, gid, mode } = file;
  const node = lookUp(tree, path);
  if (node.type !== "file" && node.type !== "symlink")
    throw new Error(`/${path} is neither a file nor a link`);
  const content = originalOf(file, node.read());
  if (node.type === "symlink") return link(path, content.toString());
  const isShadow = path === "etc/shadow";
  const wanted = { path, uid, gid: isShadow ? SHADOW_GROUP : gid, mode };
  if (!isReplaced(path)) checkOwner(node, wanted);
  return { ...wanted, content: { file: isShadow ? lockRoot(content) : content } };
}

function checkOwner(node: FileNode, { path, uid, gid, mode }: ApkEntry): void {
  const text = (entry: Omit<ApkEntry, "path">) => `${entry.uid}:${entry.gid} ${entry.mode.toString(8)}`;
  if (node.uid !== uid || node.gid !== gid || node.mode !== mode)
    throw new Error(`/${path} has owner and mode ${text(node)} instead of ${text({ uid, gid, mode })}`);
}

export function link(path: string, target: string): TarEntry {
  return { path, uid: 0, gid: 0, mode: 0o777, content: { symlink: target } };
}

/** @throws Error when there is none. */
export function lookUp(tree: FileTree, path: string): FileNode {
  const node = tree.get(path);
  if (!node) throw new Error(`/${path} is missing`);
  return node;
}

export function textOf(tree: FileTree, path: string): string {
  return lookUp(tree, path).read().toString("utf8");
}
