import { afterEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { Errno } from "./errno.ts";
import { setattr, TestVolume, type TestVolumeOptions } from "./files.fixture.ts";
import { Opcode } from "./wire/opcodes.ts";

const volumes: TestVolume[] = [];
function volume(options: TestVolumeOptions = {}): TestVolume {
  const made = new TestVolume(options);
  volumes.push(made);
  return made;
}
afterEach(() => {
  for (const made of volumes.splice(0)) made.stop();
});

/** So many that no descriptor of what was used before is open any more. */
function useOthers(v: TestVolume): void {
  for (let i = 0; i < 40; i++) mkdirSync(`${v.path}/many${i}/x`, { recursive: true });
  for (let i = 0; i < 40; i++) v.find(`many${i}/x`);
}

test("a file is made, written, read, and is on the host at once", () => {
  const v = volume();
  const { node, handle } = v.create(1, "a");
  expect(v.write(node, handle, "hello")).toBe(5);
  expect(readFileSync(`${v.path}/a`, "utf8")).toBe("hello");
  writeFileSync(`${v.path}/a`, "host's");
  expect(v.read(node, handle)).toBe("host's");
  expect(v.stat(node).size).toBe(6);
  v.get(Opcode.release, node, handle, 0, 0, 0n);
  expect(v.ask(Opcode.read, node, handle, 0n, 10, 0, 0n, 0, 0).errno).toBe(Errno.EBADF);
});

test("a read-only file can be written by who makes it, and keeps its mode", () => {
  const v = volume();
  const { node, handle } = v.create(1, "object", 0o444, 1);
  expect(v.write(node, handle, "data")).toBe(4);
  expect(statSync(`${v.path}/object`).mode & 0o7777).toBe(0o444);
});

test("a file is emptied also by who opens it for reading only; for neither reading nor writing it is not opened", () => {
  const v = volume();
  const [readOnly, neither, truncate] = [0, 3, 0o1000];
  v.create(1, "a", 0o644, readOnly | truncate);
  writeFileSync(`${v.path}/a`, "abc");
  const node = v.find("a");
  expect(v.ask(Opcode.open, node, neither, 0).errno).toBe(Errno.EINVAL);
  expect(readFileSync(`${v.path}/a`, "utf8")).toBe("abc");
  const handle = v.open(node, readOnly | truncate);
  expect(statSync(`${v.path}/a`).size).toBe(0);
  expect(v.ask(Opcode.write, node, handle, 0n, 1, 0, 0n, 0, 0, "x").errno).toBe(Errno.EBADF);
});

test("sticky and set-id bits, links, FIFOs and sockets are what the guest made", () => {
  const v = volume();
  v.get(Opcode.mkdir, 1, 0o1777, 0, "tmp");
  v.get(Opcode.mknod, 1, 0o010600, 0, 0, 0, "fifo");
  v.get(Opcode.mknod, 1, 0o140600, 0, 0, 0, "socket");
  v.get(Opcode.symlink, 1, "link", "/etc/passwd");
  expect(statSync(`${v.path}/tmp`).mode & 0o7777).toBe(0o1777);
  expect(v.get(Opcode.readlink, v.find("link")).toString()).toBe("/etc/passwd");
  expect(v.names(1)).toEqual(["fifo", "link", "socket", "tmp"]);
  expect(v.ask(Opcode.mknod, 1, 0o020600, 0x0103, 0, 0, "null").errno).toBe(Errno.EPERM);
  expect(v.ask(Opcode.open, v.find("fifo"), 0, 0).errno).toBe(Errno.ENXIO);
});

test("a directory of many entries is read in pieces, each once", () => {
  const v = volume();
  const names = Array.from({ length: 700 }, (_, i) => `file-${String(i).padStart(4, "0")}`);
  for (const name of names) writeFileSync(`${v.path}/${name}`, "");
  expect(v.names(1, 512)).toEqual(names);
  const handle = v.get(Opcode.opendir, 1, 0, 0).readBigUInt64LE(0);
  const plus = v.get(Opcode.readdirplus, 1, handle, 0n, 4096, 0, 0n, 0, 0);
  expect(plus.length).toBeGreaterThan(3000);
  expect(v.folder.known).toBeGreaterThan(15);
});

test("rename, exchange and links: a file is found by its new name", () => {
  const v = volume();
  const { node } = v.create(1, "a");
  v.create(1, "b");
  mkdirSync(`${v.path}/d`);
  const d = v.find("d");
  v.get(Opcode.rename2, 1, BigInt(d), 0, 0, "a", "moved");
  expect(setattr(v, node, 1, 0o600).errno).toBe(0);
  expect(statSync(`${v.path}/d/moved`).mode & 0o777).toBe(0o600);
  expect(v.ask(Opcode.rename2, 1, BigInt(d), 1, 0, "b", "moved").errno).toBe(Errno.EEXIST);
  expect(v.ask(Opcode.rename2, 1, BigInt(d), 4, 0, "b", "moved").errno).toBe(Errno.EINVAL);
  v.get(Opcode.rename2, 1, BigInt(d), 2, 0, "b", "moved");
  expect(v.stat(node).mode & 0o777).toBe(0o600);
  v.get(Opcode.link, 1, BigInt(node), "again");
  v.get(Opcode.unlink, 1, "b");
  expect(v.stat(node).mode & 0o777).toBe(0o600);
});

test("names that differ in case or in Unicode's form alone are several files, on the host and in the guest", () => {
  const v = volume();
  const bytes = (name: string) => Buffer.from(name).toString("latin1");
  const names = [
    "Read",
    "read",
    "\u00e9",
    "e\u0301",
    "\u212b",
    "\u00c5",
    "stra\u00dfe",
    "strasse",
    "STRASSE",
  ];
  for (const name of names) {
    const { node, handle } = v.create(1, bytes(name), 0o644, 0o200 | 2);
    v.write(node, handle, name);
  }
  expect(readdirSync(v.path).sort()).toEqual([...names].sort());
  expect(v.names(1)).toEqual(names.map(bytes).sort());
  expect(new Set(names.map((name) => v.find(bytes(name)))).size).toBe(names.length);
  for (const name of names) expect(readFileSync(`${v.path}/${name}`, "utf8")).toBe(name);
  v.get(Opcode.unlink, 1, "read");
  for (const name of ["read", "READ", "e"]) expect(v.ask(Opcode.lookup, 1, name).errno).toBe(Errno.ENOENT);
  expect(v.ask(Opcode.lookup, 1, "Read").errno).toBe(0);
});

test("an open file outlives its name", () => {
  const v = volume();
  const { node, handle } = v.create(1, "a");
  v.write(node, handle, "still here");
  v.get(Opcode.unlink, 1, "a");
  expect(v.read(node, handle)).toBe("still here");
  expect(v.stat(node).size).toBe(10);
});

test("times, sizes and attributes are set; those of others than users are not there", () => {
  const v = volume();
  const { node } = v.create(1, "a");
  expect(setattr(v, node, 8 | 16 | 32, 0, 0, 0, 100n).errno).toBe(0);
  const { size, mtimeMs, atimeMs } = statSync(`${v.path}/a`);
  expect([size, Math.floor(atimeMs), Math.floor(mtimeMs)]).toEqual([100, 5000, 7000]);
  v.get(Opcode.setxattr, node, 3, 0, "user.x", Buffer.from("abc"));
  expect(v.get(Opcode.getxattr, node, 10, 0, "user.x").toString()).toBe("abc");
  expect(v.get(Opcode.getxattr, node, 0, 0, "user.x").readUInt32LE(0)).toBe(3);
  expect(v.ask(Opcode.getxattr, node, 2, 0, "user.x").errno).toBe(Errno.ERANGE);
  expect(v.get(Opcode.listxattr, node, 100, 0).toString()).toBe("user.x\0");
  for (const name of ["security.capability", "trusted.overlay.opaque", "user.smolvm.owner"])
    expect(v.ask(Opcode.setxattr, node, 3, 0, name, Buffer.from("abc")).errno).toBe(Errno.EOPNOTSUPP);
  v.get(Opcode.removexattr, node, "user.x");
  expect(v.get(Opcode.listxattr, node, 100, 0).length).toBe(0);
});

describe("a read-only volume", () => {
  test("refuses everything that would change it, and serves the rest", () => {
    const outer = volume();
    writeFileSync(`${outer.path}/a`, "text");
    mkdirSync(`${outer.path}/d`);
    const v = volume({ path: outer.path, readOnly: true });
    const node = v.find("a");
    const handle = v.open(node);
    expect(v.read(node, handle)).toBe("text");
    const refused = [
      v.ask(Opcode.open, node, 1, 0),
      v.ask(Opcode.open, node, 2, 0),
      v.ask(Opcode.open, node, 0o1000, 0),
      v.ask(Opcode.create, 1, 2, 0o644, 0, 0, "new"),
      v.ask(Opcode.write, node, handle, 0n, 1, 0, 0n, 0, 0, Buffer.from("x")),
      setattr(v, node, 1, 0o777),
      v.ask(Opcode.mkdir, 1, 0o755, 0, "new"),
      v.ask(Opcode.mknod, 1, 0o100644, 0, 0, 0, "new"),
      v.ask(Opcode.symlink, 1, "new", "a"),
      v.ask(Opcode.link, 1, BigInt(node), "new"),
      v.ask(Opcode.unlink, 1, "a"),
      v.ask(Opcode.rmdir, 1, "d"),
      v.ask(Opcode.rename, 1, 1n, "a", "b"),
      v.ask(Opcode.rename2, 1, 1n, 0, 0, "a", "b"),
      v.ask(Opcode.setxattr, node, 1, 0, "user.x", Buffer.from("x")),
      v.ask(Opcode.removexattr, node, "user.x"),
      v.ask(Opcode.fallocate, node, handle, 0n, 10n, 0, 0),
      v.ask(Opcode.copyFileRange, node, handle, 0n, BigInt(node), handle, 0n, 4n, 0n),
    ].map(({ errno }) => errno);
    expect(new Set(refused)).toEqual(new Set([Errno.EROFS]));
    expect(readdirSync(v.path).sort()).toEqual(["a", "d"]);
    expect(readFileSync(`${v.path}/a`, "utf8")).toBe("text");
  });
});

describe("out of the folder leads", () => {
  const secret = (v: TestVolume): string => {
    mkdirSync(`${v.path}/outside`);
    writeFileSync(`${v.path}/outside/secret`, "secret");
    mkdirSync(`${v.path}/shared/d`, { recursive: true });
    writeFileSync(`${v.path}/shared/d/secret`, "mine");
    return `${v.path}/shared`;
  };

  test("no name", () => {
    const outer = volume();
    const v = volume({ path: secret(outer) });
    for (const name of [
      "..",
      ".",
      "",
      "d/secret",
      "../outside/secret",
      "/etc/passwd",
      "a\0b".split("\0")[0] ?? "",
    ])
      if (name !== "a") expect(v.ask(Opcode.lookup, 1, name).errno).toBe(Errno.EINVAL);
    expect(v.ask(Opcode.lookup, 1, "x".repeat(256)).errno).toBe(Errno.ENAMETOOLONG);
    expect(v.ask(Opcode.create, 1, 2, 0o644, 0, 0, "../new").errno).toBe(Errno.EINVAL);
    expect(v.ask(Opcode.rename, 1, 1n, "d", "../d").errno).toBe(Errno.EINVAL);
    expect(existsSync(`${outer.path}/new`)).toBe(false);
  });

  test("no link, of the guest's or of the host's", () => {
    const outer = volume();
    const v = volume({ path: secret(outer) });
    v.get(Opcode.symlink, 1, "out", "../outside");
    const link = v.find("out");
    expect(v.ask(Opcode.lookup, link, "secret").errno).toBe(Errno.ENOTDIR);
    expect(v.ask(Opcode.opendir, link, 0, 0).errno).toBe(Errno.ENOTDIR);
    expect(v.ask(Opcode.open, link, 0, 0).errno).not.toBe(0);
    expect(v.ask(Opcode.create, 1, 2, 0o644, 0, 0, "out").errno).not.toBe(0);
    expect(setattr(v, link, 8, 0, 0, 0, 0n).errno).not.toBe(0);
  });

  test("no directory that the host swaps for a link while the guest holds it", () => {
    const outer = volume();
    const v = volume({ path: secret(outer), descriptors: 16 });
    const d = v.find("d");
    const file = v.find("d/secret");
    useOthers(v);
    renameSync(`${v.path}/d`, `${outer.path}/elsewhere`);
    symlinkSync(`${outer.path}/outside`, `${v.path}/d`);
    expect(v.ask(Opcode.lookup, d, "secret").errno).toBe(Errno.ESTALE);
    expect(v.ask(Opcode.open, file, 0, 0).errno).toBe(Errno.ESTALE);
    expect(v.ask(Opcode.create, d, 2, 0o644, 0, 0, "new").errno).toBe(Errno.ESTALE);
    // A directory in its place is another one.
    unlinkSync(`${v.path}/d`);
    mkdirSync(`${v.path}/d`);
    expect(v.ask(Opcode.lookup, d, "secret").errno).toBe(Errno.ESTALE);
    expect(readdirSync(`${outer.path}/outside`)).toEqual(["secret"]);
  });

  test("no file that becomes a FIFO, a link or another file", () => {
    const outer = volume();
    const v = volume({ path: secret(outer) });
    const file = v.find("d/secret");
    unlinkSync(`${v.path}/d/secret`);
    symlinkSync("../../outside/secret", `${v.path}/d/secret`);
    expect(v.ask(Opcode.open, file, 0, 0).errno).toBe(Errno.ESTALE);
  });
});

test("what a mapping wrote lands where it was written, also when the file was opened to append", () => {
  const v = volume();
  const { node, handle } = v.create(1, "log", 0o644, 1 | 0o2000);
  v.write(node, handle, "0123456789");
  writeFileSync(`${v.path}/log`, "host", { flag: "a" });
  v.write(node, handle, "guest", 10n);
  const page = 1;
  v.get(Opcode.write, node, handle, 2n, 3, page, 0n, 0, 0, Buffer.from("abc"));
  expect(readFileSync(`${v.path}/log`, "utf8")).toBe("01abc56789hostguest");
});

test("files of other filesystems below the folder have other numbers than its own", () => {
  const v = volume({ path: "/", readOnly: true });
  const inodeOf = (name: string) => v.get(Opcode.lookup, 1, name).readBigUInt64LE(40);
  const [proc, sys] = [statSync("/proc", { bigint: true }), statSync("/sys", { bigint: true })];
  // Both are the first of their filesystem.
  expect([proc.ino === sys.ino, proc.dev === sys.dev]).toEqual([true, false]);
  expect(inodeOf("proc")).not.toBe(inodeOf("sys"));
  expect(inodeOf("bin")).toBe(lstatSync("/bin", { bigint: true }).ino);
});

test("an error that nobody foresaw is the request's, not the mount's", () => {
  const seen: unknown[] = [];
  const v = volume({ onError: (error) => seen.push(error) });
  v.folder.space = () => {
    throw new RangeError("unforeseen");
  };
  expect(v.ask(Opcode.statfs, 1).errno).toBe(Errno.EIO);
  expect(seen).toEqual([new RangeError("unforeseen")]);
  expect(v.stat(1).mode & 0o170000).toBe(0o040000);
});

test("files are forgotten when the guest gives its holds back, and not before", () => {
  const v = volume();
  v.create(1, "a");
  const node = v.find("a");
  v.ask(Opcode.forget, node, 1n);
  expect(v.ask(Opcode.getattr, node, 0, 0, 0n).errno).toBe(0);
  v.ask(Opcode.batchForget, 0, 1, 0, BigInt(node), 1n);
  expect(v.ask(Opcode.getattr, node, 0, 0, 0n).errno).toBe(Errno.ESTALE);
  v.ask(Opcode.forget, 1, 1n << 63n);
  expect(v.ask(Opcode.getattr, 1, 0, 0, 0n).errno).toBe(0);
});

test("a directory that the guest forgets stays where its files are found through it", () => {
  const v = volume({ descriptors: 16 });
  mkdirSync(`${v.path}/A/B/C`, { recursive: true });
  const c = v.find("A/B/C");
  const a = v.find("A");
  v.ask(Opcode.forget, v.find("A/B"), 3n);
  const b = v.find("A/B");
  v.get(Opcode.rename2, a, 1n, 0, 0, "B", "B");
  v.get(Opcode.rename2, 1, BigInt(c), 0, 0, "A", "A");
  useOthers(v);
  writeFileSync(`${v.path}/B/C/A/file`, "");
  for (const node of [b, c, a]) expect(v.stat(node).mode & 0o170000).toBe(0o040000);
  expect(v.ask(Opcode.lookup, a, "file").errno).toBe(0);
});

test("directories that the host puts into each other end nothing", () => {
  const v = volume({ descriptors: 16 });
  mkdirSync(`${v.path}/A/B`, { recursive: true });
  const a = v.find("A");
  const b = v.find("A/B");
  expect(v.ask(Opcode.lookup, b, "nothing").errno).toBe(Errno.ENOENT);
  renameSync(`${v.path}/A/B`, `${v.path}/B`);
  renameSync(`${v.path}/A`, `${v.path}/B/A`);
  // B is still open here: A is found in it, while B is known to be in A.
  expect(v.ask(Opcode.lookup, b, "A").errno).toBe(0);
  useOthers(v);
  expect(v.ask(Opcode.lookup, a, "file").errno).toBe(Errno.ESTALE);
  expect(v.find("B/A")).toBe(a);
  expect(v.ask(Opcode.lookup, a, "file").errno).toBe(Errno.ENOENT);
});

test("a single file is a volume", () => {
  const outer = volume();
  writeFileSync(`${outer.path}/config`, "text");
  const v = volume({ path: `${outer.path}/config` });
  expect(v.stat(1).mode & 0o170000).toBe(0o100000);
  const handle = v.open(1, 2);
  expect(v.read(1, handle)).toBe("text");
  v.write(1, handle, "TEXT");
  expect(readFileSync(`${outer.path}/config`, "utf8")).toBe("TEXT");
  expect(v.ask(Opcode.lookup, 1, "x").errno).toBe(Errno.ENOTDIR);
});

test("as root of the host, owners are passed on", () => {
  const v = volume({ user: { uid: 0, gid: 0 } });
  v.uid = 1234;
  v.gid = 4321;
  const { node } = v.create(1, "a");
  const { uid, gid } = statSync(`${v.path}/a`);
  expect([uid, gid]).toEqual([1234, 4321]);
  expect(v.stat(node)).toMatchObject({ uid: 1234, gid: 4321 });
  setattr(v, node, 2 | 4, 0, 5, 6);
  expect(statSync(`${v.path}/a`).uid).toBe(5);
});

test("set-id bits go when the kernel says so, and when a file is given away", () => {
  const v = volume();
  const { node, handle } = v.create(1, "a", 0o6755);
  const killing = 4;
  v.get(Opcode.write, node, handle, 0n, 1, killing, 0n, 0, 0, Buffer.from("x"));
  expect(statSync(`${v.path}/a`).mode & 0o7777).toBe(0o755);
  v.create(1, "b", 0o4755);
  setattr(v, v.find("b"), 2, 0, 7);
  expect(statSync(`${v.path}/b`).mode & 0o7777).toBe(0o755);
});
