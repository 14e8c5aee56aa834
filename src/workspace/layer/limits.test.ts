/** What a guest, or odd files of the host, could do to the server of a workspace. */
import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { DirectoryEntry } from "../../files/filesystem.ts";
import { HandleBudget } from "../../files/folder/handles.ts";
import { changesOf } from "../changes/changes.ts";
import { IndexFile } from "../index-file.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";
import { openWorkspace } from "../workspace.ts";
import { Listing, Listings } from "./listings.ts";

const ENFILE = 23;
const ENAMETOOLONG = 36;

const YEAR_3000 = 32_503_680_000n * 1_000_000_000n;
const LAST = (1n << 63n) - 1n;

test("times beyond 64 bits become the nearest ones, those of the host's files too", () => {
  // tmpfs knows times of any year.
  using place = makePlace("/dev/shm");
  writeFileSync(`${place.folder}/host`, "x");
  Bun.spawnSync(["touch", "-d", "3000-01-01", `${place.folder}/host`]);
  expect(BigInt(statSync(`${place.folder}/host`).mtimeMs)).toBeGreaterThan(LAST / 1_000_000n);
  using guest = Guest.of(place);
  guest.mkdir("dir");
  guest.write("file", "");
  for (const path of ["dir", "file"]) {
    for (const time of [YEAR_3000, -YEAR_3000, 99_999_999_999_999n * 1_000_000_000n]) {
      guest.at(path, (node) => guest.files.setAttributes(node, { accessedAt: time, modifiedAt: time }));
      expect(guest.stat(path).modifiedAt).toBe(time > 0n ? LAST : -LAST);
      expect(guest.stat(path).accessedAt).toBe(time > 0n ? LAST : -LAST);
    }
  }
  expect(guest.stat("host").modifiedAt).toBe(LAST);
  guest.chmod("host", 0o600);
  expect(guest.stat("host").modifiedAt).toBe(LAST);
});

test("inode numbers may have all 64 bits", () => {
  using place = makePlace();
  const path = `${place.root}/index`;
  using index = new IndexFile(path, "create");
  const inode = (1n << 64n) - 5n;
  const id = index.addNode({
    kind: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    accessed: 0n,
    modified: 0n,
    changed: 0n,
    inode,
    links: 1,
    merged: false,
    target: undefined,
    origin: undefined,
    applied: undefined,
  });
  index.putEntry(1, { name: "a", node: id, base: undefined, ghost: undefined });
  expect(index.node(id)?.inode).toBe(inode);
  expect(index.listing(1)).toEqual([{ name: "a", kind: "file", inode }]);
});

test("set-id bits go when a file changes hands, or is written to by who may not keep them", () => {
  using place = makePlace();
  writeFileSync(`${place.folder}/host`, "x");
  chmodSync(`${place.folder}/host`, 0o6755);
  using guest = Guest.of(place);
  const set = (path: string, changes: Parameters<typeof guest.files.setAttributes>[1]) =>
    guest.at(path, (node) => guest.files.setAttributes(node, changes).mode & 0o7777);
  const changedAt = guest.stat("host").changedAt;
  expect(set("host", { killSetId: true })).toBe(0o755);
  expect(statSync(`${place.folder}/host`).mode & 0o7777).toBe(0o6755);
  guest.write("own", "x", 0o755);
  guest.chmod("own", 0o6755);
  expect(set("own", { uid: 1000 })).toBe(0o755);
  guest.chmod("own", 0o4755);
  expect(set("own", { gid: 1000 })).toBe(0o755);
  // Where the group may not execute, its bit is no set-group-ID bit.
  guest.chmod("own", 0o6745);
  expect(set("own", { size: 0, killSetId: true })).toBe(0o2745);
  guest.chmod("own", 0o755);
  expect(set("own", { mode: 0o4755, uid: 0 })).toBe(0o4755);
  guest.mkdir("dir", 0o755);
  guest.chmod("dir", 0o2755);
  expect(set("dir", { gid: 1000 })).toBe(0o2755);
  // What has no such bits stays the host's.
  writeFileSync(`${place.folder}/plain`, "x");
  expect(set("plain", { killSetId: true }) & 0o6000).toBe(0);
  expect(guest.stat("host").changedAt).toBeGreaterThanOrEqual(changedAt);
  using workspace = openWorkspace(place, "read");
  expect(workspace.index.entry(1, "plain")).toBeUndefined();
});

test("a file that is open has the size of what is read, whatever the host puts in its place", () => {
  using place = makePlace();
  writeFileSync(`${place.folder}/f`, "as it was");
  using guest = Guest.of(place);
  guest.at("f", (node) => {
    const handle = guest.files.open(node, 0);
    writeFileSync(`${place.folder}/new`, "and something much longer");
    renameSync(`${place.folder}/new`, `${place.folder}/f`);
    expect(guest.files.getAttributes(node, handle).size).toBe(9);
    expect(guest.readHandle(handle, 100)).toBe("as it was");
    rmSync(`${place.folder}/f`);
    expect(guest.files.getAttributes(node, handle).size).toBe(9);
    guest.files.release(handle);
  });
});

test("directories in each other have a limit, however they get there", () => {
  using place = makePlace("/dev/shm");
  mkdirSync(`${place.folder}/host/${"h/".repeat(30)}`, { recursive: true });
  using guest = Guest.of(place);
  const deep = (top: string, depth: number) => {
    guest.mkdir(top);
    let [node, held] = [guest.files.lookup(1, top).node, [] as number[]];
    held.push(node);
    for (let i = 1; i < depth; i++) {
      node = guest.files.makeDirectory(node, "d", 0o755, { uid: 0, gid: 0 }).node;
      held.push(node);
    }
    return { node, held };
  };
  const { node } = deep("a", 1000);
  deep("b", 24);
  deep("c", 25);
  const errno = (name: string) => guest.errno(() => guest.files.rename(1, name, node, name, 0));
  expect(errno("c")).toBe(ENAMETOOLONG);
  expect(errno("host")).toBe(ENAMETOOLONG);
  expect(guest.list("")).toEqual(["a", "b", "c", "host"]);
  expect(errno("b")).toBe(0);
  // A name in the same directory makes nothing deeper.
  guest.rename("host", "moved");
  using workspace = openWorkspace(place, "read");
  expect(Math.max(...changesOf(workspace).map(({ names }) => names.length))).toBe(1024);
});

test("what guests may have open is one budget, and without room no file is made", () => {
  using place = makePlace();
  writeFileSync(`${place.folder}/f`, "x");
  const budget = new HandleBudget(3);
  using guest = Guest.of(place, budget);
  const opened = [guest.files.openDirectory(1), guest.at("f", (node) => guest.files.open(node, 0))];
  budget.take();
  expect(guest.errno(() => guest.files.openDirectory(1))).toBe(ENFILE);
  expect(guest.errno(() => guest.write("new", "x"))).toBe(ENFILE);
  expect(guest.exists("new")).toBe(false);
  for (const handle of opened) guest.files.release(handle);
  guest.write("new", "x");
  expect(guest.read("new")).toBe("x");
});

const entriesOf = (names: readonly string[]) =>
  [".", "..", ...names].map((name) => ({ name, inode: 1n, type: 8 }));

/** Reads so many entries from where it is. */
function readSome(listings: Listings, listing: Listing, count: number, list: () => readonly string[]) {
  const seen: DirectoryEntry[] = [];
  const take = (entry: DirectoryEntry) => seen.length < count && seen.push(entry) > 0;
  listings.read(listing, listing.offset, () => entriesOf(list()), take);
  return seen.map(({ name }) => name);
}

test("names are kept for few directories; the others go on where they were", () => {
  const names = Array.from({ length: 98 }, (_, i) => `n${String(i).padStart(2, "0")}`);
  const listings = new Listings(250);
  const open = Array.from({ length: 30 }, () => new Listing());
  const seen = open.map((listing) => readSome(listings, listing, 7, () => names));
  expect(listings.count).toBeLessThanOrEqual(250);
  // They are listed again, after somebody has removed what was read and added what comes before and after.
  const now = ["a", ...names.slice(5), "z"];
  for (const [i, listing] of open.entries()) {
    for (;;) {
      const more = readSome(listings, listing, 7, () => now);
      if (more.length === 0) break;
      seen[i]?.push(...more);
    }
    expect(listings.count).toBeLessThanOrEqual(250);
  }
  const all = [".", "..", ...names, "z"];
  for (const one of seen) expect(one).toEqual(all);
  for (const listing of open) listings.drop(listing);
  expect(listings.count).toBe(0);
  // One that is larger than all room is kept for as long as it is the one that is read.
  const large = Array.from({ length: 1000 }, (_, i) => `${i + 1000}`);
  const listing = new Listing();
  let lists = 0;
  const read: string[] = [];
  for (;;) {
    const more = readSome(listings, listing, 10, () => {
      lists += 1;
      return large;
    });
    if (more.length === 0) break;
    read.push(...more);
  }
  expect(read).toEqual([".", "..", ...large]);
  expect(lists).toBe(1);
});

test("the guest's and the host's names are listed sorted", () => {
  using place = makePlace();
  for (const name of ["b", "d", "\u00e4"]) writeFileSync(`${place.folder}/${name}`, "");
  using guest = Guest.of(place);
  for (const name of ["a", "c", "e"]) guest.write(name, "");
  const handle = guest.files.openDirectory(1);
  const names: string[] = [];
  guest.files.readDirectory(handle, 0n, ({ name }) => names.push(name) > 0);
  expect(names).toEqual([".", "..", "a", "b", "c", "d", "e", "\u00c3\u00a4"]);
  guest.files.release(handle);
});
