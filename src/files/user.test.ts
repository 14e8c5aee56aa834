/** smolvm runs as a user of the host: whose files are whose, and what becomes of modes. */
import { afterEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { OpenFlag, openAt } from "../../ffi/files.ts";
import { Errno } from "./errno.ts";
import { setattr, TestVolume, type TestVolumeOptions } from "./files.fixture.ts";
import { rootAccess } from "./folder/access.ts";
import { UserOwners } from "./folder/owners.ts";
import { Stat } from "./folder/stat.ts";
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

const user = { uid: 54_321, gid: 54_321 };
/** The tests run as root, which gives up what makes it root for a while. */
function asUser(body: (v: TestVolume) => void): void {
  const outer = volume();
  chownSync(outer.path, user.uid, user.gid);
  writeFileSync(`${outer.path}/roots`, "");
  process.setegid?.(user.gid);
  process.seteuid?.(user.uid);
  try {
    body(volume({ path: outer.path, user }));
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}

test("what is the user's is root's in the guest, what is others' nobody's", () => {
  asUser((v) => {
    const { node } = v.create(1, "a");
    expect(v.stat(node)).toMatchObject({ uid: 0, gid: 0 });
    expect(statSync(`${v.path}/a`).uid).toBe(user.uid);
    expect(v.stat(v.find("roots"))).toMatchObject({ uid: 65_534, gid: 65_534 });
    expect(setattr(v, v.find("roots"), 1, 0o777).errno).toBe(Errno.EPERM);
  });
});

test("an owner that the guest gives is kept: on files and directories for the next start, on links till the end", () => {
  asUser((v) => {
    const { node } = v.create(1, "a", 0o444);
    v.get(Opcode.symlink, 1, "link", "a");
    expect(setattr(v, node, 2 | 4, 0, 70, 80).errno).toBe(0);
    expect(setattr(v, v.find("link"), 2, 0, 70).errno).toBe(0);
    v.uid = 1000;
    v.gid = 1001;
    v.create(1, "b");
    v.get(Opcode.mkdir, 1, 0o755, 0, "d");
    expect(v.stat(v.find("link"))).toMatchObject({ uid: 70 });
    const next = volume({ path: v.path, user });
    expect(next.stat(next.find("a"))).toMatchObject({ uid: 70, gid: 80, mode: 0o100444 });
    expect(next.stat(next.find("b"))).toMatchObject({ uid: 1000, gid: 1001 });
    expect(next.stat(next.find("d"))).toMatchObject({ uid: 1000, gid: 1001 });
    expect(next.stat(next.find("link"))).toMatchObject({ uid: 0 });
    expect(next.get(Opcode.listxattr, next.find("a"), 100, 0).length).toBe(0);
  });
});

test("what root may do in a machine is done, whatever the modes say", () => {
  asUser((v) => {
    v.get(Opcode.mkdir, 1, 0o500, 0, "shut");
    const shut = v.find("shut");
    const { node, handle } = v.create(shut, "in", 0, 1);
    v.write(node, handle, "text");
    expect(v.read(node, v.open(node))).toBe("text");
    v.get(Opcode.unlink, shut, "in");
    expect(statSync(`${v.path}/shut`).mode & 0o7777).toBe(0o500);
  });
});

test("set-id bits of the guest's files are the guest's alone", () => {
  asUser((v) => {
    const onHost = (name: string) => statSync(`${v.path}/${name}`).mode & 0o7777;
    const inGuest = (name: string, from = v) => from.stat(from.find(name)).mode & 0o7777;
    v.create(1, "made", 0o4755);
    v.get(Opcode.mknod, 1, 0o102755, 0, 0, 0, "node");
    const { node, handle } = v.create(1, "changed");
    expect(setattr(v, node, 1, 0o6711).errno).toBe(0);
    v.get(Opcode.mkdir, 1, 0o2775, 0, "d");
    expect(["made", "node", "changed", "d"].map(onHost)).toEqual([0o755, 0o755, 0o711, 0o2775]);
    const expected = [0o4755, 0o2755, 0o6711, 0o2775];
    expect(["made", "node", "changed", "d"].map((name) => inGuest(name))).toEqual(expected);
    const next = volume({ path: v.path, user });
    expect(["made", "node", "changed", "d"].map((name) => inGuest(name, next))).toEqual(expected);
    const killing = 4;
    v.get(Opcode.write, node, handle, 0n, 1, killing, 0n, 0, 0, Buffer.from("x"));
    expect(inGuest("changed")).toBe(0o711);
    expect(setattr(v, v.find("made"), 1, 0o700).errno).toBe(0);
    expect(setattr(v, v.find("node"), 2, 0, 70).errno).toBe(0);
    expect([inGuest("made"), inGuest("node")]).toEqual([0o700, 0o755]);
    expect(v.stat(v.find("node"))).toMatchObject({ uid: 70, gid: 0 });
  });
});

test("a read-only volume changes no mode, not for a moment", () => {
  asUser((outer) => {
    mkdirSync(`${outer.path}/shut`);
    writeFileSync(`${outer.path}/shut/in`, "");
    writeFileSync(`${outer.path}/secret`, "");
    chmodSync(`${outer.path}/shut`, 0);
    chmodSync(`${outer.path}/secret`, 0);
    const changedAt = () =>
      ["shut", "secret"].map((name) => statSync(`${outer.path}/${name}`, { bigint: true }).ctimeNs);
    const before = changedAt();
    const v = volume({ path: outer.path, user, readOnly: true });
    expect(v.ask(Opcode.open, v.find("secret"), 0, 0).errno).toBe(Errno.EACCES);
    expect(v.ask(Opcode.lookup, v.find("shut"), "in").errno).toBe(Errno.EACCES);
    expect(v.ask(Opcode.opendir, v.find("shut"), 0, 0).errno).toBe(Errno.EACCES);
    expect(changedAt()).toEqual(before);
  });
});

test("a file that its owner may not read is still its owner's", () => {
  asUser((v) => {
    v.uid = v.gid = 1000;
    v.create(1, "secret", 0o200);
    v.create(1, "shut", 0);
    const next = volume({ path: v.path, user });
    const entry = next.get(Opcode.lookup, 1, "secret");
    expect([entry.readUInt32LE(40 + 68), entry.readUInt32LE(40 + 72)]).toEqual([1000, 1000]);
    for (const name of ["secret", "shut"])
      expect(next.stat(next.find(name))).toMatchObject({ uid: 1000, gid: 1000 });
    expect(statSync(`${v.path}/secret`).mode & 0o7777).toBe(0o200);
    // Looked at once, it is not touched any more.
    const { ctimeNs } = statSync(`${v.path}/shut`, { bigint: true });
    expect(next.stat(next.find("shut"))).toMatchObject({ uid: 1000 });
    expect(statSync(`${v.path}/shut`, { bigint: true }).ctimeNs).toBe(ctimeNs);
  });
});

test("in a directory that its owner may not search, everything can be made and moved", () => {
  asUser((v) => {
    v.get(Opcode.mkdir, 1, 0o600, 0, "shut");
    const shut = v.find("shut");
    v.get(Opcode.mkdir, shut, 0o755, 0, "d");
    v.get(Opcode.symlink, shut, "link", "d");
    v.get(Opcode.mknod, shut, 0o100644, 0, 0, 0, "file");
    const file = v.find("shut/file");
    v.get(Opcode.rename2, shut, BigInt(shut), 0, 0, "file", "moved");
    expect(v.ask(Opcode.open, file, 0, 0).errno).toBe(0);
    expect(v.names(shut)).toEqual(["d", "link", "moved"]);
    expect(statSync(`${v.path}/shut`).mode & 0o7777).toBe(0o600);
  });
});

test("a directory that may not be written moves to another one", () => {
  asUser((v) => {
    v.get(Opcode.mkdir, 1, 0o555, 0, "fixed");
    v.get(Opcode.mkdir, 1, 0o555, 0, "other");
    v.get(Opcode.mkdir, 1, 0o555, 0, "to");
    const to = v.find("to");
    v.get(Opcode.rename2, 1, BigInt(to), 0, 0, "fixed", "fixed");
    expect(v.names(to)).toEqual(["fixed"]);
    v.get(Opcode.rename2, 1, BigInt(to), 2, 0, "other", "fixed");
    expect(["to", "to/fixed", "other"].map((name) => statSync(`${v.path}/${name}`).mode & 0o7777)).toEqual([
      0o555, 0o555, 0o555,
    ]);
  });
});

test("owners of links: the last ones are remembered, and none of a link that is gone", () => {
  const { path } = volume();
  const root = openAt(-100, path, 0);
  const stat = new Stat();
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const owners = new UserOwners(uid, gid, stat, rootAccess, 3);
  const flags = OpenFlag.pathOnly | OpenFlag.noFollow;
  for (let i = 0; i < 10; i++) {
    symlinkSync("x", `${path}/${i}`);
    owners.change(openAt(root, String(i), flags), 70 + i, undefined);
  }
  expect(owners.remembered).toBe(3);
  const shown = (name: string) => {
    stat.read(root, name);
    return owners.shown(root, name).uid;
  };
  expect(["0", "6", "7", "9"].map(shown)).toEqual([0, 0, 77, 79]);
  expect(owners.losing(root, "8", () => 0)).toBe(0);
  expect(owners.remembered).toBe(2);
  expect(owners.losing(root, "9", () => -Errno.EACCES)).toBe(-Errno.EACCES);
  expect(shown("9")).toBe(79);
});
