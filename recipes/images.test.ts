import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Component } from "../build/components.ts";
import { cacheRoot, root, run, sha256File } from "../build/host.ts";
import { pack } from "../build/pack.ts";
import { part } from "../build/parts.ts";
import { unpack } from "../src/assets/unpack.ts";
import { TEMPLATE_GIB } from "../src/machine/disks/index.ts";

/** Recipes are run for real, twice, in empty caches that share only the downloaded packages. */

const work = mkdtempSync(`${tmpdir()}/smolvm-images-`);
const realCache = cacheRoot();
const before = process.env.SMOLVM_BUILD_CACHE;

beforeAll(() => {
  process.env.SMOLVM_BUILD_CACHE = `${work}/own`;
});

afterAll(() => {
  if (before === undefined) delete process.env.SMOLVM_BUILD_CACHE;
  else process.env.SMOLVM_BUILD_CACHE = before;
  rmSync(work, { recursive: true });
});

/** Runs `expression`, which gives the directory of a part, in an empty build cache. */
async function makePart(
  name: string,
  expression: string,
  more: Record<string, string> = {},
): Promise<string> {
  const cache = `${work}/${name}`;
  mkdirSync(cache);
  for (const downloads of ["debs", "wheels"]) {
    mkdirSync(`${realCache}/${downloads}`, { recursive: true });
    symlinkSync(`${realCache}/${downloads}`, `${cache}/${downloads}`);
  }
  const code = `console.log(await ${expression});`;
  return (await run([process.execPath, "-e", code], { env: { SMOLVM_BUILD_CACHE: cache, ...more } })).trim();
}

describe("made twice, the same bytes", () => {
  const recipes: Record<string, [expression: string, file: string]> = {
    base: [`(await import("${root}/recipes/base/base.ts")).baseImage()`, "base.erofs"],
    system: [`(await import("${root}/recipes/system/system.ts")).systemImage()`, "system.erofs"],
    kernel: [`(await import("${root}/recipes/kernel/prebuilt.ts")).prebuiltKernel()`, "kernel"],
    overlay: [`(await import("${root}/recipes/disks/disks.ts")).diskTemplate("overlay")`, "overlay.ext4"],
  };
  for (const [name, [expression, file]] of Object.entries(recipes)) {
    test(name, async () => {
      const first = await makePart(`${name}-1`, expression);
      await Bun.sleep(1100); // so that a time that got in would differ
      const second = await makePart(`${name}-2`, expression);
      const hash = async (made: string) => (await pack(`test-${name}`, `${made}/${file}`, "fast")).sha256;
      expect(await hash(second)).toBe(await hash(first));
    }, 120_000);
  }
});

test("an archive of Alpine's minimal root takes the place of the pinned source, and gives the same image", async () => {
  const expression = `(await import("${root}/recipes/base/base.ts")).baseImage()`;
  const pinned = await makePart("pinned", expression);
  const tree = `${work}/alpine`;
  const archive = `${work}/alpine-minirootfs.tar.gz`;
  const unpack = `fsck.erofs --preserve --extract=${tree} ${pinned}/base.erofs`;
  // In one fakeroot: owners survive from the one to the other for whoever is not root.
  await run(["fakeroot", "sh", "-c", `${unpack} && tar -czf ${archive} --numeric-owner -C ${tree} .`]);
  const given = await makePart("given", expression, { SMOLVM_MINIROOTFS: archive });
  expect(readFileSync(`${given}/base.erofs`).equals(readFileSync(`${pinned}/base.erofs`))).toBe(true);
  const components = JSON.parse(readFileSync(`${given}/components.json`, "utf8")).components as Component[];
  const { sha256, source } = components.find(({ name }) => name === "busybox") ?? {};
  expect(sha256).toBe(await sha256File(archive));
  expect(source).toEndWith("from a minirootfs archive");
}, 120_000);

/** What a start copies, in bytes at most, and what e2fsck finds. */
const templates: Record<string, [bytes: number, report: string]> = {
  overlay: [300_000, "13/655360 files (0.0% non-contiguous)"],
  storage: [600_000, "12/1310720 files (0.0% non-contiguous)"],
  small: [150_000, "11/65536 files (0.0% non-contiguous)"],
};

for (const [name, [bytes, found]] of Object.entries(templates)) {
  test(`the ${name} template is clean to e2fsck, small to copy, and comes back whole from its packing`, async () => {
    const directory = await makePart(
      `clean-${name}`,
      `(await import("${root}/recipes/disks/disks.ts")).diskTemplate("${name}")`,
    );
    const made = `${directory}/${name}.ext4`;
    const { path: file, ...asset } = await pack(`test-${name}`, made, "fast");
    expect(asset.packedSize).toBeLessThan(20_000);
    const runtime = `${work}/runtime/0123456789abcdef0123456789abcdef`;
    const unpacked = `${runtime}/${name}.ext4`;
    await unpack({ file, ...asset }, runtime, unpacked);
    const { size, blocks } = statSync(unpacked);
    expect(size).toBe(TEMPLATE_GIB[name as keyof typeof TEMPLATE_GIB] * 1024 ** 3);
    expect(blocks * 512).toBeLessThan(bytes);
    const env = { PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    expect(await run(["e2fsck", "-f", "-n", unpacked], { env })).toContain(found);
    // A machine that lasts needs one.
    expect(await run(["dumpe2fs", "-h", unpacked], { env })).toMatch(/^Filesystem features: .*has_journal/m);
  }, 60_000);
}

test("a file without holes is packed whole", async () => {
  const directory = await part("test-plain", { recipe: import.meta.path, pins: work }, async (out) => {
    await Bun.write(`${out}/plain`, "x".repeat(10_000));
  });
  const { path, ...asset } = await pack("test-plain-packed", `${directory}/plain`, "fast");
  expect(asset.extents).toBeUndefined();
  expect(Buffer.from(Bun.zstdDecompressSync(readFileSync(path))).toString()).toBe("x".repeat(10_000));
});
