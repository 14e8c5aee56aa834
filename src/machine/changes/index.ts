/**
 * What a machine that does not run has changed of its image: read from its disks on the host, without a start and without
 * mounting anything.
 */
import { existsSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { Ext4 } from "../../ext4/index.ts";
import { Erofs, type ErofsSource } from "../../image/erofs/index.ts";
import { type LayerMember, type MembersReport, TreeMembers, writeLayerTar } from "../../image/tar/index.ts";
import { FileType } from "../../image/tree/index.ts";
import { diskPath } from "../disks/index.ts";
import { overlayChanges } from "./overlay.ts";
import { STORAGE, StorageFiles, WORKSPACE } from "./storage.ts";

/** On the overlay disk (src/machine/root/layers.ts). */
const UPPER = "upper";

/** Where a machine has files of its storage disk. */
const places = [STORAGE, WORKSPACE] as const;

/** The disks of one machine, opened to be read. To be closed. */
export class MachineChanges implements Disposable {
  /** Grows while a layer is read. */
  readonly report: MembersReport = { skipped: 0 };
  readonly #image: Erofs;
  readonly #overlay: Ext4;
  readonly #storage: Ext4 | undefined;
  readonly #own: readonly (typeof places)[number][];

  /**
   * @param directory of the machine's disks @param image what they were begun on
   * @param covered where volumes are: what lies there is not the machine's own
   * @throws SmolError `machine.no_disks`, `disk.unclean`, `disk.damaged`, `image.layer_damaged`
   */
  constructor(directory: string, image: ErofsSource, covered: ReadonlySet<string>) {
    const [overlay, storage] = [diskPath(directory, "overlay"), diskPath(directory, "storage")];
    if (!existsSync(overlay)) {
      throw new SmolError("machine.no_disks", "the machine was never started: it has no files of its own", {
        hint: "start it, make what it should hold, and stop it",
      });
    }
    this.#image = new Erofs(image);
    this.#overlay = new Ext4(overlay);
    try {
      this.#storage = existsSync(storage) ? new Ext4(storage) : undefined;
    } catch (error) {
      this.#overlay[Symbol.dispose]();
      throw error;
    }
    this.#own = places.filter((path) => !covered.has(`/${path}`));
    if (!this.#overlay.unclean && this.#storage?.unclean !== true) return;
    this[Symbol.dispose]();
    throw new SmolError(
      "disk.unclean",
      "the machine did not end in order: a part of its files is in a journal",
      {
        hint: "start it and stop it: a start brings its filesystems in order",
      },
    );
  }

  [Symbol.dispose](): void {
    this.#overlay[Symbol.dispose]();
    this.#storage?.[Symbol.dispose]();
  }

  /**
   * What was changed of the image, as one layer: an archive that is the same for the same files. The storage disk's
   * are at `/workspace` and `/storage` in it. Not in it are the machine's containers, and sockets.
   *
   * @throws SmolError `disk.damaged`, `image.layer_damaged`, `image.bad_file_name`
   */
  layer(): AsyncGenerator<Uint8Array, void, undefined> {
    return writeLayerTar(this.#members());
  }

  /** All files of the image itself, as one layer: of the built-in image, which has none. */
  imageLayer(): AsyncGenerator<Uint8Array, void, undefined> {
    return writeLayerTar(new TreeMembers(this.report).whole(this.#image, this.#image.root, ""));
  }

  *#members(): Generator<LayerMember, void, undefined> {
    const upper = this.#overlay.entries(this.#overlay.root).get(UPPER);
    const image = this.#image.entries(this.#image.root);
    const storage = this.#storage && new StorageFiles(this.#storage);
    const own = this.#own.flatMap((path) => {
      const type = image.get(path)?.type;
      const hides = type !== undefined && type !== FileType.directory;
      const directory = hides ? undefined : storage?.directoryOf(path);
      return storage === undefined || directory === undefined ? [] : { path, directory, storage };
    });
    if (upper?.type === FileType.directory) {
      for (const member of overlayChanges(this.#overlay, upper, this.#image, this.report)) {
        // In its place comes what is mounted there, or the link leads to.
        if (!own.some(({ path }) => member.path === path || member.path.startsWith(`${path}/`))) yield member;
      }
    }
    const members = new TreeMembers(this.report);
    for (const { path, directory, storage } of own) {
      let isTop = true;
      for (const member of members.whole(storage, directory, path)) {
        yield member;
        // The disk got what the image had there at the first start, and has had it for itself since.
        if (isTop && image.has(path)) yield opaque(member);
        isTop = false;
      }
    }
  }
}

function opaque(directory: LayerMember): LayerMember {
  const attributes = { ...directory.attributes, permissions: 0, uid: 0, gid: 0, xattrs: [] };
  return { ...directory, path: `${directory.path}/.wh..wh..opq`, type: FileType.regular, attributes };
}
