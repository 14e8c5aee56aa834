import { gunzipSync } from "node:zlib";
import { type TarEntry, TarReader } from "../src/image/tar/index.ts";
import type { FileNode, FileTree } from "./file-tree.ts";

/** More than any archive that a recipe reads unpacks to: what a damaged or hostile one may take of our memory. */
const LIMIT = 512 * 1024 * 1024;

/** All members of a gzip-compressed archive, by path; the last of each path counts. @throws Error when it is damaged. */
export function readTarGz(archive: Uint8Array): FileTree {
  const tree = new Map<string, FileNode>();
  let present: TarEntry | undefined;
  let pieces: Buffer[] = [];
  const reader = new TarReader({
    entry(entry) {
      present = entry;
      pieces = [];
    },
    data(bytes) {
      pieces.push(Buffer.from(bytes));
    },
    end() {
      if (!present) return;
      const path = plainPath(present.path);
      if (path !== "" && path !== ".") tree.set(path, nodeOf(present, Buffer.concat(pieces), tree));
    },
  });
  reader.write(gunzipSync(archive, { maxOutputLength: LIMIT }));
  reader.finish();
  return tree;
}

function nodeOf(entry: TarEntry, data: Buffer, tree: FileTree): FileNode {
  const { permissions, uid, gid } = entry.attributes;
  const attributes = { mode: permissions, uid, gid };
  if (entry.runs) throw new Error(`${entry.path} is sparse: that is not read here`);
  if (entry.type === "link") {
    const target = tree.get(plainPath(entry.target));
    if (!target) throw new Error(`${entry.path} is a hard link to nothing`);
    return target;
  }
  if (entry.type === "symlink")
    return { ...attributes, type: "symlink", read: () => Buffer.from(entry.target, "latin1") };
  if (entry.type === "file" || entry.type === "directory")
    return { ...attributes, type: entry.type, read: () => data };
  return { ...attributes, type: "other", read: () => data };
}

/** Names in archives are byte strings; `./` in front and `/` behind mean nothing. */
function plainPath(name: string): string {
  return Buffer.from(name.replace(/^(\.?\/)+/, "").replace(/\/+$/, ""), "latin1").toString("utf8");
}
