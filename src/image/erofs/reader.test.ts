import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readErofs } from "../../../test/image/erofs-reader.ts";
import { seededRandom } from "../../../test/support/random.ts";
import { SmolError } from "../../errors.ts";
import { tarOf } from "../image.fixture.ts";
import { writeErofsFromTar } from "../index.ts";
import { openFileDisk } from "../store/disk-source.ts";
import { TreeMembers, writeLayerTar } from "../tar/index.ts";
import { Erofs } from "./reader.ts";

/** Read, written as an archive, and made an image again, it is the same image to another reader. GNU tar reads it too. */

const directory = mkdtempSync("/tmp/smolvm-erofs-");
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function* bytes(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function archiveOf(path: string): Promise<Buffer> {
  using disk = openFileDisk(path);
  const image = new Erofs(disk);
  const parts: Uint8Array[] = [];
  for await (const part of writeLayerTar(new TreeMembers({ skipped: 0 }).whole(image, image.root, "")))
    parts.push(part.slice());
  return Buffer.concat(parts);
}

const random = (size: number) => crypto.getRandomValues(new Uint8Array(size));

test("files of all kinds", async () => {
  const capability = {
    "SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x20\0\0",
    "SCHILY.xattr.user.a": "\xff\n=",
  };
  const sparse = Buffer.alloc(5_000_000);
  sparse.set(random(5000), 3_000_000);
  const map = Buffer.alloc(512);
  map.write("2\n2998272\n8192\n5000000\n0\n");
  const archive = tarOf(
    { path: "./", type: "5", mode: 0o711 },
    { path: "a/", type: "5", mode: 0o2755, uid: 3_000_000, pax: { mtime: "-1.5" } },
    {
      path: "a/large",
      data: random(50_000),
      mode: 0o4755,
      pax: { mtime: "1700000000.123456789", ...capability },
    },
    { path: "a/small", data: "small" },
    { path: "a/empty", data: "" },
    { path: `a/${"long".repeat(50)}`, data: random(4096) },
    { path: "a/link", type: "1", target: "a/large" },
    { path: "a/symbolic", type: "2", target: "x".repeat(300) },
    { path: "a/null", type: "3", major: 1, minor: 3 },
    { path: "a/disk", type: "4", major: 259, minor: 70_000 },
    { path: "a/fifo", type: "6" },
    {
      path: "GNUSparseFile.0/holes",
      data: Buffer.concat([map, sparse.subarray(2_998_272, 3_006_464)]),
      pax: {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "holes",
        "GNU.sparse.realsize": "5000000",
      },
    },
    ...Array.from({ length: 300 }, (_, index) => ({ path: `many/${index}`, data: "x".repeat(index * 20) })),
  );
  await writeErofsFromTar([bytes(archive)], `${directory}/one.erofs`);
  const again = await archiveOf(`${directory}/one.erofs`);
  await writeErofsFromTar([bytes(again)], `${directory}/two.erofs`);
  const [one, two] = [readErofs(`${directory}/one.erofs`), readErofs(`${directory}/two.erofs`)];
  expect(two).toEqual(one);
  expect(one.size).toBe(313);
  expect(await archiveOf(`${directory}/two.erofs`)).toEqual(again);
  // Holes of less than they cost are zeros; others are holes for everybody.
  expect(again.length).toBeLessThan(3_000_000);
  writeFileSync(`${directory}/again.tar`, again);
  const tar = Bun.spawnSync(["tar", "-tvf", `${directory}/again.tar`, "--numeric-owner"]);
  expect([tar.exitCode, tar.stderr.toString()]).toEqual([0, ""]);
  expect(tar.stdout.toString()).toMatch(/ 5000000 .* holes\n/);
  const holes = Bun.spawnSync(["tar", "-xOf", `${directory}/again.tar`, "holes"]);
  expect(Buffer.from(holes.stdout).equals(sparse)).toBe(true);
});

test("whatever the inodes of a pack say: files, or an error that says so", async () => {
  const path = `${directory}/hostile.erofs`;
  const files = Array.from({ length: 60 }, (_, index) => ({
    path: `a/${index % 7}/${index}`,
    data: "x".repeat(index * 30),
  }));
  await writeErofsFromTar([bytes(tarOf(...files, { path: "link", type: "2", target: "a" }))], path);
  const whole = readFileSync(path);
  const next = seededRandom("inodes of a pack");
  const random = (below: number) => Math.floor(next() * below);
  let failed = 0;
  for (let round = 0; round < 400; round++) {
    const damaged = Buffer.from(whole);
    for (let flips = 0; flips < 12; flips++) damaged[1024 + random(damaged.length - 1024)] = random(256);
    // A regular file that is a directory, or in pieces.
    const inode = 1152 + 32 * random(((damaged.length - 1152) >> 5) - 2);
    damaged.writeUInt16LE([1, 5, 9][random(3)] as number, inode);
    damaged.writeUInt16LE([0o40755, 0o100644, 0o120777][random(3)] as number, inode + 4);
    writeFileSync(path, damaged);
    try {
      using disk = openFileDisk(path);
      const image = new Erofs(disk);
      let steps = 0;
      for (const { data, size } of new TreeMembers({ skipped: 0 }).whole(image, image.root, "")) {
        if (++steps > 2000) break;
        for (const { offset, length } of data?.runs ?? []) if (size < 1 << 20) data?.read(offset, length);
      }
    } catch (error) {
      if (!(error instanceof SmolError)) throw new Error(`round ${round}`, { cause: error });
      failed++;
    }
  }
  expect(failed).toBeGreaterThan(10);
});

test("a map of chunks that nobody has memory for", async () => {
  const path = `${directory}/chunks.erofs`;
  await writeErofsFromTar([bytes(tarOf({ path: "small", data: "a small file" }))], path);
  const image = readFileSync(path);
  const inode = image.indexOf("a small file") - 64;
  // Layout.chunked, in chunks of a block.
  image.writeUInt16LE(9, inode);
  image.writeBigUInt64LE(2n ** 43n, inode + 8);
  image.writeUInt32LE(0, inode + 16);
  writeFileSync(path, image);
  expect(archiveOf(path)).rejects.toThrow("too many chunks");
});

test("a damaged image is an error that says so", async () => {
  const path = `${directory}/three.erofs`;
  await writeErofsFromTar([bytes(tarOf({ path: "a/b", data: random(9000) }))], path);
  const whole = readFileSync(path);
  for (const [from, to] of [
    [0, 4096],
    [4096, whole.length],
    [1024, 1028],
  ] as const) {
    const damaged = Buffer.from(whole);
    damaged.fill(0xa5, from, to);
    writeFileSync(`${path}.damaged`, damaged);
    const failure = await archiveOf(`${path}.damaged`).catch((error: unknown) => error);
    // What is data is data, whatever it is.
    if (failure instanceof Buffer) continue;
    expect(failure).toBeInstanceOf(SmolError);
  }
  writeFileSync(`${path}.short`, whole.subarray(0, 1500));
  expect(archiveOf(`${path}.short`)).rejects.toThrow("is damaged");
});
