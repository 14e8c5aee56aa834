import { describe, expect, test } from "bun:test";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { readErofs } from "../../../test/image/erofs-reader.ts";
import type { Listing } from "../../../test/image/listing.ts";
import { checkWithFsck } from "../../../test/image/tools.ts";
import { chunksOf, type Member, tarOf, withDirectory } from "../image.fixture.ts";
import type { LayerRecorder, RecordedEntry } from "../layer/index.ts";
import { impliedDirectory, type Xattr } from "../tree/index.ts";
import { writeDisk, writeErofsFromTar } from "../write.ts";
import { type DataRun, DataWriter } from "./index.ts";

const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

interface File {
  readonly path: string;
  readonly data: Uint8Array;
  readonly xattrs?: readonly Xattr[] | undefined;
}

const plain: Omit<RecordedEntry, "path"> = {
  type: "file",
  size: 0,
  target: "",
  attributes: impliedDirectory,
  major: 0,
  minor: 0,
  runs: undefined,
};

/** Writes files to an image, has fsck.erofs check it, and reads it back. */
async function write(files: readonly File[], more?: (recorder: LayerRecorder) => void): Promise<Listing> {
  return await withDirectory(async (directory) => {
    const path = join(directory, "image");
    const fill = async (recorder: LayerRecorder) => {
      for (const { path: name, data, xattrs = [] } of files) {
        recorder.entry({
          ...plain,
          path: name,
          size: data.length,
          attributes: { ...impliedDirectory, xattrs },
        });
        const middle = Math.floor(data.length / 3);
        recorder.data(data.subarray(0, middle));
        recorder.data(data.subarray(middle));
        recorder.end();
      }
      more?.(recorder);
    };
    const size = await writeDisk(path, [fill], false, () => "test");
    expect(statSync(path).size).toBe(size);
    checkWithFsck(path);
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
    const writer = new DataWriter(-1, 0, () => {});
    writer.beginFile(impliedDirectory, 3, () => 0);
    expect(() => writer.write(new Uint8Array(4))).toThrow("outside of a file");
    expect(() => writer.endFile()).toThrow("ended early");
    expect(() => writer.beginFile(impliedDirectory, 3, () => 0)).toThrow("not ended");
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
      write([{ path: "a", data: content(1) }], (recorder) => {
        const attributes = { ...impliedDirectory, xattrs: [{ name: "user.x", value: content(size) }] };
        recorder.entry({ ...plain, type: "directory", path: "/", attributes });
        recorder.end();
      });
    expect((await withRoot(2800)).get("/")?.xattrs).toHaveLength(7 + 5600);
    await expect(withRoot(3000)).rejects.toThrow("do not fit");
  });
});

describe("links", () => {
  test("symbolic links up to the longest", async () => {
    const lengths = [1, 60, 4000, 4031, 4032, 4033, 4095];
    const image = await write([], (recorder) => {
      for (const length of lengths) {
        recorder.entry({ ...plain, type: "symlink", path: `l${length}`, target: "t".repeat(length) });
        recorder.end();
      }
    });
    for (const length of lengths) expect(image.get(`/l${length}`)?.target).toHaveLength(length);
  });

  test("a second name for small, large, sparse and empty files, and one that goes again", async () => {
    const sizes = { empty: 0, small: 10, full: 4000, large: 9_000_000 };
    const files = Object.entries(sizes).map(([path, size]) => ({
      path,
      data: content(size, size),
      xattrs: [{ name: "user.x", value: content(5, size) }],
    }));
    const link = (path: string, target: string) => ({ ...plain, type: "link" as const, path, target });
    const image = await write([...files, { path: "gone", data: content(20) }], (recorder) => {
      recorder.entry({ ...plain, path: "sparse", size: 50_000, runs: [{ offset: 9000, length: 3 }] });
      recorder.data(content(3));
      recorder.end();
      for (const name of [...Object.keys(sizes), "sparse"]) recorder.entry(link(`z-${name}`, name));
      recorder.entry(link("gone", "small"));
    });
    for (const { path, data } of files) {
      expect(image.get(`/${path}`)).toMatchObject({
        size: data.length,
        sha256: sha256(data),
        sameAs: path === "small" ? "/gone" : "",
      });
      expect(image.get(`/${path}`)?.xattrs).toStartWith("user.x=");
    }
    expect(image.get("/z-sparse")?.sameAs).toBe("/sparse");
    expect(image.get("/z-small")?.sameAs).toBe("/gone");
    expect(image.get("/z-large")?.sameAs).toBe("/large");
  });
});

describe("sparse files", () => {
  async function sparse(size: number, runs: readonly DataRun[]) {
    const data = new Map(runs.map((run) => [run, content(run.length, run.offset)]));
    const image = await write([], (recorder) => {
      recorder.entry({ ...plain, path: "s", size, runs });
      for (const run of runs) recorder.data(data.get(run) ?? new Uint8Array());
      recorder.end();
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
    // fsck.erofs reads the holes too.
  }, 60_000);

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
