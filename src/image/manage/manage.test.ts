import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeLayout } from "../../../test/image/layout.ts";
import { SmolError } from "../../errors.ts";
import { parseReference } from "../../registry/index.ts";
import { type Member, tarOf, withDirectory } from "../image.fixture.ts";
import { openLocalImage } from "../open.ts";
import { hostPlatform } from "../platform.ts";
import { findKnownRef, findRef, writeRef } from "../refs/index.ts";
import { imagePaths, leaseImage, openStore } from "../store/index.ts";
import type { BootableImage } from "../types.ts";
import { deleteImage } from "./delete.ts";
import { inspectImage, keepWithinLimit, listImages, pruneImages, removeImages, survey } from "./index.ts";

const file = (path: string, size = 64 * 1024): Member => ({ path, data: Buffer.alloc(size, path) });

const base = tarOf(file("base", 1024 * 1024));

/** A cache with images a and b on one base, as if they had been pulled under these names. */
async function withCache(action: (cache: Cache) => Promise<void>): Promise<void> {
  await withDirectory(async (directory) => {
    const cache = new Cache(directory);
    await cache.add("a", [base, tarOf(file("only-a"))], "example.com/a:1");
    await cache.add("b", [base, tarOf(file("only-b"))], "example.com/b:1");
    await action(cache);
  });
}

class Cache {
  readonly images: string;
  readonly cacheDir: string;
  readonly ids: Record<string, string> = {};

  constructor(readonly scratch: string) {
    this.cacheDir = join(scratch, "cache");
    this.images = join(this.cacheDir, "images");
  }

  async add(name: string, layers: readonly Uint8Array[], ...references: string[]): Promise<BootableImage> {
    const layout = join(this.scratch, name);
    writeLayout(layout, layers);
    const image = await openLocalImage(layout, { cacheDir: this.cacheDir });
    await image.durable;
    image.release();
    this.ids[name] = image.id;
    for (const reference of references) this.tag(image.id, reference);
    return image;
  }

  tag(imageId: string, reference: string, platform = hostPlatform()): void {
    const digest = digestOf(imageId);
    const names = { canonical: reference, familiar: reference };
    writeRef(this.images, platform, { ...names, digest, manifestDigest: digestOf(digest), imageId });
  }

  /** Sets when an image was last used, in seconds since 1970. */
  used(name: string, seconds: number): void {
    utimesSync(imagePaths(this.images, this.ids[name] ?? "").disk, seconds, seconds);
  }

  /** Names of the images that are there. */
  get names(): string[] {
    const there = new Set(listImages(this.images).map(({ id }) => id));
    return Object.keys(this.ids).filter((name) => there.has(this.ids[name] ?? ""));
  }

  get files(): string[] {
    return readdirSync(this.images, { recursive: true }).map(String);
  }

  get layers(): string[] {
    return this.files.filter((name) => name.endsWith(".data"));
  }
}

const digestOf = (text: string) => `sha256:${new Bun.CryptoHasher("sha256").update(text).digest("hex")}`;

function errorCodeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof SmolError) return error.code;
    throw error;
  }
  return "no error";
}

test("a cache that does not exist is empty, and stays away", async () => {
  await withDirectory(async (directory) => {
    const images = join(directory, "cache/images");
    expect(listImages(images)).toEqual([]);
    expect(pruneImages(images, { all: true, dryRun: true })).toMatchObject({ images: [], freedBytes: 0 });
    expect(existsSync(join(directory, "cache"))).toBe(false);
  });
});

test("what images share is stored once, and told apart from what is theirs alone", async () => {
  await withCache(async (cache) => {
    expect(cache.layers).toHaveLength(3);
    const [first] = listImages(cache.images);
    expect(first?.sizeBytes).toBeGreaterThan(1024 * 1024);
    expect(first?.uniqueBytes).toBeLessThan(512 * 1024);
    expect(first?.uniqueBytes).toBeGreaterThanOrEqual(64 * 1024);
  });
});

describe("names", () => {
  test("a reference, an id, its first digits, and the digest of a manifest lead to an image", async () => {
    await withCache(async (cache) => {
      const id = cache.ids.a ?? "";
      const { digests } = inspectImage(cache.images, "example.com/a:1");
      for (const name of ["example.com/a:1", id, id.slice(7), id.slice(7, 19), digests[0] ?? ""]) {
        expect(inspectImage(cache.images, name).id).toBe(id);
      }
    });
  });

  test("one reference for several platforms: which one has to be said", async () => {
    await withCache(async (cache) => {
      const arm = { os: "linux", architecture: "arm64" };
      const riscv = { os: "linux", architecture: "riscv64" };
      cache.tag(cache.ids.a ?? "", "example.com/c:1", arm);
      expect(inspectImage(cache.images, "example.com/c:1").id).toBe(cache.ids.a ?? "");
      cache.tag(cache.ids.b ?? "", "example.com/c:1", riscv);
      expect(errorCodeOf(() => inspectImage(cache.images, "example.com/c:1"))).toBe("image.ambiguous_name");
      expect(inspectImage(cache.images, "example.com/c:1", { platform: riscv }).id).toBe(cache.ids.b ?? "");
      const other = { os: "linux", architecture: "s390x" };
      expect(errorCodeOf(() => inspectImage(cache.images, "example.com/c:1", { platform: other }))).toBe(
        "image.not_found",
      );
    });
  });

  test("a digest leads to what came by a tag of the same repository, and of no other", async () => {
    await withCache(async (cache) => {
      const id = cache.ids.a ?? "";
      const find = (name: string) =>
        findKnownRef(cache.images, parseReference(name), hostPlatform())?.imageId ?? "nothing";
      for (const digest of [digestOf(id), digestOf(digestOf(id))]) {
        expect(find(`example.com/a@${digest}`)).toBe(id);
        expect(find(`example.com/a:other@${digest}`)).toBe(id);
        expect(find(`example.com/b@${digest}`)).toBe("nothing");
        expect(find(`example.com/a/b@${digest}`)).toBe("nothing");
      }
      expect(find(`example.com/a@${digestOf("x")}`)).toBe("nothing");
    });
  });

  test("what is not there, and what is too short, is not found", async () => {
    await withCache(async (cache) => {
      for (const name of ["example.com/a:2", "a", (cache.ids.a ?? "").slice(7, 12), "", "sha256:"]) {
        expect(errorCodeOf(() => inspectImage(cache.images, name))).toBe("image.not_found");
      }
    });
  });
});

describe("rm", () => {
  test("takes a reference off, and the image with its last one, but not what others share", async () => {
    await withCache(async (cache) => {
      cache.tag(cache.ids.a ?? "", "example.com/a:2");
      expect(removeImages(cache.images, ["example.com/a:1"])).toMatchObject({
        images: [],
        untagged: ["example.com/a:1"],
        freedBytes: 0,
      });
      expect(cache.names).toEqual(["a", "b"]);
      const removed = removeImages(cache.images, ["example.com/a:2"]);
      expect(removed).toMatchObject({ images: [{ id: cache.ids.a }], layers: 1, untagged: [] });
      expect(removed.freedBytes).toBeGreaterThanOrEqual(64 * 1024);
      expect(cache.names).toEqual(["b"]);
      expect(cache.layers).toHaveLength(2);
      expect(findRef(cache.images, "example.com/a:2", hostPlatform())).toBeUndefined();
    });
  });

  test("several names of one image in one call", async () => {
    await withCache(async (cache) => {
      cache.tag(cache.ids.a ?? "", "example.com/a:2");
      const removed = removeImages(cache.images, ["example.com/a:1", "example.com/a:2"]);
      expect(removed).toMatchObject({ images: [{ id: cache.ids.a }], untagged: ["example.com/a:1"] });
    });
  });

  test("by id, an image with several references only goes by force", async () => {
    await withCache(async (cache) => {
      const id = cache.ids.a ?? "";
      cache.tag(id, "example.com/a:2");
      expect(errorCodeOf(() => removeImages(cache.images, [id]))).toBe("image.several_references");
      removeImages(cache.images, [id], { force: true });
      expect(cache.names).toEqual(["b"]);
    });
  });

  test("nothing is removed when one of the names is wrong", async () => {
    await withCache(async (cache) => {
      expect(errorCodeOf(() => removeImages(cache.images, ["example.com/a:1", "nothing"]))).toBe(
        "image.not_found",
      );
      expect(cache.names).toEqual(["a", "b"]);
    });
  });

  test("what is in use stays, whole", async () => {
    await withCache(async (cache) => {
      const lease = leaseImage(cache.images, cache.ids.a ?? "");
      expect(removeImages(cache.images, ["example.com/a:1"])).toMatchObject({
        images: [],
        inUse: [cache.ids.a],
      });
      expect(inspectImage(cache.images, "example.com/a:1").inUse).toBe(true);
      lease?.release();
      removeImages(cache.images, ["example.com/a:1"]);
      expect(cache.names).toEqual(["b"]);
    });
  });
});

describe("others at the same time", () => {
  test("somebody who only looks keeps nobody from removing", async () => {
    await withCache(async (cache) => {
      const path = JSON.stringify(imagePaths(cache.images, cache.ids.a ?? "").disk);
      // Holds the image as `images ls` does, only longer.
      const script = `const { flock } = await import(${JSON.stringify(`${import.meta.dir}/../../../ffi/libc.ts`)});
        const fd = require("node:fs").openSync(${path}, "r"); flock(fd, "exclusive", false);
        console.log("held"); Bun.sleepSync(40);`;
      const looker = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
      await looker.stdout.getReader().read();
      expect(removeImages(cache.images, ["example.com/a:1"])).toMatchObject({
        images: [{ id: cache.ids.a }],
      });
      await looker.exited;
    });
  });

  test("a reference that leads elsewhere by now stays", async () => {
    await withCache(async (cache) => {
      const before = survey(cache.images);
      const image = before.images.find(({ stored }) => stored.id === cache.ids.a);
      if (image === undefined) throw new Error("no image a");
      cache.tag(cache.ids.b ?? "", "example.com/a:1");
      expect(deleteImage(cache.images, image)).toBe(true);
      expect(inspectImage(cache.images, "example.com/a:1").id).toBe(cache.ids.b ?? "");
    });
  });

  test("while something is added, layers stay, which is said; and no more images go than have to", async () => {
    await withCache(async (cache) => {
      await cache.add("c", [tarOf(file("only-c", 512 * 1024))]);
      cache.used("a", 1000);
      cache.used("b", 2000);
      cache.used("c", 3000);
      const adding = await (await openStore(cache.cacheDir)).adding();
      keepWithinLimit(cache.images, survey(cache.images).totalBytes - 4096);
      expect(cache.names).toEqual(["b", "c"]);
      expect(removeImages(cache.images, ["example.com/b:1"])).toMatchObject({ layers: 0, kept: true });
      expect(cache.layers).toHaveLength(4);
      adding.release();
      expect(pruneImages(cache.images, {})).toMatchObject({ images: [], layers: 3, kept: false });
      expect(cache.layers).toHaveLength(1);
    });
  });
});

describe("prune", () => {
  test("of images without a name, those that were used last stay, and those that are in use", async () => {
    await withCache(async (cache) => {
      for (const [name, seconds] of Object.entries({ new: 4000, old: 3000, older: 2000, used: 1000 })) {
        await cache.add(name, [base, tarOf(file(name))]);
        cache.used(name, seconds);
      }
      cache.used("a", 1);
      const lease = leaseImage(cache.images, cache.ids.used ?? "", false);
      const options = { keepUnnamed: 1 };
      expect(pruneImages(cache.images, { ...options, dryRun: true }).images).toHaveLength(2);
      expect(cache.names).toEqual(["a", "b", "new", "old", "older", "used"]);
      const { images, inUse } = pruneImages(cache.images, options);
      expect(images.map(({ id }) => id).sort()).toEqual([cache.ids.old, cache.ids.older].sort() as string[]);
      expect(inUse).toEqual([]);
      expect(cache.names).toEqual(["a", "b", "new", "used"]);
      lease?.release();
      pruneImages(cache.images, { keepUnnamed: 0 });
      expect(cache.names).toEqual(["a", "b"]);
    });
  });

  test("removes layers without an image, and what interrupted removals left; a dry run only says so", async () => {
    await withCache(async (cache) => {
      const stray = imagePaths(cache.images, `sha256:${"ab".repeat(32)}`);
      writeFileSync(stray.metadata, "left behind");
      const layer = `${cache.images}/layers/${"cd".repeat(32)}.data`;
      writeFileSync(layer, Buffer.alloc(8192, 1));
      expect(pruneImages(cache.images, { dryRun: true })).toMatchObject({
        images: [],
        layers: 1,
        freedBytes: 8192,
      });
      expect(existsSync(layer)).toBe(true);
      expect(pruneImages(cache.images, {})).toMatchObject({ images: [], layers: 1, freedBytes: 8192 });
      expect(existsSync(layer)).toBe(false);
      expect(existsSync(stray.metadata)).toBe(false);
      expect(cache.names).toEqual(["a", "b"]);
    });
  });

  test("--all leaves nothing but what is in use; a dry run predicts the bytes", async () => {
    await withCache(async (cache) => {
      const lease = leaseImage(cache.images, cache.ids.b ?? "");
      const predicted = pruneImages(cache.images, { all: true, dryRun: true });
      expect(cache.names).toEqual(["a", "b"]);
      const removed = pruneImages(cache.images, { all: true });
      expect(removed).toEqual(predicted);
      expect(removed).toMatchObject({ images: [{ id: cache.ids.a }], layers: 1, inUse: [cache.ids.b] });
      lease?.release();
      pruneImages(cache.images, { all: true });
      expect(cache.names).toEqual([]);
      const left = cache.files.filter((name) => !["layers", "refs", "sources", "store.lock"].includes(name));
      expect(left).toEqual([]);
    });
  });
});

describe("the limit", () => {
  test("the images that were not used for the longest time go first", async () => {
    await withCache(async (cache) => {
      cache.used("a", 2000);
      cache.used("b", 1000);
      const total =
        listImages(cache.images).reduce((sum, { uniqueBytes }) => sum + uniqueBytes, 0) + 1024 * 1024;
      keepWithinLimit(cache.images, 10 * total);
      expect(cache.names).toEqual(["a", "b"]);
      keepWithinLimit(cache.images, total - 4096);
      expect(cache.names).toEqual(["a"]);
    });
  });

  test("never what is in use, and never what was just made", async () => {
    await withCache(async (cache) => {
      const lease = leaseImage(cache.images, cache.ids.a ?? "");
      keepWithinLimit(cache.images, 0, cache.ids.b);
      expect(cache.names).toEqual(["a", "b"]);
      lease?.release();
      keepWithinLimit(cache.images, 0);
      expect(cache.names).toEqual([]);
    });
  });
});
