import type { TarEntry } from "../../build/tar.ts";
import { beneath as place } from "../../src/machine/root/places.ts";

/**
 * What lies beneath a workload's image: the lowest layer of its root, of which only those names show that the image does
 * not have. As Docker's init layer, it has what something is mounted over, and the link that old programs look for.
 */

const mountPoints = ["dev", "etc", "proc", "storage", "sys"];
/** Over each of them a file of the machine's own is mounted (src/machine/root/etc.ts). */
const files = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];

/** Both trees, without their parents. */
export function beneath(): TarEntry[] {
  return [...tree(place.image, { directory: true }), ...tree(place.base, { symlink: "/storage/workspace" })];
}

function tree(root: string, workspace: TarEntry["content"]): TarEntry[] {
  const entry = (path: string, mode: number, content: TarEntry["content"]): TarEntry => ({
    path: `${root}/${path}`.slice(1),
    uid: 0,
    gid: 0,
    mode,
    content,
  });
  return [
    ...mountPoints.map((path) => entry(path, 0o755, { directory: true })),
    ...files.map((path) => entry(path, 0o644, { file: Buffer.alloc(0) })),
    entry("etc/mtab", 0o777, { symlink: "/proc/mounts" }),
    entry("workspace", "directory" in workspace ? 0o755 : 0o777, workspace),
  ];
}
