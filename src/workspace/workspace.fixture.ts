import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { FileError } from "../files/errno.ts";
import type { Caller, Filesystem } from "../files/filesystem.ts";
import { HandleBudget } from "../files/folder/handles.ts";
import { serveWorkspace, type WorkspacePaths } from "./workspace.ts";

export const USER: Caller = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
const GUEST: Caller = { uid: 0, gid: 0 };

/**
 * A folder of the host and a place for its workspace.
 *
 * @param where a directory on some filesystem
 */
export function makePlace(where = tmpdir()): WorkspacePaths & Disposable & { readonly root: string } {
  const root = mkdtempSync(`${where}/smolvm-workspace-`);
  mkdirSync(`${root}/folder`);
  mkdirSync(`${root}/machine`);
  return {
    root,
    folder: `${root}/folder`,
    directory: `${root}/machine/workspace`,
    [Symbol.dispose]: () => {
      rmSync(root, { recursive: true, force: true });
    },
  };
}

const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;

/** What a guest's kernel makes of paths: lookups, holds, handles. */
export class Guest implements Disposable {
  readonly files: Filesystem;

  constructor(files: Filesystem) {
    this.files = files;
  }

  static of(place: WorkspacePaths, handles = new HandleBudget(8192)): Guest {
    return new Guest(serveWorkspace(place, USER, handles));
  }

  /** Works with a node that is held meanwhile; "" is the root. */
  at<T>(path: string, work: (node: number) => T): T {
    const held: number[] = [];
    try {
      let node = 1;
      for (const name of path.split("/").filter((part) => part !== "")) {
        node = this.files.lookup(node, name).node;
        held.push(node);
      }
      return work(node);
    } finally {
      for (const node of held) this.files.forget(node, 1);
    }
  }

  #in<T>(path: string, work: (parent: number, name: string) => T): T {
    const cut = path.lastIndexOf("/");
    return this.at(path.slice(0, Math.max(0, cut)), (parent) => work(parent, path.slice(cut + 1)));
  }

  stat = (path: string) => this.at(path, (node) => this.files.getAttributes(node));

  exists(path: string): boolean {
    return this.#errno(() => this.stat(path)) === 0;
  }

  read(path: string): string {
    return this.at(path, (node) => {
      const handle = this.files.open(node, 0);
      try {
        return this.readHandle(handle, this.files.getAttributes(node).size);
      } finally {
        this.files.release(handle);
      }
    });
  }

  readHandle(handle: number, size: number): string {
    const bytes = new Uint8Array(size);
    const length = this.files.read(handle, bytes, 0);
    return Buffer.from(bytes.subarray(0, length)).toString("latin1");
  }

  write(path: string, text: string, mode = 0o644): void {
    this.#in(path, (parent, name) => {
      const { entry, handle } = this.files.create(parent, name, mode, O_WRONLY | O_CREAT | O_TRUNC, GUEST);
      this.files.write(handle, Buffer.from(text, "latin1"), 0);
      this.files.release(handle);
      this.files.forget(entry.node, 1);
    });
  }

  writeAt(path: string, text: string, offset: number): void {
    this.at(path, (node) => {
      const handle = this.files.open(node, O_WRONLY);
      this.files.write(handle, Buffer.from(text, "latin1"), offset);
      this.files.release(handle);
    });
  }

  truncate = (path: string, size: number) =>
    this.at(path, (node) => this.files.setAttributes(node, { size }));
  chmod = (path: string, mode: number) => this.at(path, (node) => this.files.setAttributes(node, { mode }));

  mkdir = (path: string, mode = 0o755) =>
    this.#in(path, (parent, name) => this.#drop(this.files.makeDirectory(parent, name, mode, GUEST).node));
  symlink = (target: string, path: string) =>
    this.#in(path, (parent, name) => this.#drop(this.files.symlink(parent, name, target, GUEST).node));
  makeNode = (path: string, mode: number) =>
    this.#in(path, (parent, name) => this.#drop(this.files.makeNode(parent, name, mode, GUEST).node));
  readlink = (path: string) =>
    this.at(path, (node) => Buffer.from(this.files.readLink(node)).toString("latin1"));
  unlink = (path: string) => this.#in(path, (parent, name) => this.files.unlink(parent, name));
  rmdir = (path: string) => this.#in(path, (parent, name) => this.files.removeDirectory(parent, name));
  link = (from: string, to: string) =>
    this.at(from, (node) =>
      this.#in(to, (parent, name) => this.#drop(this.files.link(node, parent, name).node)),
    );
  rename = (from: string, to: string, flags = 0) =>
    this.#in(from, (parent, name) =>
      this.#in(to, (newParent, newName) => this.files.rename(parent, name, newParent, newName, flags)),
    );

  list(path: string): string[] {
    return this.at(path, (node) => {
      const handle = this.files.openDirectory(node);
      const names: string[] = [];
      this.files.readDirectory(handle, 0n, ({ name }) => {
        if (name !== "." && name !== "..") names.push(name);
        return true;
      });
      this.files.release(handle);
      return names.sort();
    });
  }

  removeAll(path: string): void {
    for (const name of this.list(path)) {
      const child = `${path}/${name}`;
      if ((this.stat(child).mode & 0o170000) === 0o040000) this.removeAll(child);
      else this.unlink(child);
    }
    this.rmdir(path);
  }

  /** The errno of what was refused; 0 when it was done. */
  #errno(work: () => unknown): number {
    try {
      work();
      return 0;
    } catch (error) {
      if (error instanceof FileError) return error.errno;
      throw error;
    }
  }
  errno = (work: () => unknown): number => this.#errno(work);

  #drop(node: number): void {
    this.files.forget(node, 1);
  }

  [Symbol.dispose](): void {
    this.files.close();
  }
}
