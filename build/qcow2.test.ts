import { afterAll, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { run } from "./host.ts";
import { readQcow2 } from "./qcow2.ts";

/** Images are made by QEMU's own tool. */

const work = mkdtempSync(`${tmpdir()}/smolvm-qcow2-`);
afterAll(() => rmSync(work, { recursive: true }));

const MIB = 1024 * 1024;

/** 24 MiB: bytes that do not compress, bytes that do, zeros, and an end that is no whole cluster. */
const raw = Buffer.concat([
  randomBytes(2 * MIB),
  Buffer.alloc(3 * MIB, "compress me "),
  Buffer.alloc(18 * MIB),
  randomBytes(MIB - 512),
]);
writeFileSync(`${work}/raw`, raw);

async function convert(name: string, ...options: string[]): Promise<Buffer> {
  if (Bun.which("qemu-img") === null) throw new Error("this test needs qemu-img: apt install qemu-utils");
  await run(["qemu-img", "convert", "-O", "qcow2", ...options, `${work}/raw`, `${work}/${name}`]);
  return readFileSync(`${work}/${name}`);
}

const kinds: Record<string, string[]> = {
  plain: [],
  compressed: ["-c"],
  "small clusters": ["-c", "-o", "cluster_size=4096"],
  "the old version": ["-o", "compat=0.10"],
};
for (const [name, options] of Object.entries(kinds)) {
  test(`${name}: the disk's bytes, in any pieces`, async () => {
    const disk = readQcow2(await convert(name.replaceAll(" ", "-"), ...options));
    expect(disk.size).toBe(raw.length);
    expect(disk.read(0, raw.length).equals(raw)).toBe(true);
    for (const [offset, length] of [
      [0, 1],
      [65535, 2],
      [2 * MIB - 7, 130_000],
      [raw.length - 3, 3],
    ] as const) {
      expect(disk.read(offset, length).equals(raw.subarray(offset, offset + length))).toBe(true);
    }
    expect(() => disk.read(raw.length - 3, 4)).toThrow("beyond the disk");
  });
}

test("what is not read here is refused, not misread", async () => {
  const zstd = await convert("zstd", "-c", "-o", "compression_type=zstd");
  expect(() => readQcow2(zstd)).toThrow("incompatible features");
  const plain = await convert("base");
  await run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", `${work}/base`, `${work}/top`]);
  expect(() => readQcow2(readFileSync(`${work}/top`))).toThrow("backing file");
  expect(() => readQcow2(raw)).toThrow("not a qcow2 image");
  expect(() => readQcow2(Buffer.alloc(10))).toThrow("not a qcow2 image");
  const cut = readQcow2(plain.subarray(0, plain.length / 2));
  expect(() => cut.read(0, raw.length)).toThrow();
});
