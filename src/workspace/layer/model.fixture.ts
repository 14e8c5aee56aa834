import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { errnoOf } from "../../errors.ts";
import { Errno } from "../../files/errno.ts";
import type { Guest } from "../workspace.fixture.ts";

/** mulberry32: the same numbers for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((((t ^ (t >>> 14)) >>> 0) * limit) / 4294967296) | 0;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
}

export type Operation =
  | { readonly op: "write" | "append" | "symlink"; readonly path: string; readonly text: string }
  | { readonly op: "truncate" | "chmod" | "mkdir"; readonly path: string; readonly number: number }
  | { readonly op: "unlink" | "rmdir" | "removeAll"; readonly path: string }
  | { readonly op: "rename" | "link"; readonly path: string; readonly to: string };

const NAMES = ["a", "b", "c", "d"] as const;

function randomPath(random: Random): string {
  const depth = 1 + random.below(3);
  return Array.from({ length: depth }, () => random.pick(NAMES)).join("/");
}

export function randomOperation(random: Random): Operation {
  const path = randomPath(random);
  const kind = random.pick([
    "write",
    "write",
    "write",
    "append",
    "symlink",
    "truncate",
    "chmod",
    "mkdir",
    "mkdir",
    "mkdir",
    "unlink",
    "rmdir",
    "removeAll",
    "rename",
    "rename",
    "rename",
    "link",
  ] as const);
  switch (kind) {
    case "write":
    case "append":
    case "symlink":
      return { op: kind, path, text: `${random.pick(["x", "yy", "zzz"])}${random.below(1000)}` };
    case "truncate":
      return { op: kind, path, number: random.below(6) };
    case "chmod":
      return { op: kind, path, number: random.pick([0o700, 0o755, 0o750]) };
    case "mkdir":
      return { op: kind, path, number: 0o755 };
    case "rename":
    case "link":
      return { op: kind, path, to: randomPath(random) };
    default:
      return { op: kind, path };
  }
}

/** Where a write that is cut in the middle must be seen under one name. */
export function operationWithoutLinks(random: Random): Operation {
  const operation = randomOperation(random);
  return operation.op === "link" ? operationWithoutLinks(random) : operation;
}

const isDirectory = (path: string) => lstatSync(path).isDirectory();
const isFile = (path: string) => lstatSync(path).isFile();

/** Whether an operation was done, or what for it was not. What the guest's kernel decides itself is one answer. */
export type Answer = "done" | string;

/** The same on a plain directory. Links are not followed: those paths are not asked for in either. */
export function applyPlain(root: string, operation: Operation): Answer {
  const path = `${root}/${operation.path}`;
  return answerOf(() => {
    checkWay(root, operation.path);
    switch (operation.op) {
      case "write":
        if (exists(path) && !isFile(path)) throw refusal(isDirectory(path) ? "EISDIR" : "ELOOP");
        return writeFileSync(path, operation.text, "latin1");
      case "append": {
        if (!isFile(path)) throw refusal("EINVAL");
        const fd = openSync(path, constants.O_WRONLY);
        writeSync(fd, operation.text, lstatSync(path).size);
        return closeSync(fd);
      }
      case "truncate":
        if (!isFile(path)) throw refusal("EINVAL");
        return truncateSync(path, operation.number);
      case "chmod":
        if (lstatSync(path).isSymbolicLink()) throw refusal("EINVAL");
        return chmodSync(path, operation.number);
      case "mkdir":
        return mkdirSync(path, { mode: operation.number });
      case "symlink":
        return symlinkSync(operation.text, path);
      case "unlink":
        if (isDirectory(path)) throw refusal("EISDIR");
        return unlinkSync(path);
      case "rmdir":
        return rmdirSync(path);
      case "removeAll":
        return removePlain(path);
      case "rename":
        checkWay(root, operation.to);
        return renameSync(path, `${root}/${operation.to}`);
      case "link":
        checkWay(root, operation.to);
        if (isDirectory(path)) throw refusal(exists(`${root}/${operation.to}`) ? "EEXIST" : "EPERM");
        return linkSync(path, `${root}/${operation.to}`);
    }
  });
}

function removePlain(path: string): void {
  if (!isDirectory(path)) throw refusal("ENOTDIR");
  for (const name of readdirSync(path)) {
    if (isDirectory(`${path}/${name}`)) removePlain(`${path}/${name}`);
    else unlinkSync(`${path}/${name}`);
  }
  rmdirSync(path);
}

const refusal = (code: string) => Object.assign(new Error(code), { code });

function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

function checkWay(root: string, path: string): void {
  const names = path.split("/").slice(0, -1);
  let at = root;
  for (const name of names) {
    at += `/${name}`;
    if (!exists(at)) throw refusal("ENOENT");
    if (!isDirectory(at)) throw refusal("ENOTDIR");
  }
}

function answerOf(work: () => unknown): Answer {
  try {
    work();
    return "done";
  } catch (error) {
    return sorted(errnoOf(error) ?? String(error));
  }
}

/** Of two things that are wrong with two paths, kernels name the one that they meet first. */
const sorted = (code: string): Answer => (["ENOENT", "ENOTDIR"].includes(code) ? "nowhere" : code);

const codes = new Map<number, string>(Object.entries(Errno).map(([name, number]) => [number, name]));

export function applyToGuest(guest: Guest, operation: Operation): Answer {
  const { path } = operation;
  const kind = (at: string) => guest.stat(at).mode & 0o170000;
  let local: string | undefined;
  const must = (condition: boolean, code: string) => {
    if (condition) return;
    local = code;
    throw refusal(code);
  };
  let errno: number;
  try {
    errno = guest.errno(() => {
      switch (operation.op) {
        case "write":
          if (guest.exists(path) && kind(path) === 0o120000) must(false, "ELOOP");
          return guest.write(path, operation.text);
        case "append":
          must(kind(path) === 0o100000, "EINVAL");
          return guest.writeAt(path, operation.text, guest.stat(path).size);
        case "truncate":
          must(kind(path) === 0o100000, "EINVAL");
          return guest.truncate(path, operation.number);
        case "chmod":
          must(kind(path) !== 0o120000, "EINVAL");
          return guest.chmod(path, operation.number);
        case "mkdir":
          return guest.mkdir(path, operation.number);
        case "symlink":
          return guest.symlink(operation.text, path);
        case "unlink":
          return guest.unlink(path);
        case "rmdir":
          return guest.rmdir(path);
        case "removeAll":
          must(kind(path) === 0o040000, "ENOTDIR");
          return guest.removeAll(path);
        case "rename":
          return guest.rename(path, operation.to);
        case "link":
          return guest.link(path, operation.to);
      }
    });
  } catch (error) {
    if (local === undefined) throw error;
    return sorted(local);
  }
  return errno === 0 ? "done" : sorted(codes.get(errno) ?? `errno ${errno}`);
}

/** Each path with what it is: mode and bytes, or where it leads, and which paths are the same file. */
export type Tree = Record<string, string>;

export function treeOfHost(root: string): Tree {
  const tree: Tree = {};
  const walk = (at: string) => {
    for (const name of readdirSync(`${root}/${at}`)) {
      const path = at === "" ? name : `${at}/${name}`;
      const stat = lstatSync(`${root}/${path}`);
      const mode = (stat.mode & 0o777).toString(8);
      if (stat.isDirectory()) {
        tree[path] = `directory ${mode}`;
        walk(path);
      } else if (stat.isSymbolicLink()) tree[path] = `link ${readlinkSync(`${root}/${path}`)}`;
      else tree[path] = `file ${mode} ${readFileSync(`${root}/${path}`, "latin1")}`;
    }
  };
  walk("");
  return tree;
}

export function treeOfGuest(guest: Guest): Tree {
  const tree: Tree = {};
  const walk = (at: string) => {
    for (const name of guest.list(at)) {
      const path = at === "" ? name : `${at}/${name}`;
      const { mode } = guest.stat(path);
      const permissions = (mode & 0o777).toString(8);
      if ((mode & 0o170000) === 0o040000) {
        tree[path] = `directory ${permissions}`;
        walk(path);
      } else if ((mode & 0o170000) === 0o120000) tree[path] = `link ${guest.readlink(path)}`;
      else tree[path] = `file ${permissions} ${guest.read(path)}`;
    }
  };
  walk("");
  return tree;
}
