/**
 * What a machine that does not run has changed of its image: read from its disks on the host, without a start and without
 * mounting anything.
 */
import { existsSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { Ext4 } from "../../ext4/index.ts";
import { Erofs, type ErofsSource } from "../../image/erofs/index.ts";
import { type LayerMember, type MembersReport, TreeMembers, writeLayerTar } from "../../image/tar/index.ts";
import { FileType, type TreeFile } from "../../image/tree/index.ts";
import { diskPath } from "../disks/index.ts";
import { overlayChanges } from "./overlay.ts";

/** On the overlay disk (src/machine/root/layers.ts), and on the storage disk (src/machine/root/storage.ts). */
const UPPER = "upper";
const WORKSPACE = "workspace";

/** The disks of one machine, opened to be read. To be closed. */
export class MachineChanges implements Disposable {
  /** Grows while a layer is read. */
  readonly report: MembersReport = { skipped: 0 };
  readonly #image: Erofs;
  readonly #overlay: Ext4;
  readonly #storage: Ext4 | undefined;
  readonly #workspace: boolean;

  /**
   * @param directory of the machine's disks @param image what they were begun on
   * @param workspace whether `/workspace` is the machine's own, and no volume
   * @throws SmolError `machine.no_disks`, `disk.unclean`, `disk.damaged`, `image.layer_damaged`
   */
  constructor(directory: string, image: ErofsSource, workspace: boolean) {
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
    this.#workspace = workspace;
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
   * What was changed of the image, as one layer: an archive that is the same for the same files. The files of
   * `/workspace` are at that place in it; what else is on the storage disk is not in it, and neither are sockets.
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
    const workspace = this.#ownWorkspace();
    if (upper?.type === FileType.directory) {
      for (const member of overlayChanges(this.#overlay, upper, this.#image, this.report)) {
        // In its place comes what is mounted there, or the link leads to.
        if (
          workspace === undefined ||
          (member.path !== WORKSPACE && !member.path.startsWith(`${WORKSPACE}/`))
        )
          yield member;
      }
    }
    if (this.#storage === undefined || workspace === undefined) return;
    let isTop = true;
    for (const member of new TreeMembers(this.report).whole(this.#storage, workspace, WORKSPACE)) {
      yield member;
      // The disk got what the image had there at the first start, and has had it for itself since.
      if (isTop && this.#image.entries(this.#image.root).get(WORKSPACE)?.type === FileType.directory)
        yield opaque(member);
      isTop = false;
    }
  }

  /** Undefined when there is nothing in it. */
  #ownWorkspace(): TreeFile | undefined {
    if (this.#storage === undefined || !this.#workspace) return undefined;
    const found = this.#storage.entries(this.#storage.root).get(WORKSPACE);
    if (found?.type !== FileType.directory) return undefined;
    return this.#storage.entries(found).size === 0 ? undefined : found;
  }
}

function opaque(directory: LayerMember): LayerMember {
  const attributes = { ...directory.attributes, permissions: 0, uid: 0, gid: 0, xattrs: [] };
  return { ...directory, path: `${directory.path}/.wh..wh..opq`, type: FileType.regular, attributes };
}
