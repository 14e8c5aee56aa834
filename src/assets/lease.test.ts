import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { packData, someBytes, temporaryDirectory } from "./assets.fixture.ts";
import { assetId, assetPath, assetPathOf } from "./index.ts";
import { findUnpacked, leaseAssets, pinAsset } from "./lease.ts";
import { pruneRuntime } from "./prune.ts";
import { unpack } from "./unpack.ts";

const DAY = 24 * 3600 * 1000;
const DATA = someBytes(100_000);
const ID = new Bun.CryptoHasher("sha256").update(DATA).digest("hex");

/** What a version of the program has unpacked, so long ago that another one would remove it. */
async function oldAsset(root: string): Promise<{ runtime: string; path: string; directory: string }> {
  const runtime = `${root}/cache/runtime`;
  const directory = `${runtime}/${ID.slice(0, 32)}`;
  const path = `${directory}/base.erofs`;
  await unpack(packData(`${root}/asset.zst`, DATA), directory, path);
  return { runtime, path, directory };
}

/** As another version does after it was unpacked, a hundred days later. */
const upgrade = (runtime: string) => pruneRuntime(runtime, Date.now() + 100 * DAY);

describe("a lease", () => {
  test("keeps what a machine runs with, and a killed process has none", async () => {
    using root = temporaryDirectory();
    const { runtime, path } = await oldAsset(root.path);
    const program = `
      import { leaseAssets } from "${import.meta.dir}/lease.ts";
      console.log(leaseAssets([process.argv[1], "/bin/sh"]) !== undefined);
      await Bun.stdin.text();
    `;
    const machine = Bun.spawn([process.execPath, "-e", program, path], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    const { value } = await machine.stdout.getReader().read();
    expect(Buffer.from(value ?? []).toString()).toBe("true\n");
    upgrade(runtime);
    expect(existsSync(path)).toBe(true);
    machine.kill("SIGKILL");
    await machine.exited;
    upgrade(runtime);
    expect(readdirSync(runtime)).toEqual([]);
  });

  test("is held by several, until all have released it; to release twice does no harm", async () => {
    using root = temporaryDirectory();
    const { runtime, path } = await oldAsset(root.path);
    const [first, second] = [leaseAssets([path, path]), leaseAssets([path])];
    first?.release();
    first?.release();
    upgrade(runtime);
    expect(existsSync(path)).toBe(true);
    second?.release();
    upgrade(runtime);
    expect(existsSync(path)).toBe(false);
  });

  test("keeps nobody from making anew what is damaged", async () => {
    using root = temporaryDirectory();
    const { path, directory } = await oldAsset(root.path);
    const lease = leaseAssets([path]);
    rmSync(path);
    await unpack(packData(`${root.path}/asset.zst`, DATA), directory, path);
    expect(existsSync(path)).toBe(true);
    lease?.release();
  });

  test("of what is gone is none, and makes nothing", async () => {
    using root = temporaryDirectory();
    const { runtime, path, directory } = await oldAsset(root.path);
    rmSync(path);
    expect(leaseAssets([path])).toBeUndefined();
    rmSync(directory, { recursive: true });
    expect(leaseAssets([path])).toBeUndefined();
    expect(readdirSync(runtime)).toEqual([]);
    // Files that are no assets are not ours to keep.
    expect(leaseAssets(["/bin/sh"])).toBeDefined();
  });
});

describe("a pin", () => {
  test("keeps what a machine was begun on while it does not run, until its record is gone", async () => {
    using root = temporaryDirectory();
    const { runtime, path } = await oldAsset(root.path);
    const record = `${root.path}/machines/web/machine.json`;
    const lease = await pinAsset(path, record);
    upgrade(runtime);
    expect(existsSync(path)).toBe(true);
    mkdirSync(dirname(record), { recursive: true });
    writeFileSync(record, JSON.stringify({ baseId: ID }));
    lease?.release();
    upgrade(runtime);
    expect(findUnpacked(path, ID)).toBe(path);
    rmSync(record);
    upgrade(runtime);
    expect(existsSync(path)).toBe(false);
    expect(findUnpacked(path, ID)).toBeUndefined();
    expect(await pinAsset(path, record)).toBeUndefined();
  });

  test("what was changed, or cut off, is not found again", async () => {
    using root = temporaryDirectory();
    const { path } = await oldAsset(root.path);
    // As after a new boot: the stamp vouches for nothing.
    rmSync(`${path}.stamp`);
    expect(findUnpacked(path, ID)).toBe(path);
    expect(existsSync(`${path}.stamp`)).toBe(true);
    utimesSync(path, 1, 1);
    expect(findUnpacked(path, ID)).toBe(path);
    truncateSync(path, 5000);
    expect(findUnpacked(path, ID)).toBeUndefined();
  });
});

test("this program's own base image is found by its id, and checkable as an older version's will be", async () => {
  using root = temporaryDirectory();
  const path = await assetPath("base", root.path);
  expect(await assetPathOf("base", assetId("base"), root.path)).toBe(path);
  rmSync(`${path}.stamp`);
  expect(findUnpacked(path, assetId("base"))).toBe(path);
  expect(await assetPathOf("base", "0".repeat(64), root.path)).toBeUndefined();
});
