import { closeDescriptor, OpenFlag, openAt } from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../../files/errno.ts";
import { extendedOf, MAX_EXTENDED } from "../extended.ts";
import type { Layer } from "./layer.ts";
import type { Live } from "./live.ts";

const CREATE = 1;
const REPLACE = 2;

/** Names and values together that one file may have, bytes: they are kept in the index. */
const MAX_TOTAL = 256 * 1024;

export function extendedOfLive(layer: Layer, live: Live): readonly { name: string; value: Uint8Array }[] {
  const node = layer.nodeOf(live);
  if (node !== undefined) return layer.index.extended(node.id);
  const { names } = live;
  const kind = layer.statOf(live).kind;
  if (kind !== "file" && kind !== "directory") return [];
  return layer.host.inDirectory(names.slice(0, -1), (directory) => {
    const fd = must(openAt(directory, names.at(-1) ?? ".", OpenFlag.pathOnly | OpenFlag.noFollow));
    try {
      return extendedOf(fd);
    } finally {
      closeDescriptor(fd);
    }
  });
}

/** @throws FileError EEXIST, ENODATA, ENOSPC, ERANGE */
export function setExtended(layer: Layer, live: Live, name: string, value: Uint8Array, flags: number): void {
  if (value.length > MAX_EXTENDED || name.length > 255) refuse(Errno.ERANGE);
  layer.index.change(() => {
    const node = layer.copyUp(live);
    const others = layer.index.extended(node);
    const exists = others.some((one) => one.name === name);
    if (exists && flags === CREATE) refuse(Errno.EEXIST);
    if (!exists && flags === REPLACE) refuse(Errno.ENODATA);
    const total = others.reduce((sum, one) => sum + one.name.length + one.value.length, 0);
    if (total + name.length + value.length > MAX_TOTAL) refuse(Errno.ENOSPC);
    // The bytes are the request's.
    layer.index.putExtended(node, name, value.slice());
  });
}

/** @throws FileError ENODATA */
export function removeExtended(layer: Layer, live: Live, name: string): void {
  layer.index.change(() => {
    const node = layer.copyUp(live);
    if (!layer.index.extended(node).some((one) => one.name === name)) refuse(Errno.ENODATA);
    layer.index.removeExtended(node, name);
  });
}
