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
import { SmolError } from "../errors.ts";
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
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  let state = seed;
  const random = (below: number) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state % below;
  };
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
      if (!(error instanceof SmolError)) throw new Error(`SEED=${seed} round ${round}`, { cause: error });
      expect(error.code).toBe("disk.damaged");
      failed++;
    }
  }
  expect(failed).toBeGreaterThan(10);
});

test("what is no ext4 at all", () => {
  writeFileSync(`${directory}/nothing`, Buffer.alloc(1 << 20));
  expect(() => new Ext4(`${directory}/nothing`)).toThrow("no superblock");
  writeFileSync(`${directory}/short`, "x");
  expect(() => new Ext4(`${directory}/short`)).toThrow("shorter");
});
