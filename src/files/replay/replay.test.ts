import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { Errno } from "../errno.ts";
import { setattr, TestVolume, type TestVolumeOptions } from "../files.fixture.ts";
import type { HostChange } from "../request.ts";
import { Opcode } from "../wire/opcodes.ts";
import { REPLAY_GID } from "./answer.ts";
import { Watches } from "./watches.ts";

setDefaultTimeout(60_000);

/** agent/replay.test.ts has what the guest's kernel makes of it. */

const volumes: TestVolume[] = [];
function volume(options: TestVolumeOptions = {}): TestVolume {
  const made = new TestVolume({ watches: new Watches(100), ...options });
  volumes.push(made);
  return made;
}
afterEach(() => {
  for (const made of volumes.splice(0)) made.stop();
});

/** What is told next, `own` bytes of the guest's aside. */
async function next(v: TestVolume, watches: Watches): Promise<readonly HostChange[]> {
  watches.read();
  return (await v.folder.changes?.next()) ?? [];
}

const paths = (changes: readonly HostChange[]): string[] => changes.map(({ path }) => path);

test("who has the agent's group changes nothing on the host, whatever is being told", async () => {
  const watches = new Watches(100);
  const v = volume({ watches });
  writeFileSync(`${v.path}/a`, "text");
  writeFileSync(`${v.path}/gone`, "");
  const [a, gone] = [v.find("a"), v.find("gone")];
  rmSync(`${v.path}/gone`);
  writeFileSync(`${v.path}/new`, "new");
  expect(paths(await next(v, watches)).sort()).toEqual(["a", "gone", "new"]);
  v.gid = REPLAY_GID;
  const truncate = 0o1001;
  expect(v.get(Opcode.open, a, truncate, 0).readBigUInt64LE(0)).toBe(0n);
  setattr(v, a, 1 << 3, 0);
  for (const [opcode, ...parts] of [
    [Opcode.unlink, "a"],
    [Opcode.rename2, 1n, 0, 0, "a", "b"],
    [Opcode.mkdir, 0o755, 0, "d"],
    [Opcode.create, 2, 0o644, 0, 0, "c"],
    [Opcode.write, 1n, 0n, 1, 0, 0n, 0, 0, "x"],
  ] as const)
    expect(v.ask(opcode, opcode === Opcode.write ? a : 1, ...parts).errno).toBe(Errno.EPERM);
  // What has gone is there until it is removed, and what has come is not until it is made; once each.
  expect(v.find("gone")).toBe(gone);
  expect(v.ask(Opcode.unlink, 1, "gone").errno).toBe(0);
  expect(v.ask(Opcode.unlink, 1, "gone").errno).toBe(Errno.EPERM);
  expect(v.ask(Opcode.lookup, 1, "gone").errno).toBe(Errno.ENOENT);
  expect(v.ask(Opcode.lookup, 1, "new").errno).toBe(Errno.ENOENT);
  expect(v.ask(Opcode.mknod, 1, 0o100644, 0, 0, 0, "new").errno).toBe(0);
  expect(v.ask(Opcode.mknod, 1, 0o100644, 0, 0, 0, "new").errno).toBe(Errno.EPERM);
  v.gid = 0;
  expect(v.find("new")).toBeGreaterThan(1);
  expect(readFileSync(`${v.path}/a`, "utf8")).toBe("text");
  expect(readFileSync(`${v.path}/new`, "utf8")).toBe("new");
});

test("for others nothing is there that has gone, nor missing what has come", async () => {
  const watches = new Watches(100);
  const v = volume({ watches });
  writeFileSync(`${v.path}/gone`, "");
  v.find("gone");
  rmSync(`${v.path}/gone`);
  writeFileSync(`${v.path}/new`, "");
  await next(v, watches);
  expect(v.ask(Opcode.lookup, 1, "gone").errno).toBe(Errno.ENOENT);
  expect(v.ask(Opcode.lookup, 1, "new").errno).toBe(0);
});

test("the guest's own changes are none of the host's, and those of another volume of the folder are", async () => {
  const watches = new Watches(100);
  const v = volume({ watches });
  const other = volume({ watches, path: v.path });
  const { node, handle } = v.create(1, "a");
  v.write(node, handle, "text");
  v.get(Opcode.release, node, handle, 0, 0, 0n);
  v.get(Opcode.mkdir, 1, 0o755, 0, "d");
  v.get(Opcode.rename2, 1, BigInt(v.find("d")), 0, 0, "a", "c");
  v.create(v.find("d"), "e");
  writeFileSync(`${v.path}/b`, "");
  expect(paths(await next(v, watches))).toEqual(["b"]);
  expect(paths(await next(other, watches))).toEqual(["d", "b"]);
});

test("what the host has written is told also when the guest reads it just then", async () => {
  const watches = new Watches(100);
  const { path } = volume();
  writeFileSync(`${path}/a`, "");
  const v = volume({ watches, path });
  const a = v.find("a");
  writeFileSync(`${v.path}/b`, "");
  writeFileSync(`${v.path}/a`, "text");
  const handle = v.open(a);
  expect(v.read(a, handle)).toBe("text");
  v.get(Opcode.release, a, handle, 0, 0, 0n);
  expect(paths(await next(v, watches)).sort()).toEqual(["a", "b"]);
});

test("who opens a file to write, or empties it, changes it himself", async () => {
  const watches = new Watches(100);
  const { path } = volume();
  for (const name of ["a", "b", "c", "d"]) writeFileSync(`${path}/${name}`, "text");
  const v = volume({ watches, path });
  const [readOnly, writeOnly, truncate] = [0, 1, 0o1000];
  const [a, b, c] = [v.find("a"), v.find("b"), v.find("c")];
  for (const [node, flags] of [
    [a, writeOnly],
    [b, writeOnly | truncate],
    [c, readOnly | truncate],
  ] as const)
    v.get(Opcode.release, node, v.open(node, flags), 0, 0, 0n);
  writeFileSync(`${v.path}/d`, "more");
  expect(paths(await next(v, watches))).toEqual(["d"]);
});

test("the directories that were used last are watched", async () => {
  const watches = new Watches(2);
  const v = volume({ watches });
  for (const name of ["a", "b", "c"]) mkdirSync(`${v.path}/${name}`);
  const nodes = ["a", "b", "c"].map((name) => v.find(name));
  expect(watches.count).toBe(2);
  v.names(nodes[0] as number);
  for (const name of ["a", "b", "c"]) writeFileSync(`${v.path}/${name}/f`, "");
  expect(paths(await next(v, watches))).toEqual(["a/f", "c/f"]);
  v.ask(Opcode.forget, nodes[0] as number, 10n);
  expect(watches.count).toBe(1);
});

test("a single file is told by an empty name", async () => {
  const watches = new Watches(2);
  const folder = volume();
  writeFileSync(`${folder.path}/a`, "");
  const v = volume({ watches, path: `${folder.path}/a` });
  appendFileSync(`${folder.path}/a`, "text");
  expect(await next(v, watches)).toEqual([
    { path: "", mode: 0o100644, gone: false, made: false, modified: true, written: true },
  ]);
});

test("what the guest writes to a single file is none of the host's changes", async () => {
  const watches = new Watches(2);
  const folder = volume({ watches });
  writeFileSync(`${folder.path}/a`, "");
  const v = volume({ watches, path: `${folder.path}/a` });
  const handle = v.open(1, 1);
  v.write(1, handle, "text");
  v.get(Opcode.release, 1, handle, 0, 0, 0n);
  const host = openSync(v.path, "a");
  writeSync(host, "more");
  // Not closed yet: that was the guest.
  expect(await next(v, watches)).toMatchObject([{ path: "", modified: true, written: false }]);
  closeSync(host);
});

test("lists are short, and what is too much at once is dropped and said", async () => {
  const watches = new Watches(2);
  const v = volume({ watches });
  const reasons: string[] = [];
  if (v.folder.changes !== undefined) v.folder.changes.onMissed = (reason) => reasons.push(reason);
  for (let i = 0; i < 200; i++) writeFileSync(`${v.path}/${"x".repeat(200)}${i}`, "");
  writeFileSync(`${v.path}/0`, "");
  for (let i = 0; i < 8200; i++) {
    renameSync(`${v.path}/${i}`, `${v.path}/${i + 1}`);
    // The kernel's own queue has 16,384 places, often.
    if (i % 1000 === 0) watches.read();
  }
  const list = await next(v, watches);
  expect(list.length).toBe(128);
  expect(reasons).toEqual(["more changed at once than can be told"]);
});
