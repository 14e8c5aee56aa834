import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { SmolError } from "../errors.ts";
import { packData, someBytes, temporaryDirectory } from "./assets.fixture.ts";
import { matchingStamp, stampPath } from "./stamp.ts";
import type { PackedAsset } from "./types.ts";
import { unpack } from "./unpack.ts";

const DATA = someBytes(3_000_000);
const HASH = "0123456789abcdef0123456789abcdef";

/** An asset, and where it is to be unpacked. */
function setUp(root: string, data = DATA, layout: Partial<PackedAsset> = {}) {
  const asset = packData(`${root}/asset.zst`, data, layout);
  const directory = `${root}/cache/runtime/${HASH}`;
  return { asset, directory, path: `${directory}/kernel` };
}

/** The names in the directory, without what a lock needs. */
function contents(directory: string): string[] {
  return readdirSync(directory).filter((name) => name !== "lock" && name !== "in-use");
}

async function failure(work: Promise<unknown>): Promise<SmolError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SmolError) return error;
    throw error;
  }
  throw new Error("it should have failed");
}

describe("unpack", () => {
  test("makes a read-only file with the data, and leaves nothing else but its stamp", async () => {
    using root = temporaryDirectory();
    const { asset, directory, path } = setUp(root.path);
    await unpack(asset, directory, path);
    expect(readFileSync(path).equals(DATA)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o444);
    expect(matchingStamp(path)?.sha256).toBe(asset.sha256);
    expect(contents(directory).sort()).toEqual(["kernel", "kernel.stamp"]);
  });

  test("turns back the addresses of code, and says so when what is there is no such data", async () => {
    using root = temporaryDirectory();
    const code = readFileSync(process.execPath).subarray(30_000_000, 34_000_000);
    const { asset, directory, path } = setUp(root.path, code, { folded: true });
    await unpack(asset, directory, path);
    expect(readFileSync(path).equals(code)).toBe(true);
    for (const wrong of [{ size: code.length - 1 }, { folded: false }]) {
      const error = await failure(unpack({ ...asset, ...wrong }, `${directory}2`, `${directory}2/kernel`));
      expect(error.code).toBe("assets.damaged_program");
    }
  });

  test("leaves a file alone that is right", async () => {
    using root = temporaryDirectory();
    const { asset, directory, path } = setUp(root.path);
    await unpack(asset, directory, path);
    const before = statSync(path);
    unlinkSync(stampPath(path));
    await unpack(asset, directory, path);
    expect(statSync(path).ino).toBe(before.ino);
    expect(matchingStamp(path)).toBeDefined();
  });

  test("places the data of a sparse file, and only that", async () => {
    using root = temporaryDirectory();
    const size = 2 ** 31;
    const extents = [4096, 1_000_000, 2 ** 30, 1_999_000, size - 8192, 1000];
    const { asset, directory, path } = setUp(root.path, DATA, { size, extents });
    await unpack(asset, directory, path);
    const stat = statSync(path);
    expect(stat.size).toBe(size);
    expect(stat.blocks * 512).toBeLessThan(4_000_000);
    expect(await Bun.file(path).slice(4096, 1_004_096).bytes()).toEqual(DATA.slice(0, 1_000_000));
    expect(
      await Bun.file(path)
        .slice(size - 8192, size - 7192)
        .bytes(),
    ).toEqual(DATA.slice(-1000));
  });

  const damages: Record<string, (path: string) => void> = {
    "one byte changed": (path) => writeFileSync(path, readFileSync(path).fill(1, 100, 101)),
    "one byte changed, and the time put back": (path) => {
      const { atime, mtime } = statSync(path);
      writeFileSync(path, readFileSync(path).fill(1, 100, 101));
      utimesSync(path, atime, mtime);
    },
    "cut short": (path) => truncateSync(path, 1_000_000),
    "made longer": (path) => writeFileSync(path, new Uint8Array(10), { flag: "a" }),
    emptied: (path) => truncateSync(path, 0),
    removed: (path) => unlinkSync(path),
    "damaged by a power cut, which no time shows": (path) => {
      writeFileSync(path, readFileSync(path).fill(0, 4096, 8192));
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
      const hash = new Bun.CryptoHasher("sha256").update(DATA).digest("hex");
      const identity = ["an-earlier-boot", dev, ino, size, mtimeNs, ctimeNs].join(" ");
      writeFileSync(stampPath(path), `${identity}\n${hash}\n`);
    },
  };
  for (const [name, damage] of Object.entries(damages)) {
    test(`heals a file that was ${name}`, async () => {
      using root = temporaryDirectory();
      const { asset, directory, path } = setUp(root.path);
      await unpack(asset, directory, path);
      chmodSync(path, 0o644);
      damage(path);
      expect(matchingStamp(path)).toBeUndefined();
      await unpack(asset, directory, path);
      expect(readFileSync(path).equals(DATA)).toBe(true);
      expect(contents(directory).sort()).toEqual(["kernel", "kernel.stamp"]);
    });
  }

  test("a stamp that is damaged means nothing", async () => {
    using root = temporaryDirectory();
    const { asset, directory, path } = setUp(root.path);
    await unpack(asset, directory, path);
    for (const text of ["", "x", "x\n", "\n\n\n", `${HASH}\n${HASH}`]) {
      writeFileSync(stampPath(path), text);
      expect(matchingStamp(path)).toBeUndefined();
    }
  });

  test("says that the program is damaged, and leaves nothing", async () => {
    using root = temporaryDirectory();
    const { asset, directory, path } = setUp(root.path);
    const packed = readFileSync(asset.file);
    const wrongs = [
      packed.subarray(0, packed.length / 2),
      Buffer.from(packed).fill(0xff, 1000, 2000),
      Bun.zstdCompressSync(DATA.slice(0, -1)),
      Bun.zstdCompressSync(someBytes(DATA.length, 2)),
      Bun.zstdCompressSync(someBytes(DATA.length + 1)),
      new Uint8Array(),
    ];
    for (const wrong of wrongs) {
      writeFileSync(asset.file, wrong);
      expect((await failure(unpack(asset, directory, path))).code).toBe("assets.damaged_program");
      expect(contents(directory)).toEqual([]);
    }
  });

  test("says that the cache cannot be written", async () => {
    using root = temporaryDirectory();
    const { asset } = setUp(root.path);
    writeFileSync(`${root.path}/file`, "");
    const directory = `${root.path}/file/runtime/${HASH}`;
    const error = await failure(unpack(asset, directory, `${directory}/kernel`));
    expect(error.code).toBe("assets.cache_unwritable");
    expect(error.message).toContain(directory);
  });

  test("unpacks over what a killed process left under the temporary name", async () => {
    using root = temporaryDirectory();
    const { asset, directory, path } = setUp(root.path);
    mkdirSync(directory, { recursive: true });
    writeFileSync(`${path}.new`, "half");
    await unpack(asset, directory, path);
    expect(contents(directory).sort()).toEqual(["kernel", "kernel.stamp"]);
  });
});
