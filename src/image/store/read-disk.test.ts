import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { readDisk } from "./read-disk.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-disk-`);
afterAll(() => rmSync(directory, { recursive: true }));
mkdirSync(`${directory}/layers`);

const hex = "c0ffee00".repeat(8);
const file = (digit: string) => `${directory}/layers/${digit.repeat(64)}.data`;
const metadata = Buffer.alloc(12_288, "m");
metadata.fill("0", 0, 4096);
writeFileSync(`${directory}/${hex}.erofs`, metadata);
writeFileSync(file("1"), Buffer.alloc(8192, "1"));
writeFileSync(file("3"), Buffer.alloc(600_000 - (600_000 % 512), "3"));
const layers = [
  { diffId: `sha256:${"1".repeat(64)}`, bytes: 8192 },
  { diffId: `sha256:${"2".repeat(64)}`, bytes: 0 },
  { diffId: `sha256:${"1".repeat(64)}`, bytes: 8192 },
  { diffId: `sha256:${"3".repeat(64)}`, bytes: 599_552 },
];
const image = { id: `sha256:${hex}`, layers, metadataBytes: 12_288 };

async function read(): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of readDisk(directory, image)) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

test("the bytes of an image's disk are those that its descriptor joins", async () => {
  const expected = ["0".repeat(4096), "1".repeat(8192), "3".repeat(599_552), "m".repeat(8192)];
  expect((await read()) === expected.join("")).toBe(true);
});

test("a file that is too short, or gone", async () => {
  truncateSync(file("3"), 512);
  await expect(read()).rejects.toMatchObject({ code: "image.layer_damaged" });
  rmSync(file("3"));
  await expect(read()).rejects.toMatchObject({ code: "image.layer_damaged" });
});
