import { describe, expect, test } from "bun:test";
import { closeSync, fstatSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { readErofs } from "../../../test/image/erofs-reader.ts";
import type { Listing } from "../../../test/image/listing.ts";
import { chunksOf, type Member, tarOf, withDirectory } from "../testing.ts";
import { FileType, Inode, impliedDirectory, Tree, type Xattr } from "../tree/index.ts";
import { writeErofsFromTar } from "../write.ts";
import { type DataRun, ErofsWriter } from "./index.ts";

const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

interface File {
  readonly path: string;
  readonly data: Uint8Array;
  readonly xattrs?: readonly Xattr[];
}

/** Writes files to an image, has fsck.erofs check it, and reads it back. */
async function write(
  files: readonly File[],
  more?: (tree: Tree, writer: ErofsWriter) => void,
): Promise<Listing> {
  return await withDirectory(async (directory) => {
    const path = join(directory, "image");
    const fd = openSync(path, "w+");
    const writer = new ErofsWriter(fd);
    const tree = new Tree((inode) => writer.release(inode));
    for (const { path: name, data, xattrs = [] } of files) {
      const inode = new Inode(FileType.regular, { ...impliedDirectory, xattrs });
      writer.beginFile(inode, data.length);
      const middle = Math.floor(data.length / 3);
      writer.write(data.subarray(0, middle));
      writer.write(data.subarray(middle));
      writer.endFile();
      await writer.drain();
      const place = tree.locate(name, true);
      if (place !== undefined) tree.put(place, inode);
    }
    more?.(tree, writer);
    const size = await writer.finish(tree.root, { uuid: new Uint8Array(16) });
    expect(fstatSync(fd).size).toBe(size);
    closeSync(fd);
    const checked = Bun.spawnSync(["fsck.erofs", path]);
    expect(checked.stderr.toString() + checked.stdout.toString()).not.toContain("<E>");
    expect(checked.exitCode).toBe(0);
    return readErofs(path);
  });
}

const content = (size: number, seed = 1) => {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + seed * 7 + (at >> 8)) & 0xff;
  return bytes;
};

describe("files", () => {
  test("of every size around the limits of blocks and tails", async () => {
    const sizes = [
      0, 1, 31, 32, 2047, 2048, 2049, 4031, 4032, 4033, 4095, 4096, 4097, 6143, 6144, 6145, 8192, 3_000_001,
    ];
    const files = sizes.map((size) => ({ path: `f${size}`, data: content(size, size) }));
    const image = await write(files);
    for (const { path, data } of files) {
      expect(image.get(`/${path}`)).toMatchObject({ size: data.length, sha256: sha256(data) });
    }
  });

  test("with attributes of every size", async () => {
    const sizes = [0, 1, 100, 3900, 3980, 4000, 4076, 5000, 60_000];
    const files = sizes.map((size) => ({
      path: `f${size}`,
      data: content(100),
      xattrs: [{ name: "user.x", value: content(size) }],
    }));
    const image = await write(files);
    for (const [index, size] of sizes.entries()) {
      const value = Buffer.from(content(size)).toString("hex");
      expect(image.get(`/f${size}`)).toMatchObject({
        xattrs: `user.x=${value}`,
        sha256: sha256(files[index]?.data ?? new Uint8Array()),
      });
    }
  });

  test("a file must have the size it was announced with", async () => {
    const writer = new ErofsWriter(-1);
    const inode = new Inode(FileType.regular, impliedDirectory);
    writer.beginFile(inode, 3);
    expect(() => writer.write(new Uint8Array(4))).toThrow("outside of a file");
    expect(() => writer.endFile()).toThrow("ended early");
  });
});

describe("directories", () => {
  test("of many blocks, with names of every length, in byte order", async () => {
    const names = Array.from({ length: 3000 }, (_, index) => `${index}`.padStart((index % 250) + 4, "n"));
    names.push("!", ".a", "\xff\xfe", "-", "..a");
    const image = await write(names.map((name) => ({ path: `big/${name}`, data: content(0) })));
    expect([...image.keys()].slice(2).sort()).toEqual(names.map((name) => `/big/${name}`).sort());
  });

  test("a root of any size", async () => {
    for (const count of [0, 1, 60, 130, 2000]) {
      const files = Array.from({ length: count }, (_, index) => ({
        path: `file-number-${index}`,
        data: content(1),
      }));
      expect((await write(files)).size).toBe(count + 1);
    }
  });

  test("attributes of the root must fit behind the superblock", async () => {
    const withRoot = (size: number) =>
      write([{ path: "a", data: content(1) }], (tree) => {
        tree.root.attributes = { ...impliedDirectory, xattrs: [{ name: "user.x", value: content(size) }] };
      });
    expect((await withRoot(2800)).get("/")?.xattrs).toHaveLength(7 + 5600);
    expect(withRoot(3000)).rejects.toThrow("do not fit");
  });
});

describe("links", () => {
  test("symbolic links up to the longest", async () => {
    const lengths = [1, 60, 4000, 4031, 4032, 4033, 4095];
    const image = await write([], (tree) => {
      for (const length of lengths) {
        const link = new Inode(FileType.symlink, impliedDirectory);
        link.target = "t".repeat(length);
        tree.put({ directory: tree.root, name: `l${length}` }, link);
      }
    });
    for (const length of lengths) expect(image.get(`/l${length}`)?.target).toHaveLength(length);
  });

  test("a name that a file gains or loses after its inode was written", async () => {
    const big = { path: "big", data: content(9_000_000) };
    const image = await write(
      [{ path: "a", data: content(10) }, { path: "b", data: content(10) }, big],
      (tree) => {
        const [a, b] = [tree.root.children?.get("a"), tree.root.children?.get("b")];
        if (a === undefined || b === undefined) throw new Error("no file");
        tree.link({ directory: tree.root, name: "c" }, a);
        tree.link({ directory: tree.root, name: "b" }, a);
      },
    );
    expect([image.get("/a")?.sameAs, image.get("/b")?.sameAs, image.get("/c")?.sameAs]).toEqual([
      "",
      "/a",
      "/a",
    ]);
  });
});

describe("sparse files", () => {
  async function sparse(size: number, runs: readonly DataRun[]) {
    const data = new Map(runs.map((run) => [run, content(run.length, run.offset)]));
    const image = await write([], (tree, writer) => {
      const inode = new Inode(FileType.regular, impliedDirectory);
      writer.beginSparseFile(inode, size, runs);
      for (const run of runs) writer.write(data.get(run) ?? new Uint8Array());
      writer.endFile();
      tree.put({ directory: tree.root, name: "s" }, inode);
    });
    const hasher = new Bun.CryptoHasher("sha256");
    let at = 0;
    const zeros = new Uint8Array(1 << 20);
    const fill = (end: number) => {
      for (; at < end; at += Math.min(zeros.length, end - at)) hasher.update(zeros.subarray(0, end - at));
    };
    for (const run of runs) {
      fill(run.offset);
      hasher.update(data.get(run) ?? new Uint8Array());
      at += run.length;
    }
    fill(size);
    expect(image.get("/s")).toMatchObject({ size, sha256: hasher.digest("hex") });
  }

  test("holes at the start, in the middle, at the end, and nothing else", async () => {
    await sparse(100_000, []);
    await sparse(100_000, [{ offset: 0, length: 1 }]);
    await sparse(100_000, [{ offset: 99_999, length: 1 }]);
    await sparse(100_000, [
      { offset: 5000, length: 10 },
      { offset: 5011, length: 20_000 },
      { offset: 60_000, length: 1 },
    ]);
  });

  test("larger than 4 GiB, with chunks that grow", async () => {
    await sparse(2 ** 32 + 300_017, [
      { offset: 3, length: 5 },
      { offset: 2 ** 32 + 1, length: 200_000 },
    ]);
  });

  test("any runs", async () => {
    const gaps = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 20_000 })),
      {
        maxLength: 8,
      },
    );
    await fc.assert(
      fc.asyncProperty(gaps, fc.integer({ min: 0, max: 10_000 }), async (pairs, rest) => {
        let end = 0;
        const runs = pairs.map(([gap, length]) => {
          const run = { offset: end + gap, length };
          end += gap + length;
          return run;
        });
        await sparse(end + rest, runs);
      }),
      { numRuns: 30 },
    );
  });
});

describe("space of replaced files", () => {
  const layer = (seed: number): Member[] =>
    Array.from({ length: 20 }, (_, index) => ({
      path: `f${index}`,
      data: content(100_000, seed * 100 + index),
    }));

  test("is used again, and the rest is a hole", async () => {
    await withDirectory(async (directory) => {
      const once = join(directory, "once");
      const often = join(directory, "often");
      await writeErofsFromTar([chunksOf(tarOf(...layer(9)))], once);
      const layers = Array.from({ length: 10 }, (_, seed) => chunksOf(tarOf(...layer(seed))));
      await writeErofsFromTar(layers, often);
      expect(statSync(often).size).toBeLessThan(statSync(once).size * 1.2);
      const emptied = join(directory, "emptied");
      await writeErofsFromTar(
        [chunksOf(tarOf(...layer(1))), chunksOf(tarOf({ path: ".wh..wh..opq" }))],
        emptied,
      );
      expect(statSync(emptied).blocks * 512).toBeLessThan(64 * 1024);
      expect([...readErofs(emptied).keys()]).toEqual(["/"]);
    });
  });
});

test("batches of inodes are written between files, while another is half read", async () => {
  // Tails of 40 MB in all; chunks that end anywhere inside a file; every tenth file with full blocks as well.
  const files = Array.from({ length: 20_000 }, (_, index) => ({
    path: `d${index % 50}/f${index}`,
    data: content(index % 10 === 0 ? 8192 + (index % 2000) : 500 + ((index * 7) % 3300), index),
  }));
  const archive = tarOf(...files);
  await withDirectory(async (directory) => {
    const path = join(directory, "image");
    const step = 1_000_000;
    const count = Math.ceil(archive.length / step);
    const chunks = Array.from({ length: count }, (_, at) => archive.subarray(at * step, (at + 1) * step));
    await writeErofsFromTar([chunksOf(...chunks)], path);
    const image = readErofs(path);
    const wrong = files.filter(({ path: name, data }) => image.get(`/${name}`)?.sha256 !== sha256(data));
    expect(wrong.map(({ path: name }) => name)).toEqual([]);
  });
});

test("the same input gives the same bytes", async () => {
  const members: Member[] = Array.from({ length: 300 }, (_, index) => ({
    path: `d${index % 7}/f${index}`,
    data: content(index * 37, index),
    mtime: index,
  }));
  const archive = tarOf(...members);
  await withDirectory(async (directory) => {
    const images: Buffer[] = [];
    for (const step of [512, 700, archive.length]) {
      const path = join(directory, `${step}`);
      const parts = Array.from({ length: Math.ceil(archive.length / step) }, (_, index) =>
        archive.subarray(index * step, (index + 1) * step),
      );
      await writeErofsFromTar([chunksOf(...parts)], path);
      images.push(readFileSync(path));
    }
    const [first] = images;
    if (first === undefined) throw new Error("no image");
    for (const image of images) expect(image.equals(first)).toBe(true);
  });
});
