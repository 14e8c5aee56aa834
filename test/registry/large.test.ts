import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Member, membersOf, tarOf } from "../../src/image/image.fixture.ts";
import { differences, listTree } from "../image/listing.ts";
import { run, Scratch, unpackWithTar } from "../image/tools.ts";
import {
  Handmade,
  PullHome,
  pulledTree,
  pushPacked,
  randomBytes,
  type Server,
  startCraneRegistry,
  startProxy,
  types,
  useRegistry,
} from "../support/registry/index.ts";

/** Images that are large: by bytes, by files, or only once they are unpacked. */

setDefaultTimeout(180_000);

const { server, scratch } = useRegistry();

/** Pulls, and says how much memory that took at most, in MiB: the kernel's own high-water mark. */
async function peakOfPull(home: PullHome, reference: string): Promise<number> {
  const child = home.start(["images", "pull", "--quiet", reference]);
  const status = Bun.file(`/proc/${child.pid}/status`);
  let peak = 0;
  const look = async () => {
    const text = await status.text().catch(() => "");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0));
  };
  const timer = setInterval(() => void look(), 10);
  const stderr = await new Response(child.stderr).text();
  clearInterval(timer);
  expect([await child.exited, stderr]).toEqual([0, ""]);
  return peak / 1024;
}

/** Starts a registry that has an image of one archive. */
async function registryWith(
  archive: string,
  kind: "gzip" | "zstd",
): Promise<{ registry: Server; reference: string }> {
  const registry = server(await startCraneRegistry());
  const reference = await pushPacked(registry, [archive], kind, "large/image:1");
  rmSync(archive);
  return { registry, reference };
}

/** Writes an archive with one file of random bytes, packed by zstd. @returns the digest of the file */
async function writeLargeArchive(path: string, size: number): Promise<string> {
  // No compressor's window reaches back this far; each repetition begins with its own number.
  const block = randomBytes(64 << 20);
  const hasher = new Bun.CryptoHasher("sha256");
  const packer = Bun.spawn(["zstd", "-q", "-1", "-o", path], { stdin: "pipe" });
  const write = async (bytes: Uint8Array) => {
    packer.stdin.write(bytes);
    await packer.stdin.flush();
  };
  await write(membersOf({ path: "data", size }).subarray(0, 512));
  for (let done = 0; done < size; done += block.length) {
    block.writeUInt32LE(done / block.length, 0);
    const part = block.subarray(0, size - done);
    hasher.update(part);
    await write(part);
  }
  await write(Buffer.alloc(((512 - (size % 512)) % 512) + 1024));
  await packer.stdin.end();
  if ((await packer.exited) !== 0) throw new Error("zstd failed");
  return hasher.digest("hex");
}

test("2 GB in one file: right, and in less than 300 MiB of memory", async () => {
  const size = 2_000_000_000;
  const archive = join(scratch.path, "large.tar.zst");
  const sha256 = await writeLargeArchive(archive, size);
  const { registry, reference } = await registryWith(archive, "zstd");
  using home = new PullHome();
  expect(await peakOfPull(home, reference)).toBeLessThan(300);
  await registry.stop(); // and its copy goes
  using disk = new Scratch();
  const listing = await pulledTree(home, reference, disk);
  expect(listing.get("/data")).toMatchObject({ size, sha256 });
});

test("100,000 files: exactly what GNU tar unpacks, and in less than 500 MiB of memory", async () => {
  const members: Member[] = [{ path: "./", type: "5", mode: 0o755, mtime: 1 }];
  for (let at = 0; at < 300; at++) members.push({ path: `d${at}/`, type: "5", mode: 0o755, mtime: 1 });
  for (let at = 0; at < 100_000; at++)
    members.push({ path: `d${at % 300}/name-${at}`, data: `${at}`.repeat(at % 50), mtime: at });
  const archive = join(scratch.path, "many.tar");
  writeFileSync(archive, tarOf(...members));
  const unpacked = scratch.directory("many");
  unpackWithTar(archive, unpacked);
  run(["gzip", "-1", archive]);
  const { reference } = await registryWith(`${archive}.gz`, "gzip");
  using home = new PullHome();
  expect(await peakOfPull(home, reference)).toBeLessThan(500);
  expect(differences(listTree(unpacked), await pulledTree(home, reference, scratch))).toEqual([]);
});

test("a configuration of 7 MB, most of it history", async () => {
  const proxy = server(await startProxy());
  const made = new Handmade("a/history");
  made.image([tarOf({ path: "f" })], {
    config: (config) => {
      const step = { created_by: `RUN ${"x".repeat(700)}`, empty_layer: true };
      Object.assign(config, { history: Array.from({ length: 9500 }, () => step) });
    },
  });
  proxy.add(made.rule);
  using home = new PullHome();
  await home.pulled(`${proxy.host}/a/history`);
  expect([...(await pulledTree(home, `${proxy.host}/a/history`, scratch)).keys()]).toEqual(["/", "/f"]);
});

describe("bombs: refused soon, and nothing left", () => {
  /** Packs a file of zeros without their ever being in memory. */
  const zerosBy = async (bytes: number, ...words: string[]) => {
    const script = '(cat; head -c "$1" /dev/zero) | { shift; exec "$@"; }';
    const packer = Bun.spawn(["sh", "-c", script, "sh", String(bytes), ...words], {
      stdin: "pipe",
      stdout: "pipe",
    });
    packer.stdin.write(membersOf({ path: "zeros", size: bytes }).subarray(0, 512));
    await packer.stdin.end();
    return Buffer.from(await new Response(packer.stdout).arrayBuffer());
  };

  async function refused(
    blob: Uint8Array,
    mediaType: string,
    options: string[],
    code: string,
  ): Promise<void> {
    const proxy = server(await startProxy());
    const made = new Handmade("a/bomb");
    made.image([], {
      config: (config) => {
        config.rootfs.diff_ids = [`sha256:${"0".repeat(64)}`];
      },
      manifest: ({ layers }) => layers.push(made.blob(blob, mediaType)),
    });
    proxy.add(made.rule);
    using home = new PullHome();
    expect(await home.refused(`${proxy.host}/a/bomb`, { options, seconds: 60 })).toMatchObject({ code });
  }

  test("zstd, 3 GiB of zeros in 100 KB", async () => {
    const bomb = await zerosBy(3 * 2 ** 30, "zstd", "-q", "-c");
    expect(bomb.length).toBeLessThan(400_000);
    await refused(bomb, `${types.layer}+zstd`, [], "image.limit");
  });

  test("zstd with a window of 2 GiB", async () => {
    const bomb = await zerosBy(1e8, "zstd", "-q", "-c", "--ultra", "--long=31", "-1");
    await refused(bomb, `${types.layer}+zstd`, [], "image.limit");
  });

  test("beyond --max-image-size", async () => {
    const packed = Bun.gzipSync(new Uint8Array(tarOf({ path: "f", data: randomBytes(3 << 20) })));
    await refused(packed, types.gzip, ["--max-image-size", "2MiB"], "image.limit");
  });
});
