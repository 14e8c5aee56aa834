import { afterAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { readExt4 } from "./ext4.ts";
import type { FileTree } from "./file-tree.ts";
import { run } from "./host.ts";
import type { Disk } from "./qcow2.ts";

/** Filesystems are made by mke2fs; what is read has to be what it was given. */

const work = mkdtempSync(`${tmpdir()}/smolvm-ext4-`);
afterAll(() => rmSync(work, { recursive: true }));

const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

function source(): string {
  const root = `${work}/source`;
  mkdirSync(`${root}/many`, { recursive: true });
  mkdirSync(`${root}/a/b/c/d`, { recursive: true });
  for (let number = 0; number < 700; number++) writeFileSync(`${root}/many/file-with-a-name-${number}`, "x");
  writeFileSync(`${root}/empty`, "");
  writeFileSync(`${root}/large`, randomBytes(3_000_001), { mode: 0o4755 });
  writeFileSync(`${root}/a/b/c/d/ümläut`, "text", { mode: 0o600 });
  symlinkSync("short", `${root}/short-link`);
  symlinkSync(`${"long/".repeat(40)}end`, `${root}/long-link`);
  // Pieces far apart: more extents than fit into an inode.
  const sparse = openSync(`${root}/sparse`, "w");
  for (let piece = 0; piece < 20; piece++) writeSync(sparse, `piece ${piece}`, piece * 100_000);
  ftruncateSync(sparse, 3_000_000);
  closeSync(sparse);
  return root;
}

async function image(name: string, ...options: string[]): Promise<Buffer> {
  const path = `${work}/${name}`;
  const root = `${work}/source`;
  const features = ["-O", "none,has_journal,filetype,extent,dir_index,ext_attr,sparse_super,extra_isize"];
  await run(["mke2fs", "-q", "-F", "-t", "ext4", ...features, ...options, "-d", root, path, "32M"], { env });
  return readFileSync(path);
}

function diskOf(bytes: Buffer): Disk {
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset + length > bytes.length) throw new Error("reading beyond the disk");
      return bytes.subarray(offset, offset + length);
    },
  };
}

function expectSame(tree: FileTree, root: string): void {
  const paths = readdirSync(root, { recursive: true }).map(String);
  expect([...tree.keys()].sort()).toEqual(paths.sort());
  for (const path of paths) {
    const real = lstatSync(`${root}/${path}`);
    const node = tree.get(path);
    if (node === undefined) throw new Error(path);
    expect([path, node.uid, node.gid, node.mode]).toEqual([path, real.uid, real.gid, real.mode & 0o7777]);
    if (real.isSymbolicLink()) expect(node.read().toString()).toBe(readlinkSync(`${root}/${path}`));
    if (real.isFile()) expect(node.read().equals(readFileSync(`${root}/${path}`))).toBe(true);
    expect(node.type).toBe(real.isSymbolicLink() ? "symlink" : real.isFile() ? "file" : "directory");
  }
}

const kinds: Record<string, string[]> = {
  "as the published images": ["-O", "flex_bg"],
  "as Debian's default": ["-O", "64bit,flex_bg,metadata_csum"],
  "small blocks": ["-b", "1024"],
  "small inodes": ["-I", "128"],
};
const root = source();
for (const [name, options] of Object.entries(kinds)) {
  test(`${name}: every file, link and directory`, async () => {
    expectSame(readExt4(diskOf(await image(name.replaceAll(/\W/g, "-"), ...options))), root);
  });
}

test("a filesystem whose journal is to be replayed, or of another kind, is refused", async () => {
  const bytes = await image("journal");
  bytes.writeUInt32LE(bytes.readUInt32LE(1024 + 96) | 4, 1024 + 96);
  expect(() => readExt4(diskOf(bytes))).toThrow("feature 0x4");
  expect(() => readExt4(diskOf(Buffer.alloc(1 << 20)))).toThrow("no superblock");
});

test("a damaged filesystem is an error or other content, never without end", async () => {
  const intact = await image("damaged");
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`SEED=${seed}`);
  let state = seed;
  const next = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  for (let round = 0; round < 60; round++) {
    const bytes = Buffer.from(intact);
    // The superblock, descriptors and inode tables are in the first megabytes.
    for (let flip = 0; flip < 40; flip++) bytes[1024 + next(2 << 20)] = next(256);
    try {
      for (const node of readExt4(diskOf(bytes)).values()) if (node.type !== "other") node.read();
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
  }
}, 60_000);
