/** Bytes of the files in a workspace's upper: `data/<number of the node>`, in a directory of our own. */
import { fsyncSync, openSync, readdirSync, unlinkSync } from "node:fs";
import { closeDescriptor, OpenFlag } from "../../ffi/files.ts";
import { errnoOf } from "../errors.ts";
import { openOwn, withOwn } from "./copy.ts";
import { type Stat, statOf } from "./stat.ts";

export class Data {
  readonly #directory: string;

  /** @param directory absolute */
  constructor(directory: string) {
    this.#directory = directory;
  }

  path(node: number): string {
    return `${this.#directory}/${node}`;
  }

  /** Of a node that is new: what lies there was left by a transaction that came to nothing. */
  make(node: number): number {
    return openOwn(this.path(node), OpenFlag.readWrite | OpenFlag.create | OpenFlag.truncate);
  }

  /** @throws FileError */
  open(node: number, flags: number): number {
    return openOwn(this.path(node), flags);
  }

  stat(node: number): Stat {
    return withOwn(this.path(node), OpenFlag.pathOnly, statOf);
  }

  remove(node: number): void {
    try {
      unlinkSync(this.path(node));
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }

  /** Names of files survive a power cut. */
  flushNames(): void {
    const fd = openSync(this.#directory, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeDescriptor(fd);
    }
  }

  /** Removes what belongs to none of these nodes. */
  sweep(nodes: ReadonlySet<number>): void {
    for (const name of readdirSync(this.#directory)) if (!nodes.has(Number(name))) this.remove(Number(name));
  }

  /** For statfs(2). */
  openDirectory(): number {
    return openSync(this.#directory, "r");
  }
}

/** What a file of ours was: once it has been applied, this tells whether the guest has written to it since. */
export const dataStamp = ({ size, modified, changed }: Stat): string => `${size} ${modified} ${changed}`;
