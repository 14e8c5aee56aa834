import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { HandleBudget } from "../../files/folder/handles.ts";
import { applyChanges, changesOf, openWorkspace } from "../index.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";

const O_WRONLY = 1;
const O_TRUNC = 0o1000;
const ENOENT = 2;
const ENFILE = 23;
const EEXIST = 17;
const EXDEV = 18;
const ENOTEMPTY = 39;

/** More than is hashed, which is read and not written. */
const MUCH = 6 * 1024 * 1024;

/** Bytes that this process has written so far. */
const written = (): number => Number(/^wchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);

describe("the guest's tree over the host's folder", () => {
  test("shows the host's files; what the guest writes never reaches the host", () => {
    using place = makePlace();
    mkdirSync(`${place.folder}/src`);
    writeFileSync(`${place.folder}/src/a.txt`, "host\n");
    chmodSync(`${place.folder}/src/a.txt`, 0o640);
    symlinkSync("a.txt", `${place.folder}/src/link`);
    using guest = Guest.of(place);
    expect(guest.list("src")).toEqual(["a.txt", "link"]);
    expect(guest.read("src/a.txt")).toBe("host\n");
    expect(guest.readlink("src/link")).toBe("a.txt");
    const before = guest.stat("src/a.txt");
    guest.write("src/a.txt", "guest\n");
    guest.write("src/b.txt", "new\n");
    guest.mkdir("src/dir");
    guest.write("src/dir/c", "c");
    guest.unlink("src/link");
    expect(guest.list("src")).toEqual(["a.txt", "b.txt", "dir"]);
    expect(guest.read("src/a.txt")).toBe("guest\n");
    expect(guest.stat("src/a.txt").inode).toBe(before.inode);
    expect(guest.stat("src/a.txt").mode & 0o777).toBe(0o640);
    expect(readFileSync(`${place.folder}/src/a.txt`, "utf8")).toBe("host\n");
    expect(readdirSync(`${place.folder}/src`).sort()).toEqual(["a.txt", "link"]);
  });

  test("a file that is emptied is not copied for that, and is a change like any other", () => {
    using place = makePlace();
    for (const name of ["opened", "cut"])
      writeFileSync(`${place.folder}/${name}`, Buffer.alloc(MUCH, "host"));
    using guest = Guest.of(place);
    const before = written();
    guest.write("opened", "guest");
    guest.truncate("cut", 0);
    expect(written() - before).toBeLessThan(MUCH);
    expect(guest.read("opened")).toBe("guest");
    expect(guest.read("cut")).toBe("");
    expect(lstatSync(`${place.folder}/cut`).size).toBe(MUCH);
    using workspace = openWorkspace(place, "change");
    const changes = changesOf(workspace).map(({ names, status, size }) => [names[0], status, size]);
    expect(changes).toEqual([
      ["cut", "modified", 0],
      ["opened", "modified", 5],
    ]);
    expect(applyChanges(workspace).kept).toEqual([]);
    expect(readFileSync(`${place.folder}/opened`, "utf8")).toBe("guest");
  });

  test("a file that cannot be opened keeps its bytes", () => {
    using place = makePlace();
    for (const name of ["one", "other"]) writeFileSync(`${place.folder}/${name}`, "host");
    using guest = Guest.of(place, new HandleBudget(1));
    guest.write("one", "guest");
    const held = guest.at("one", (node) => guest.files.open(node, 0));
    const emptied = (name: string) => () =>
      guest.at(name, (node) => guest.files.open(node, O_WRONLY | O_TRUNC));
    for (const name of ["one", "other"]) expect(guest.errno(emptied(name))).toBe(ENFILE);
    guest.files.release(held);
    expect([guest.read("one"), guest.read("other")]).toEqual(["guest", "host"]);
  });

  test("is the same when it is served again", () => {
    using place = makePlace();
    writeFileSync(`${place.folder}/a`, "1");
    mkdirSync(`${place.folder}/d`);
    writeFileSync(`${place.folder}/d/x`, "x");
    let inode: bigint;
    {
      using guest = Guest.of(place);
      guest.write("a", "22");
      guest.write("new", "n");
      inode = guest.stat("new").inode;
      guest.unlink("d/x");
      guest.rmdir("d");
    }
    using guest = Guest.of(place);
    expect(guest.list("")).toEqual(["a", "new"]);
    expect(guest.read("a")).toBe("22");
    expect(guest.stat("new").inode).toBe(inode);
    expect(existsSync(`${place.folder}/d/x`)).toBe(true);
  });

  test("sees what changes on the host, but for what the guest has changed itself", () => {
    using place = makePlace();
    writeFileSync(`${place.folder}/mine`, "1");
    writeFileSync(`${place.folder}/yours`, "1");
    using guest = Guest.of(place);
    guest.write("mine", "guest");
    writeFileSync(`${place.folder}/mine`, "host");
    writeFileSync(`${place.folder}/yours`, "host");
    writeFileSync(`${place.folder}/fresh`, "f");
    expect([guest.read("mine"), guest.read("yours"), guest.read("fresh")]).toEqual(["guest", "host", "f"]);
  });

  test("an open file has what was written through another handle, and lives on without a name", () => {
    using place = makePlace();
    writeFileSync(`${place.folder}/a`, "old");
    using guest = Guest.of(place);
    guest.at("a", (node) => {
      const handle = guest.files.open(node, 0);
      guest.writeAt("a", "new", 0);
      expect(guest.readHandle(handle, 10)).toBe("new");
      guest.unlink("a");
      expect(guest.exists("a")).toBe(false);
      expect(guest.files.getAttributes(node).links).toBe(0);
      expect(guest.readHandle(handle, 10)).toBe("new");
      guest.files.release(handle);
    });
    expect(readdirSync(`${place.directory}/data`)).toEqual([]);
  });

  test("breaks the host's hard links, and has its own", () => {
    using place = makePlace();
    writeFileSync(`${place.folder}/a`, "1");
    linkSync(`${place.folder}/a`, `${place.folder}/b`);
    using guest = Guest.of(place);
    guest.write("a", "2");
    expect([guest.read("a"), guest.read("b")]).toEqual(["2", "1"]);
    expect(guest.stat("a").inode).not.toBe(guest.stat("b").inode);
    guest.link("a", "c");
    guest.writeAt("c", "3", 0);
    expect(guest.read("a")).toBe("3");
    expect(guest.stat("a")).toEqual(guest.stat("c"));
    expect(guest.stat("a").links).toBe(2);
    guest.unlink("a");
    expect(guest.read("c")).toBe("3");
    expect(guest.stat("c").links).toBe(1);
  });

  test("directories of the host move whole; too large ones say EXDEV and nothing has happened", () => {
    using place = makePlace();
    mkdirSync(`${place.folder}/a/deep`, { recursive: true });
    writeFileSync(`${place.folder}/a/deep/x`, "x");
    writeFileSync(`${place.folder}/a/y`, "y");
    using guest = Guest.of(place);
    guest.at("a/deep/x", (node) => {
      guest.rename("a", "b");
      expect(guest.files.getAttributes(node).size).toBe(1);
    });
    expect(guest.list("")).toEqual(["b"]);
    expect([guest.read("b/deep/x"), guest.read("b/y")]).toEqual(["x", "y"]);
    guest.rename("b", "a");
    expect(guest.list("a")).toEqual(["deep", "y"]);
    mkdirSync(`${place.folder}/big`);
    for (let i = 0; i <= 4000; i++) writeFileSync(`${place.folder}/big/${i}`, "");
    expect(guest.errno(() => guest.rename("big", "small"))).toBe(EXDEV);
    expect(guest.list("")).toEqual(["a", "big"]);
    expect(guest.list("big")).toHaveLength(4001);
    expect(readdirSync(`${place.directory}/data`)).toHaveLength(2);
  }, 30_000);

  test("a directory that was removed and made again is empty", () => {
    using place = makePlace();
    mkdirSync(`${place.folder}/d`);
    writeFileSync(`${place.folder}/d/x`, "x");
    using guest = Guest.of(place);
    expect(guest.errno(() => guest.rmdir("d"))).toBe(ENOTEMPTY);
    guest.unlink("d/x");
    guest.rmdir("d");
    guest.mkdir("d");
    expect(guest.list("d")).toEqual([]);
    writeFileSync(`${place.folder}/d/later`, "");
    expect(guest.list("d")).toEqual([]);
    expect(guest.errno(() => guest.mkdir("d"))).toBe(EEXIST);
    guest.write("d/x", "again");
    expect(guest.read("d/x")).toBe("again");
  });

  test("a name that the guest removes does not come back as the host's", () => {
    using place = makePlace();
    using guest = Guest.of(place);
    guest.write("a", "guest");
    writeFileSync(`${place.folder}/a`, "host");
    guest.unlink("a");
    expect(guest.errno(() => guest.read("a"))).toBe(ENOENT);
    guest.write("a", "again");
    expect(guest.read("a")).toBe("again");
  });
});

describe("nothing leads out of the folder", () => {
  test("a directory that somebody replaces by a link is no way out", () => {
    using place = makePlace();
    mkdirSync(`${place.root}/outside`);
    writeFileSync(`${place.root}/outside/secret`, "secret");
    mkdirSync(`${place.folder}/d`);
    writeFileSync(`${place.folder}/d/secret`, "mine");
    using guest = Guest.of(place);
    guest.at("d", (node) => {
      rmSync(`${place.folder}/d`, { recursive: true });
      symlinkSync(`${place.root}/outside`, `${place.folder}/d`);
      expect(guest.errno(() => guest.files.lookup(node, "secret"))).toBe(ENOENT);
      expect(guest.errno(() => guest.files.openDirectory(node))).not.toBe(0);
    });
    expect(guest.readlink("d")).toBe(`${place.root}/outside`);
  });

  test("links of the guest are text; long, odd and folded names are names", () => {
    using place = makePlace();
    using guest = Guest.of(place);
    guest.symlink("/etc", "etc");
    guest.symlink("../../../..", "up");
    expect(guest.readlink("etc")).toBe("/etc");
    expect(guest.errno(() => guest.read("etc/passwd"))).not.toBe(0);
    const names = ["a".repeat(255), "\xff\xfe", "A", "a", "index", "data", ".wh.a", "\x1b[2J", "%s", "1"];
    for (const name of names) guest.write(name, name);
    for (const name of names) expect(guest.read(name)).toBe(name);
    expect(readdirSync(`${place.directory}/data`).every((name) => /^\d+$/.test(name))).toBe(true);
    expect(lstatSync(`${place.directory}/data`).mode & 0o777).toBe(0o700);
    expect(readdirSync(place.folder)).toEqual([]);
  });

  test("a device cannot be made, a FIFO can, and is none on the host", () => {
    using place = makePlace();
    using guest = Guest.of(place);
    expect(guest.errno(() => guest.makeNode("null", 0o020666))).toBe(1);
    guest.makeNode("fifo", 0o010644);
    expect(guest.stat("fifo").mode).toBe(0o010644);
    expect(readdirSync(place.folder)).toEqual([]);
    renameSync(place.folder, `${place.folder}2`);
    renameSync(`${place.folder}2`, place.folder);
    expect(guest.list("")).toEqual(["fifo"]);
  });
});
