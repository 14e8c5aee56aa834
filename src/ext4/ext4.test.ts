import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { seededRandom } from "../../test/support/random.ts";
import { SmolError } from "../errors.ts";
import { TreeMembers } from "../image/tar/index.ts";
import { FileType, type TreeFile } from "../image/tree/index.ts";
import { Ext4 } from "./index.ts";

/** mke2fs and debugfs make the filesystems, with the features of the disks of machines. */

setDefaultTimeout(60_000);

const directory = mkdtempSync("/tmp/smolvm-ext4-");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const FEATURES =
  "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";

function run(...command: string[]): string {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout.toString();
}

let count = 0;
/** @param fill makes the files @param commands of debugfs */
function makeDisk(fill: (root: string) => void, commands: readonly string[] = [], megabytes = 64): string {
  const root = `${directory}/root-${++count}`;
  const path = `${directory}/disk-${count}`;
  mkdirSync(root);
  fill(root);
  writeFileSync(path, "");
  truncateSync(path, megabytes * 1024 * 1024);
  const geometry = ["-b", "4096", "-I", "256", "-i", "16384", "-m", "0"];
  run("mke2fs", "-q", "-F", "-t", "ext4", ...geometry, "-O", FEATURES, "-d", root, path);
  for (const command of commands) run("debugfs", "-w", "-R", command, path);
  return path;
}

function find(disk: Ext4, path: string): TreeFile {
  let file = disk.root;
  for (const name of path.split("/")) {
    const next = disk.entries(file).get(name);
    if (next === undefined) throw new Error(`no ${path}`);
    file = next;
  }
  return file;
}

function contentOf(disk: Ext4, file: TreeFile): Buffer {
  const { runs, read } = disk.open(file);
  const bytes = Buffer.alloc(file.size);
  for (const { offset, length } of runs) read(offset, length).copy(bytes, offset);
  return bytes;
}

test("files of all kinds, as they are", () => {
  const large = crypto.getRandomValues(Buffer.alloc(60_000));
  const path = makeDisk(
    (root) => {
      mkdirSync(`${root}/dir/below`, { recursive: true });
      writeFileSync(`${root}/dir/large`, large);
      writeFileSync(`${root}/empty`, "");
      writeFileSync(`${root}/dir/below/tool`, "#!/bin/sh\n");
      chmodSync(`${root}/dir/below/tool`, 0o4751);
      symlinkSync("dir/large", `${root}/short`);
      symlinkSync(`/${"long/".repeat(40)}`, `${root}/long`);
      run("ln", `${root}/dir/large`, `${root}/other name`);
      run("truncate", "-s", "40M", `${root}/holes`);
      run("dd", `of=${root}/holes`, "if=/dev/urandom", "bs=4096", "count=3", "seek=4000", "conv=notrunc");
      run("mkfifo", `${root}/fifo`);
      run("mknod", `${root}/null`, "c", "1", "3");
      run("mknod", `${root}/far`, "b", "259", "70000");
      run("mknod", `${root}/whiteout`, "c", "0", "0");
      run("touch", "-d", "2040-05-06 07:08:09.123456789 UTC", `${root}/empty`);
      run("chown", "70000:80000", `${root}/empty`);
      run("setfattr", "-n", "user.note", "-v", "v".repeat(900), `${root}/dir`);
      run("setfattr", "-n", "user.small", "-v", "x", `${root}/dir/large`);
      run("setfattr", "-n", "trusted.overlay.opaque", "-v", "y", `${root}/dir/below`);
    }, // mke2fs writes whole seconds of 32 bits; Linux has this for what is beyond: nanoseconds, and the 33rd bit.
    [`set_inode_field /empty mtime_extra ${123_456_789 * 4 + 1}`],
  );
  using disk = new Ext4(path);
  expect(disk.unclean).toBe(false);
  expect([...disk.entries(disk.root).keys()].filter((name) => name !== "lost+found")).toEqual([
    "dir",
    "empty",
    "far",
    "fifo",
    "holes",
    "long",
    "null",
    "other name",
    "short",
    "whiteout",
  ]);
  const file = find(disk, "dir/large");
  expect(contentOf(disk, file).equals(large)).toBe(true);
  expect([file.links, find(disk, "other name").id === file.id]).toEqual([2, true]);
  expect(file.attributes.xattrs).toEqual([{ name: "user.small", value: Buffer.from("x") }]);
  expect(find(disk, "dir").attributes.xattrs).toEqual([{ name: "user.note", value: Buffer.alloc(900, "v") }]);
  expect(find(disk, "dir/below").attributes.xattrs).toEqual([
    { name: "trusted.overlay.opaque", value: Buffer.from("y") },
  ]);
  expect(find(disk, "dir/below/tool").attributes.permissions).toBe(0o4751);
  const { seconds, nanoseconds, uid, gid } = find(disk, "empty").attributes;
  expect([seconds, uid, gid]).toEqual([Date.UTC(2040, 4, 6, 7, 8, 9) / 1000, 70_000, 80_000]);
  expect(nanoseconds).toBe(123_456_789);
  expect([find(disk, "short").target, find(disk, "long").target]).toEqual([
    "dir/large",
    `/${"long/".repeat(40)}`,
  ]);
  const device = ({ type, major, minor }: TreeFile) => [type, major, minor];
  expect(device(find(disk, "null"))).toEqual([FileType.character, 1, 3]);
  expect(device(find(disk, "far"))).toEqual([FileType.block, 259, 70_000]);
  expect(device(find(disk, "whiteout"))).toEqual([FileType.character, 0, 0]);
  const holes = find(disk, "holes");
  expect(holes.size).toBe(40 * 1024 * 1024);
  expect(disk.open(holes).runs).toEqual([{ offset: 4000 * 4096, length: 3 * 4096 }]);
  expect(contentOf(disk, holes).equals(readFileSync(`${directory}/root-1/holes`))).toBe(true);
});

test("a directory of many names, and a file in many pieces", () => {
  const path = makeDisk((root) => {
    mkdirSync(`${root}/many`);
    for (let index = 0; index < 3000; index++)
      writeFileSync(`${root}/many/${"n".repeat(index % 100)}${index}`, "");
    run("truncate", "-s", "30M", `${root}/pieces`);
    for (let at = 0; at < 7000; at += 14)
      run("dd", `of=${root}/pieces`, "if=/dev/urandom", "bs=4096", "count=1", `seek=${at}`, "conv=notrunc");
  });
  using disk = new Ext4(path);
  expect(disk.entries(find(disk, "many")).size).toBe(3000);
  const pieces = find(disk, "pieces");
  expect(disk.open(pieces).runs).toHaveLength(500);
  expect(contentOf(disk, pieces).equals(readFileSync(`${directory}/root-2/pieces`))).toBe(true);
});

test("a filesystem that was grown beyond what it had room for", () => {
  const path = makeDisk((root) => writeFileSync(`${root}/before`, "before"), [], 16);
  truncateSync(path, 40 * 1024 * 1024 * 1024);
  run("e2fsck", "-fy", path);
  run("resize2fs", path);
  using disk = new Ext4(path);
  expect(contentOf(disk, find(disk, "before")).toString()).toBe("before");
});

test("whatever bytes a guest has written: files, or an error that says so", () => {
  const path = makeDisk(
    (root) => {
      for (let index = 0; index < 40; index++) {
        mkdirSync(`${root}/${index}/${index}`, { recursive: true });
        writeFileSync(`${root}/${index}/file`, "x".repeat(index * 1000));
        run("setfattr", "-n", "user.a", "-v", "b", `${root}/${index}/file`);
      }
    },
    [],
    8,
  );
  const whole = readFileSync(path);
  const used: number[] = [];
  for (let at = 0; at < whole.length; at += 1024)
    if (whole.subarray(at, at + 1024).some((byte) => byte !== 0)) used.push(at);
  const next = seededRandom("ext4 disk");
  const random = (below: number) => Math.floor(next() * below);
  let failed = 0;
  for (let round = 0; round < 400; round++) {
    const bytes = Buffer.from(whole);
    for (let flips = 0; flips < 20; flips++)
      bytes[(used[random(used.length)] ?? 0) + random(1024)] = random(256);
    writeFileSync(`${path}.damaged`, bytes);
    let steps = 0;
    try {
      using disk = new Ext4(`${path}.damaged`);
      const visit = (file: TreeFile, depth: number) => {
        if (++steps > 2000 || depth > 20) return;
        if (file.type === FileType.directory)
          for (const child of disk.entries(file).values()) visit(child, depth + 1);
        else if (file.type === FileType.regular && file.size < 1 << 20) contentOf(disk, file);
      };
      visit(disk.root, 0);
    } catch (error) {
      if (!(error instanceof SmolError)) throw new Error(`round ${round}`, { cause: error });
      expect(error.code).toBe("disk.damaged");
      failed++;
    }
  }
  expect(failed).toBeGreaterThan(10);
});

/** Changes a disk, and says what its reader says then. */
function changed(path: string, change: (bytes: Buffer) => void): () => void {
  const bytes = readFileSync(path);
  change(bytes);
  writeFileSync(path, bytes);
  return () => {
    using disk = new Ext4(path);
    disk.entries(disk.root);
  };
}

test("attributes that share one value are refused: a block of them would be a megabyte here", () => {
  const path = makeDisk((root) => {
    writeFileSync(`${root}/file`, "");
    run("setfattr", "-n", "user.note", "-v", "v".repeat(900), `${root}/file`);
  });
  const listed = changed(path, (bytes) => {
    let block = 0;
    while (bytes.readUInt32LE(block) !== 0xea020000) block += 4096;
    for (let at = block + 32; at + 20 < block + 4096; at += 20) {
      bytes.fill(0, at, at + 20);
      bytes[at] = 4;
      bytes[at + 1] = 1;
      bytes.writeUInt32LE(4096, at + 8);
      bytes.write(String(at % 10_000).padStart(4, "0"), at + 16);
    }
  });
  expect(listed).toThrow("attributes share their place");
});

test("a name that leads farther than numbers reach", () => {
  const path = makeDisk((root) => writeFileSync(`${root}/a name to be found`, ""));
  const listed = changed(path, (bytes) => {
    bytes.writeUInt32LE(0xffffffff, 1024);
    bytes.writeUInt32LE(0xffffffff, 1024 + 32);
    bytes.writeUInt32LE(1, 1024 + 40);
    bytes.writeUInt32LE(bytes.readUInt32LE(1024 + 96) | 0x10, 1024 + 96);
    // The root's own inode is where it was: that of group 1, in groups of one.
    const descriptors = bytes.subarray(4096, 8192);
    const table = descriptors.readUInt32LE(8);
    bytes.writeUInt32LE(1, 1024 + 260);
    bytes.copy(bytes, table * 4096, table * 4096 + 256, table * 4096 + 512);
    descriptors.writeUInt32LE(table, 64 + 8);
    bytes.writeUInt32LE(0xfffffff0, bytes.indexOf("a name to be found") - 8);
  });
  expect(listed).toThrow("outside of the disk");
});

test("the target of a symbolic link needs no tree of blocks", () => {
  const path = makeDisk((root) => symlinkSync(`/${"long/".repeat(40)}`, `${root}/link`));
  const listed = changed(path, (bytes) => {
    // Its inode: the size, and behind it the root of its extents.
    for (let at = 0; at < bytes.length; at += 256) {
      if (bytes.readUInt16LE(at) !== 0o120777 || bytes.readUInt32LE(at + 4) !== 201) continue;
      expect(bytes.readUInt16LE(at + 40)).toBe(0xf30a);
      bytes.writeUInt16LE(1, at + 46);
      const block = bytes.readUInt32LE(at + 60) * 4096;
      bytes.writeUInt32LE(block / 4096, at + 56);
      bytes.writeUInt32LE(0, at + 60);
      bytes.writeUInt16LE(0xf30a, block);
      bytes.writeUInt16LE(0, block + 2);
      bytes.writeUInt16LE(0, block + 6);
    }
  });
  expect(listed).toThrow("a tree of extents is none");
});

test("a directory that lies in itself is written once", () => {
  const path = makeDisk(
    (root) => mkdirSync(`${root}/top/in`, { recursive: true }),
    ["link /top/in /top/in/again"],
  );
  using disk = new Ext4(path);
  const members = new TreeMembers({ skipped: 0 }).whole(disk, find(disk, "top"), "top");
  expect(() => [...members]).toThrow("a directory has two names: top/in/again");
});

test("what is no ext4 at all", () => {
  writeFileSync(`${directory}/nothing`, Buffer.alloc(1 << 20));
  expect(() => new Ext4(`${directory}/nothing`)).toThrow("no superblock");
  writeFileSync(`${directory}/short`, "x");
  expect(() => new Ext4(`${directory}/short`)).toThrow("shorter");
});
