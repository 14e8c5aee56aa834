import { directoryType } from "../stat.ts";
import type { Layer } from "./layer.ts";
import type { Listed } from "./listings.ts";
import type { Live } from "./live.ts";

/**
 * What the guest sees in a directory: its own names, and the host's that it has neither changed nor removed, sorted
 * behind `.` and `..`.
 */
export function listing(layer: Layer, directory: Live): Listed[] {
  const node = layer.nodeOf(directory);
  const above = directory.parent ?? directory;
  const listed: Listed[] = [
    { name: ".", inode: layer.attributesOf(directory).inode, type: directoryType("directory") },
    {
      name: "..",
      inode: above.gone ? 1n : layer.attributesOf(above).inode,
      type: directoryType("directory"),
    },
  ];
  const changed = new Set<string>();
  for (const { name, kind, inode } of node === undefined ? [] : layer.index.listing(node.id)) {
    changed.add(name);
    if (kind !== undefined) listed.push({ name, inode, type: directoryType(kind) });
  }
  // Of the guest alone, and the index sorts them.
  if (directory.gone || (node !== undefined && !node.merged)) return listed;
  const { host } = layer;
  const { names } = directory;
  for (const { name, inode, type } of node === undefined ? host.list(names) : host.listIfThere(names))
    if (!changed.has(name)) listed.push({ name, inode, type });
  const dots = listed.splice(0, 2);
  listed.sort((a, b) => (a.name < b.name ? -1 : 1));
  return [...dots, ...listed];
}
