import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { writeLayout } from "../../../test/image/layout.ts";
import { tarOf, withDirectory } from "../image.fixture.ts";
import { pinImage, unpinImage } from "../index.ts";
import { keepWithinLimit, listImages, pruneImages, removeImages } from "../manage/index.ts";
import { openLocalImage } from "../open.ts";
import { findImage, imagePaths, leaseImage } from "./index.ts";

/** A cache with one image, and a place for the records of machines. */
async function withImage(action: (it: Fixture) => Promise<void>): Promise<void> {
  await withDirectory(async (scratch) => {
    const cacheDir = join(scratch, "cache");
    const layout = join(scratch, "layout");
    writeLayout(layout, [tarOf({ path: "file", data: Buffer.alloc(100_000, "x") })]);
    const image = await openLocalImage(layout, { cacheDir });
    await image.durable;
    image.release();
    const record = (name: string) => join(scratch, "machines", name, "machine.json");
    await action({ cacheDir, images: join(cacheDir, "images"), id: image.id, layout, record });
  });
}

interface Fixture {
  readonly cacheDir: string;
  readonly images: string;
  readonly id: string;
  readonly layout: string;
  record(name: string): string;
}

/** Makes a machine of an image, as `create` does. */
async function create({ cacheDir, id, record }: Fixture, name: string): Promise<void> {
  const pin = await pinImage(cacheDir, id, record(name));
  mkdirSync(dirname(record(name)), { recursive: true });
  writeFileSync(record(name), JSON.stringify({ version: 2, name, imageId: id }));
  pin.release();
}

const isThere = ({ images, id }: Fixture) => findImage(images, id) !== undefined;

describe("an image that a machine is made of", () => {
  test("stays while the machine does not run, whoever removes, and says for whom", async () => {
    await withImage(async (it) => {
      const { images, id } = it;
      await create(it, "web");
      await create(it, "db");
      expect(listImages(images)).toMatchObject([{ id, inUse: true, machines: ["db", "web"] }]);
      const kept = { images: [], layers: 0, inUse: [id], machines: { [id]: ["db", "web"] } };
      expect(removeImages(images, [id], { force: true })).toMatchObject(kept);
      expect(pruneImages(images, { all: true, dryRun: true })).toMatchObject(kept);
      expect(pruneImages(images, { all: true })).toMatchObject(kept);
      keepWithinLimit(images, 0);
      expect(isThere(it)).toBe(true);
      rmSync(dirname(it.record("web")), { recursive: true });
      expect(listImages(images)).toMatchObject([{ inUse: true, machines: ["db"] }]);
      rmSync(dirname(it.record("db")), { recursive: true });
      expect(listImages(images)).toMatchObject([{ inUse: false, machines: [] }]);
      expect(pruneImages(images, { all: true })).toMatchObject({ images: [{ id }], inUse: [], machines: {} });
      expect(readdirSync(`${images}/pins`)).toEqual([]);
    });
  });

  test("can go when the machine got another one, or its pin was taken off", async () => {
    await withImage(async (it) => {
      await create(it, "web");
      await unpinImage(it.cacheDir, it.id, it.record("web"));
      expect(listImages(it.images)).toMatchObject([{ inUse: false }]);
      await create(it, "web");
      writeFileSync(it.record("web"), JSON.stringify({ version: 2, name: "web", imageId: null }));
      expect(pruneImages(it.images, { all: true })).toMatchObject({ images: [{ id: it.id }] });
    });
  });

  test("is kept by the lease until the record is there; the pin waits that long too", async () => {
    await withImage(async (it) => {
      const pin = await pinImage(it.cacheDir, it.id, it.record("web"));
      expect(pruneImages(it.images, { all: true })).toMatchObject({
        images: [],
        inUse: [it.id],
        machines: { [it.id]: [] },
      });
      expect(readdirSync(`${it.images}/pins`)).toHaveLength(1);
      pin.release();
      // As when `create` was killed before the record.
      expect(pruneImages(it.images, { all: true })).toMatchObject({ images: [{ id: it.id }] });
      expect(readdirSync(`${it.images}/pins`)).toEqual([]);
    });
  });

  test("that is gone cannot be pinned", async () => {
    await withImage(async (it) => {
      pruneImages(it.images, { all: true });
      await expect(pinImage(it.cacheDir, it.id, it.record("web"))).rejects.toMatchObject({
        code: "image.removed",
      });
      expect(existsSync(`${it.images}/pins`)).toBe(false);
    });
  });

  test("of another version of the program stays with its layers, until nobody needs it", async () => {
    await withImage(async (it) => {
      const { images, id } = it;
      await create(it, "web");
      const { description } = imagePaths(images, id);
      const newer = { ...JSON.parse(readFileSync(description, "utf8")), format: 99, merged: "differently" };
      writeFileSync(description, JSON.stringify(newer));
      const files = () => readdirSync(images, { recursive: true }).map(String).sort();
      const before = files();
      expect(listImages(images)).toEqual([]);
      expect(pruneImages(images, { all: true })).toMatchObject({ images: [], layers: 0 });
      keepWithinLimit(images, 0);
      expect(files()).toEqual(before);
      rmSync(it.record("web"));
      // A process of the other version runs it.
      const lease = leaseImage(images, id);
      pruneImages(images, { all: true });
      expect(files()).toEqual(before);
      lease?.release();
      expect(pruneImages(images, { all: true })).toMatchObject({ layers: 1 });
      expect(files().some((name) => /\.(erofs|vmdk|json|data)$/.test(name))).toBe(false);
    });
  });
});

/** Makes a machine again and again as long as the image is there; prints how often. */
const CREATOR = `
  import { mkdirSync, rmSync, writeFileSync } from "node:fs";
  import { dirname } from "node:path";
  import { openLocalImage } from "${import.meta.dir}/../open.ts";
  import { pinImage } from "${import.meta.dir}/../index.ts";
  import { findImage } from "${import.meta.dir}/index.ts";
  const [cacheDir, layout, record] = process.argv.slice(1);
  const lost = [];
  for (let round = 0; round < 25; round++) {
    const image = await openLocalImage(layout, { cacheDir }).catch((error) => {
      if (error.code !== "image.removed") throw error;
    });
    if (image === undefined) continue;
    const pin = await pinImage(cacheDir, image.id, record);
    mkdirSync(dirname(record), { recursive: true });
    writeFileSync(record, JSON.stringify({ imageId: image.id }));
    pin.release();
    image.release();
    await Bun.sleep(Math.random() * 5);
    if (findImage(cacheDir + "/images", image.id) === undefined) lost.push(round);
    rmSync(dirname(record), { recursive: true });
  }
  console.log(JSON.stringify(lost));
`;

/** Prunes without a pause until its input ends. */
const PRUNER = `
  import { pruneImages } from "${import.meta.dir}/../manage/index.ts";
  let ended = false;
  void Bun.stdin.text().then(() => { ended = true; });
  let removed = 0;
  while (!ended) {
    removed += pruneImages(process.argv[1], { all: true }).images.length;
    await Bun.sleep(Math.random() * 3);
  }
  console.log(removed);
`;

test("while others prune, no machine ever loses its image", async () => {
  await withImage(async ({ cacheDir, images, layout, record }) => {
    const start = (program: string, ...words: string[]) =>
      Bun.spawn([process.execPath, "-e", program, ...words], {
        stdin: "pipe",
        stdout: "pipe",
        stderr: "inherit",
      });
    const pruners = [1, 2].map(() => start(PRUNER, images));
    const creators = ["a", "b"].map((name) => start(CREATOR, cacheDir, layout, record(name)));
    for (const creator of creators) expect(await new Response(creator.stdout).text()).toBe("[]\n");
    for (const pruner of pruners) pruner.stdin.end();
    const removed = await Promise.all(
      pruners.map(async ({ stdout }) => Number(await new Response(stdout).text())),
    );
    // Else nothing has been tried.
    expect((removed[0] ?? 0) + (removed[1] ?? 0)).toBeGreaterThan(0);
  });
}, 60_000);
