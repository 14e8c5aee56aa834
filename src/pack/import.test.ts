import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { tarOf } from "../image/image.fixture.ts";
import { type BootableImage, openLocalImage } from "../image/index.ts";
import { hostPlatform, platformName } from "../image/platform.ts";
import { buildSpec } from "../machine/model/build.ts";
import { createPack, openPack, openPackedImage } from "./index.ts";
import type { PackedLayer } from "./manifest.ts";
import { codeOf, machineLayerOfNothing, manifestOf, noise, writePack } from "./pack.fixture.ts";

setDefaultTimeout(120_000);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-import-`);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
let source: string;
let target: string;
beforeEach(() => {
  count++;
  [source, target] = [`${directory}/source-${count}`, `${directory}/target-${count}`];
});

const loadSettings = async () => (await import("../config/index.ts")).loadSettings({ config: directory });

/** An image with a directory, small files, larger ones, holes and links. */
async function makeImage(cacheDir: string): Promise<BootableImage> {
  const path = `${directory}/image.tar`;
  writeFileSync(
    path,
    tarOf(
      { path: "bin/", type: "5", mode: 0o755 },
      { path: "bin/sh", data: noise(3_000_000, 4), mode: 0o755 },
      { path: "etc/small", data: "small" },
      { path: "etc/zeros", data: Buffer.alloc(2_500_000) },
      { path: "etc/link", type: "2", target: "small" },
      { path: "etc/hard", type: "1", target: "etc/small" },
    ),
  );
  return await openLocalImage(path, { cacheDir });
}

async function makePack(cacheDir: string, output: string) {
  const image = await makeImage(cacheDir);
  const spec = buildSpec({
    name: "pack",
    ephemeral: true,
    layers: [],
    flags: machineLayerOfNothing,
    words: [],
    wordsAre: "arguments",
  });
  try {
    return await createPack({
      image,
      cacheDir,
      spec,
      said: () => false,
      digest: null,
      mode: "container",
      created: 0,
      output,
    });
  } finally {
    image.release();
  }
}

async function openIn(cacheDir: string, path: string): Promise<BootableImage> {
  const pack = await openPack(path);
  try {
    return await openPackedImage(pack, { cacheDir, loadSettings });
  } finally {
    await pack.close();
  }
}

const layersIn = (cacheDir: string, end: string) =>
  readdirSync(`${cacheDir}/images/layers`).filter((name) => name.endsWith(end));

test("the files of an unpacked pack are those of the image that was packed, holes included", async () => {
  const { manifest } = await makePack(source, `${directory}/a`);
  const image = await openIn(target, `${directory}/a`);
  const [layer] = manifest.layers;
  const hex = (digest = "") => digest.slice("sha256:".length);
  const [there, here] = [
    `${source}/images/layers/${hex(layer?.diff_id)}`,
    `${target}/images/layers/${hex(layer?.id)}`,
  ];
  expect(readFileSync(`${here}.data`).equals(readFileSync(`${there}.data`))).toBe(true);
  expect(
    readFileSync(`${here}.entries`)
      .subarray(160)
      .equals(readFileSync(`${there}.entries`).subarray(160)),
  ).toBe(true);
  // Two of the three megabytes of zeros are whole chunks.
  expect(statSync(`${here}.data`).blocks * 512).toBeLessThan(statSync(`${here}.data`).size - 1_000_000);
  expect(image.cached).toBe(false);
  image.release();
  const again = await openIn(target, `${directory}/a`);
  expect(again).toMatchObject({ id: image.id, cached: true });
  again.release();
});

test("where the image is in the cache already, its files are shared", async () => {
  await makePack(source, `${directory}/b`);
  (await openIn(source, `${directory}/b`)).release();
  const inodes = layersIn(source, ".data").map((name) => statSync(`${source}/images/layers/${name}`).ino);
  expect(inodes).toHaveLength(2);
  expect(new Set(inodes).size).toBe(1);
});

test("a pack cannot put its files in the place of another image's layer", async () => {
  const { manifest } = await makePack(source, `${directory}/c`);
  const claimed = manifest.layers[0]?.diff_id ?? "";
  (await openIn(target, `${directory}/c`)).release();
  expect(layersIn(target, ".data")).toEqual([`${manifest.layers[0]?.id.slice(7)}.data`]);
  expect(layersIn(target, ".data")).not.toContain(`${claimed.slice(7)}.data`);
});

test("a layer of the cache that was changed is not taken for the pack's", async () => {
  const { manifest } = await makePack(source, `${directory}/d`);
  const [layer] = manifest.layers;
  const path = `${source}/images/layers/${layer?.diff_id?.slice(7)}.data`;
  const changed = readFileSync(path);
  changed[1_000_000] = (changed[1_000_000] ?? 0) ^ 1;
  writeFileSync(path, changed);
  (await openIn(source, `${directory}/d`)).release();
  const own = readFileSync(`${source}/images/layers/${layer?.id.slice(7)}.data`);
  expect(own.equals(changed)).toBe(false);
});

test("twenty first starts at once unpack it once", async () => {
  await makePack(source, `${directory}/e`);
  const script = `
    const { openPack, openPackedImage } = await import(${JSON.stringify(`${import.meta.dir}/index.ts`)});
    const { loadSettings } = await import(${JSON.stringify(`${import.meta.dir}/../config/index.ts`)});
    const d = ${JSON.stringify(directory)};
    const pack = await openPack(d + "/e");
    const image = await openPackedImage(pack, { cacheDir: ${JSON.stringify(target)}, loadSettings: () => loadSettings({ config: d }) });
    console.log(image.id);
    await pack.close();
  `;
  const all = Array.from({ length: 20 }, () =>
    Bun.spawn([process.execPath, "-e", script], { stderr: "inherit" }),
  );
  const ids = await Promise.all(all.map(({ stdout }) => new Response(stdout).text()));
  expect(new Set(ids).size).toBe(1);
  expect(ids[0]).toMatch(/^sha256:/);
  expect(layersIn(target, ".data")).toHaveLength(1);
});

test("a damaged layer is refused and leaves nothing; the sound pack is taken after that", async () => {
  const { chunkBytes } = await makePack(source, `${directory}/f`);
  const bytes = readFileSync(`${directory}/f`);
  bytes[chunkBytes >> 1] = (bytes[chunkBytes >> 1] ?? 0) ^ 4;
  writeFileSync(`${directory}/f-damaged`, bytes);
  expect(await codeOf(() => openIn(target, `${directory}/f-damaged`))).toBe("pack.damaged");
  expect(layersIn(target, "")).toEqual([]);
  (await openIn(target, `${directory}/f`)).release();
});

test("layers that nobody has room for are refused before a byte is written", async () => {
  const [layer] = manifestOf().layers;
  const layers = [{ ...(layer as PackedLayer), tree_bytes: 2 ** 20, data_bytes: 2 ** 39 }];
  await writePack(`${directory}/large`, noise(1000, 1), {
    manifest: manifestOf({ layers, platform: platformName(hostPlatform()) }),
  });
  expect(await codeOf(() => openIn(target, `${directory}/large`))).toBe("pack.limit");
  expect(existsSync(target)).toBe(false);
});

test("a cache that is removed is made again", async () => {
  await makePack(source, `${directory}/g`);
  const image = await openIn(target, `${directory}/g`);
  rmSync(target, { recursive: true });
  const again = await openIn(target, `${directory}/g`);
  expect(again.id).toBe(image.id);
  again.release();
});

test("a process that is killed while it packs leaves nothing", async () => {
  const image = await makeImage(source);
  image.release();
  const place = `${directory}/killed-${count}`;
  const script = `
    const { PackWriter } = await import(${JSON.stringify(`${import.meta.dir}/write.ts`)});
    const { mkdirSync, openSync } = await import("node:fs");
    mkdirSync(${JSON.stringify(place)}, { recursive: true });
    const writer = new PackWriter(${JSON.stringify(`${place}/pack`)});
    const fd = openSync(process.execPath, "r");
    await writer.add(fd, 0, 4_000_000);
    process.kill(process.pid, "SIGKILL");
  `;
  const killed = Bun.spawnSync([process.execPath, "-e", script]);
  expect(killed.signalCode).toBe("SIGKILL");
  expect(readdirSync(place)).toEqual([]);
});
