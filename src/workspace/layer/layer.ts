import { timespecs } from "../../../ffi/file-layouts.ts";
import { changeTimes, closeDescriptor } from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../../files/errno.ts";
import type { Attributes, Caller } from "../../files/filesystem.ts";
import { inodeNumber } from "../../files/folder/stat.ts";
import { copyBytes, type Wanted } from "../copy.ts";
import { type Data, dataStamp } from "../data.ts";
import { extendedOf } from "../extended.ts";
import type { HostFolder, Names } from "../host-folder.ts";
import { type Entry, type IndexFile, type Node, ROOT } from "../index-file.ts";
import { freshStamp, type Stamp, sha256, stampOf } from "../stamp.ts";
import { PERMISSION_BITS, type Stat, statOf, TypeBits } from "../stat.ts";
import { type Live, LiveFiles } from "./live.ts";

/** What is under a name in the guest's tree: a node of the upper, or a file that is only the host's. */
export interface Found {
  readonly entry: Entry | undefined;
  readonly node: Node | undefined;
  readonly stat: Stat | undefined;
}

/** What other users of the host are in the guest. */
const NOBODY = 65534;

export const now = (): bigint => BigInt(Date.now()) * 1_000_000n;

/**
 * The guest's tree: the upper over the host's folder, which is only read. A file of the host's becomes one of the upper
 * before anything of it changes (`copyUp`); its directories come with it, as merged ones.
 */
export class Layer {
  readonly index: IndexFile;
  readonly host: HostFolder;
  readonly data: Data;
  readonly lives: LiveFiles;
  readonly #device: bigint;
  readonly #user: Caller;
  readonly #seen: Live[] = [];

  /** @param user who runs this process: root passes owners on, a user's files belong to root of the guest */
  constructor(index: IndexFile, host: HostFolder, data: Data, user: Caller) {
    this.index = index;
    this.host = host;
    this.data = data;
    this.#user = user;
    this.lives = new LiveFiles(ROOT, (live) => this.#forgotten(live));
    this.#device = (host.stat([]) as Stat).device;
  }

  /** The node of one that is in the upper. @throws FileError ESTALE when another process has discarded it */
  nodeOf(live: Live): Node | undefined {
    if (live.upper === undefined) return undefined;
    return this.index.node(live.upper) ?? refuse(Errno.ESTALE);
  }

  /** The host's file under a path where the guest sees it. @throws FileError ENOENT, ESTALE */
  statOf(live: Live): Stat {
    const stat = this.host.stat(live.names) ?? refuse(Errno.ENOENT);
    const { found } = live;
    if (found !== undefined && (found.kind !== stat.kind || (live.gone && found.inode !== stat.inode)))
      refuse(Errno.ESTALE);
    return stat;
  }

  /** @throws FileError ENOTDIR */
  find(parent: Live, name: string): Found {
    const node = this.nodeOf(parent);
    if ((node?.kind ?? parent.found?.kind) !== "directory") refuse(Errno.ENOTDIR);
    const entry = node === undefined ? undefined : this.index.entry(node.id, name);
    if (entry !== undefined) {
      const child = entry.node === undefined ? undefined : this.index.node(entry.node);
      return { entry, node: child, stat: undefined };
    }
    const isMerged = !parent.gone && (node === undefined || node.merged);
    const stat = isMerged ? this.host.stat([...parent.names, name]) : undefined;
    return { entry: undefined, node: undefined, stat };
  }

  /** As `find`. @throws FileError ENOENT when there is nothing */
  existing(parent: Live, name: string): Found {
    const found = this.find(parent, name);
    return found.node === undefined && found.stat === undefined ? refuse(Errno.ENOENT) : found;
  }

  /** The number by which the guest knows it, new or not. */
  liveOf(parent: Live, name: string, { node, stat }: Found): Live {
    if (node !== undefined) {
      const known = this.lives.ofUpper(node.id);
      if (known !== undefined) return known;
      const live = this.lives.add(parent, name);
      this.lives.setUpper(live, node.id);
      return live;
    }
    const { kind, inode, device } = stat as Stat;
    const known = parent.children.get(name);
    if (known?.upper === undefined && known?.found !== undefined && !known.gone) {
      const { found } = known;
      if (found.inode === inode && found.kind === kind && found.device === device) return known;
    }
    return this.lives.add(parent, name, { kind, inode, device });
  }

  /** As `liveOf`, for a step that gives no hold. */
  seen(parent: Live, name: string, found: Found): Live {
    const live = this.liveOf(parent, name, found);
    this.#seen.push(live);
    return live;
  }

  /** A change of the index, after which nothing is kept of what was only `seen`. */
  step<T>(work: () => T): T {
    try {
      return this.index.change(work);
    } finally {
      for (const live of this.#seen.splice(0)) this.lives.settle(live);
    }
  }

  /** @param opened descriptor of the guest's: what counts while the file is only the host's, which may replace it */
  attributesOf(live: Live, opened?: number): Attributes {
    const node = this.nodeOf(live);
    if (node !== undefined) return this.nodeAttributes(node, live);
    const attributes = this.#hostAttributes(opened === undefined ? this.statOf(live) : statOf(opened));
    return live.gone ? { ...attributes, links: attributes.links - 1 } : attributes;
  }

  nodeAttributes(node: Node, live: Live | undefined): Attributes {
    const data = node.kind === "file" ? this.data.stat(node.id) : undefined;
    const beneath = node.merged && live !== undefined && !live.gone ? this.host.stat(live.names) : undefined;
    const size = data?.size ?? node.target?.length ?? (node.kind === "directory" ? 4096 : 0);
    return {
      inode: node.inode,
      mode: TypeBits[node.kind] | node.mode,
      // Of a directory 1, which says that the number of directories in it is not known (find(1) heeds it).
      links: node.kind === "directory" ? Math.min(1, node.links) : node.links,
      uid: node.uid,
      gid: node.gid,
      size,
      blocks: data?.blocks ?? 0,
      blockSize: 4096,
      accessedAt: data?.accessed ?? node.accessed,
      modifiedAt: later(data?.modified ?? node.modified, beneath?.modified),
      changedAt: later(node.changed, data?.changed ?? beneath?.changed),
    };
  }

  #hostAttributes(stat: Stat): Attributes {
    return {
      inode: this.inodeOf(stat),
      mode: stat.mode,
      links: stat.kind === "directory" ? 1 : stat.links,
      ...this.#ownerOf(stat),
      size: stat.size,
      blocks: stat.blocks,
      blockSize: stat.blockSize,
      accessedAt: stat.accessed,
      modifiedAt: stat.modified,
      changedAt: stat.changed,
    };
  }

  #ownerOf({ uid, gid }: Stat): Caller {
    const user = this.#user;
    if (user.uid === 0) return { uid, gid };
    return { uid: uid === user.uid ? 0 : NOBODY, gid: gid === user.gid ? 0 : NOBODY };
  }

  /** The host's number; one of another filesystem that is mounted in the folder is moved out of its way. */
  inodeOf({ inode, device }: Pick<Stat, "inode" | "device">): bigint {
    return inodeNumber(inode, device, this.#device);
  }

  /**
   * Makes it the upper's, with the directories above it; returns its node. Part of a change or one by itself.
   *
   * @param wanted of a file's bytes
   */
  copyUp(live: Live, wanted: Wanted = "bytes"): number {
    const known = this.nodeOf(live);
    if (known !== undefined) return known.id;
    return this.index.change(() => {
      const parent = live.parent as Live;
      const directory = live.gone ? undefined : this.copyUp(parent);
      // The host had put another file there, and that one is the guest's now.
      if (directory !== undefined && this.index.entry(directory, live.name) !== undefined)
        refuse(Errno.ESTALE);
      const { node, base } = this.addCopy(live.names, this.statOf(live), live.gone ? 0 : 1, wanted);
      if (directory !== undefined)
        this.index.putEntry(directory, { name: live.name, node, base, ghost: undefined });
      this.becomeUpper(live, node);
      return node;
    });
  }

  becomeUpper(live: Live, node: number): void {
    this.lives.setUpper(live, node);
    this.index.undone(() => this.lives.unsetUpper(live));
  }

  /** A node that is what the host's file is, without a name yet. */
  addCopy(
    names: Names,
    found: Stat,
    links = 1,
    wanted: Wanted = "bytes",
  ): { readonly node: number; readonly base: Stamp } {
    if (found.kind === "other") refuse(Errno.EPERM);
    const fields = (stat: Stat) => ({
      kind: stat.kind,
      mode: stat.mode & PERMISSION_BITS,
      ...this.#ownerOf(stat),
      accessed: stat.accessed,
      modified: stat.modified,
      changed: stat.changed,
      // One of several names of a file becomes a file of its own.
      inode: stat.kind === "directory" || stat.links === 1 ? this.inodeOf(stat) : undefined,
      links,
      merged: stat.kind === "directory",
      target: stat.kind === "symlink" ? this.host.readLink(names) : undefined,
      origin: stat.kind === "file" ? names.join("/") : undefined,
      applied: undefined,
    });
    const values = fields(found);
    const node = this.index.addNode(values);
    if (found.kind !== "file") {
      const hash = values.target === undefined ? undefined : sha256(values.target);
      return { node, base: stampOf(found, hash) };
    }
    return { node, base: this.#copyFile(names, node, wanted) };
  }

  #copyFile(names: Names, node: number, wanted: Wanted): Stamp {
    const source = this.host.openFile(names);
    try {
      const target = this.data.make(node);
      this.index.undone(() => this.data.remove(node));
      try {
        const { stat, hash } = copyBytes(source, target, wanted);
        for (const { name, value } of extendedOf(source)) this.index.putExtended(node, name, value);
        must(changeTimes(target, timespecs(stat.accessed, stat.modified)));
        return freshStamp(stat, hash, now());
      } finally {
        closeDescriptor(target);
      }
    } finally {
      closeDescriptor(source);
    }
  }

  /** One name of a node less. A node without names stays for as long as the guest has it open. */
  dropName(node: Node): void {
    const live = this.lives.ofUpper(node.id);
    if (node.links > 1) {
      this.index.setNode(node.id, { links: node.links - 1, changed: now() });
    } else if (live !== undefined) {
      this.index.setNode(node.id, { links: 0, changed: now() });
      this.index.afterwards(() => this.lives.detach(live));
    } else this.removeNode(node.id);
  }

  removeNode(id: number): void {
    this.index.removeNode(id);
    this.index.afterwards(() => this.data.remove(id));
  }

  #forgotten(live: Live): void {
    if (live.upper === undefined || !live.gone) return;
    const node = this.index.node(live.upper);
    if (node?.links === 0) this.index.change(() => this.removeNode(node.id));
  }

  /** A directory has got or lost a name. */
  touch(directory: number): void {
    const at = now();
    this.index.setNode(directory, { modified: at, changed: at });
  }

  /**
   * What has been applied and not been written to since need not be in the upper any more: the host has the same, and
   * the guest sees the host's again. Only this process may decide that, for only it writes to the file.
   */
  letGoOfApplied(parent: Live, found: Found): boolean {
    const { entry, node } = found;
    if (entry === undefined || node?.applied === undefined) return false;
    const live = this.lives.ofUpper(node.id);
    const directory = this.nodeOf(parent);
    if ((live !== undefined && live.handles > 0) || directory === undefined || !directory.merged)
      return false;
    if (node.kind === "file" && dataStamp(this.data.stat(node.id)) !== node.applied) {
      this.index.change(() => this.index.setNode(node.id, { applied: undefined }));
      return false;
    }
    this.index.change(() => {
      this.index.removeEntry(directory.id, entry.name);
      this.dropName(node);
    });
    return true;
  }
}

const later = (a: bigint, b: bigint | undefined): bigint => (b !== undefined && b > a ? b : a);
