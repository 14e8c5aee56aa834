import { Errno, refuse } from "../../files/errno.ts";
import type { Names } from "../host-folder.ts";
import type { Kind } from "../stat.ts";

/** A file that the guest knows by a number: of the host's folder alone, or of the upper. */
export class Live {
  readonly number: number;
  parent: Live | undefined;
  name: string;
  /** Its node in the index; absent while it is only the host's. */
  upper: number | undefined;
  /** While it is only the host's: which file it was when it was found. */
  readonly found: { readonly kind: Kind; readonly inode: bigint; readonly device: bigint } | undefined;
  holds = 0;
  handles = 0;
  /** It has no name any more. */
  gone = false;
  /** Those that were found in it, by name. Names of the host's files never change without becoming the upper's. */
  readonly children = new Map<string, Live>();

  constructor(number: number, parent: Live | undefined, name: string, found?: Live["found"]) {
    this.number = number;
    this.parent = parent;
    this.name = name;
    this.found = found;
  }

  /** Its path below the folder. */
  get names(): Names {
    const names: string[] = [];
    for (let live: Live = this; live.parent !== undefined; live = live.parent) names.push(live.name);
    return names.reverse();
  }

  get depth(): number {
    let depth = 0;
    for (let live = this.parent; live !== undefined; live = live.parent) depth += 1;
    return depth;
  }
}

/** Files that the guest may know at once: it says itself which it has forgotten. About 200 bytes of memory each. */
const MAX_FILES = 1_000_000;

/** All that the guest knows. Numbers never come back. */
export class LiveFiles {
  readonly root: Live;
  readonly #byNumber = new Map<number, Live>();
  readonly #byUpper = new Map<number, Live>();
  readonly #forgotten: (live: Live) => void;
  #last = 1;

  /**
   * @param upper node of the root
   * @param forgotten called with one that the guest has let go of
   */
  constructor(upper: number, forgotten: (live: Live) => void) {
    this.#forgotten = forgotten;
    this.root = new Live(this.#last, undefined, "");
    this.root.holds = 1;
    this.#byNumber.set(this.root.number, this.root);
    this.setUpper(this.root, upper);
  }

  /** @throws FileError ESTALE for a number that the guest does not have */
  get(number: number): Live {
    return this.#byNumber.get(number) ?? refuse(Errno.ESTALE);
  }

  /** The one that stands for a node of the index; hard links are one. */
  ofUpper(upper: number): Live | undefined {
    return this.#byUpper.get(upper);
  }

  /** @throws FileError ENFILE */
  add(parent: Live, name: string, found?: Live["found"]): Live {
    if (this.#byNumber.size >= MAX_FILES) refuse(Errno.ENFILE);
    const live = new Live(++this.#last, parent, name, found);
    this.#byNumber.set(live.number, live);
    parent.children.set(name, live);
    return live;
  }

  setUpper(live: Live, upper: number): void {
    live.upper = upper;
    this.#byUpper.set(upper, live);
  }

  unsetUpper(live: Live): void {
    if (live.upper !== undefined) this.#byUpper.delete(live.upper);
    live.upper = undefined;
  }

  move(live: Live, parent: Live, name: string): void {
    this.#leaveParent(live);
    const oldParent = live.parent;
    live.parent = parent;
    live.name = name;
    parent.children.set(name, live);
    if (oldParent !== undefined) this.#release(oldParent);
  }

  /** It has lost its name. */
  detach(live: Live): void {
    live.gone = true;
    this.#leaveParent(live);
  }

  forget(number: number, holds: number): void {
    const live = this.#byNumber.get(number);
    if (live === undefined || live === this.root) return;
    live.holds = Math.max(0, live.holds - holds);
    this.#release(live);
  }

  /** For one that was only looked at: without holds it is not kept. */
  settle(live: Live): void {
    this.#release(live);
  }

  releaseHandle(live: Live): void {
    live.handles -= 1;
    this.#release(live);
  }

  #leaveParent(live: Live): void {
    if (live.parent?.children.get(live.name) === live) live.parent.children.delete(live.name);
  }

  #release(live: Live): void {
    for (let file: Live | undefined = live; file !== undefined && file !== this.root; ) {
      if (this.#byNumber.get(file.number) !== file) return;
      if (file.holds > 0 || file.handles > 0 || file.children.size > 0) return;
      this.#byNumber.delete(file.number);
      if (file.upper !== undefined && this.#byUpper.get(file.upper) === file)
        this.#byUpper.delete(file.upper);
      this.#leaveParent(file);
      this.#forgotten(file);
      file = file.parent;
    }
  }
}
