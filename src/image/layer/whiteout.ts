import { SmolError } from "../../errors.ts";
import { printable } from "../tree/index.ts";

export interface Whiteout {
  /**
   * `file`: delete `path`; `opaque`: empty the directory `path`; `hidden`: bookkeeping of AUFS, which is in no image.
   * AUFS kept files with several names in `.wh..wh.plnk`, and layers that were made with it link into there.
   */
  readonly kind: "file" | "opaque" | "hidden";
  readonly path: string;
}

/**
 * What an entry deletes, if its name says so (OCI image specification, layer.md, "Whiteouts").
 *
 * @throws SmolError for names that would delete the directory they are in, or its parent.
 */
export function whiteoutOf(entryPath: string): Whiteout | undefined {
  // Most paths are decided by this search alone.
  if (!entryPath.includes(".wh.")) return undefined;
  const path = entryPath.replace(/\/+$/, "");
  const slash = path.lastIndexOf("/");
  const directory = path.slice(0, slash + 1);
  const name = path.slice(slash + 1);
  if (!name.startsWith(".wh.")) {
    // `.wh.` is a reserved prefix: AUFS kept its own directories under such names, and nothing in them is a
    // file of the image.
    return /(^|\/)\.wh\.\.wh\./.test(directory) ? { kind: "hidden", path } : undefined;
  }
  if (name === ".wh..wh..opq") return { kind: "opaque", path: directory };
  if (name.startsWith(".wh..wh.")) return { kind: "hidden", path };
  const hidden = name.slice(4);
  if (hidden === "" || hidden === "." || hidden === "..") {
    throw new SmolError("image.bad_entry", `whiteout without a name: ${printable(entryPath)}`);
  }
  return { kind: "file", path: directory + hidden };
}
