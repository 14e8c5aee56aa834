import type { Ext4 } from "../../ext4/index.ts";
import { type FileTree, FileType, type OpenTreeFile, type TreeFile } from "../../image/tree/index.ts";

/** Where a machine has files of its storage disk; the second is also a directory of the disk. */
export const STORAGE = "storage";
export const WORKSPACE = "workspace";

/** On the disk's top directory when an image's files were copied to it (agent/fill.c). */
const FILLED = "trusted.smolvm.filled";

/** The user's files on a machine's storage disk (src/machine/root/storage.ts). */
export class StorageFiles implements FileTree {
  readonly root: TreeFile;
  readonly #disk: Ext4;

  /** @param disk is closed by whoever opened it */
  constructor(disk: Ext4) {
    this.#disk = disk;
    this.root = disk.root;
  }

  entries(directory: TreeFile): ReadonlyMap<string, TreeFile> {
    const all = this.#disk.entries(directory);
    return directory.id === this.root.id ? new Map([...all].filter(([name]) => isTheUsers(name))) : all;
  }

  open(file: TreeFile): OpenTreeFile {
    return this.#disk.open(file);
  }

  /** What is at `/storage` or `/workspace`; undefined when nobody has put anything there. */
  directoryOf(path: typeof STORAGE | typeof WORKSPACE): TreeFile | undefined {
    const found = path === STORAGE ? this.root : this.#disk.entries(this.root).get(WORKSPACE);
    if (found?.type !== FileType.directory) return undefined;
    const wasFilled = found.attributes.xattrs.some(({ name }) => name === FILLED);
    return wasFilled || this.entries(found).size > 0 ? found : undefined;
  }
}

/** Not the filesystem's, nor smolvm's for its containers; `/workspace` is a place of its own. */
const isTheUsers = (name: string): boolean =>
  name !== "lost+found" && name !== WORKSPACE && !name.startsWith(".smolvm");
