import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, openSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { createDisk, inspectDisk } from "./disk.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-disk-`);
afterAll(() => rmSync(directory, { recursive: true }));

const GIB = 1024 ** 3;

function template(): { path: string; gib: number } {
  const path = `${directory}/template`;
  writeFileSync(path, Buffer.alloc(300_000, "x"));
  truncateSync(path, 2 * GIB);
  return { path, gib: 2 };
}

test.each([2, 5])("a disk of %i GiB is a sparse copy of a template of 2 GiB", async (gib) => {
  const path = `${directory}/copy-${gib}`;
  expect(createDisk(path, gib, template())).toBe("formatted");
  expect(statSync(path).size).toBe(gib * GIB);
  expect(statSync(path).blocks * 512).toBeLessThan(1_000_000);
  expect(await Bun.file(path).slice(0, 300_001).text()).toBe(`${"x".repeat(300_000)}\0`);
});

test("a disk below the template's size is blank", () => {
  const path = `${directory}/blank`;
  expect(createDisk(path, 1, template())).toBe("blank");
  expect(statSync(path)).toMatchObject({ size: GIB, blocks: 0 });
});

test("errors that a kernel noted in an ext4, and room behind it, are seen, and nothing else is", () => {
  const path = `${directory}/ext4`;
  writeFileSync(path, "");
  truncateSync(path, 4 * 1024 * 1024);
  expect(inspectDisk(path)).toEqual({ damaged: false, grow: false });
  const tools = { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` } };
  const made = Bun.spawnSync(["mke2fs", "-q", "-F", "-t", "ext4", path], tools);
  expect(`${made.exitCode} ${made.stderr}`).toBe("0 ");
  expect(inspectDisk(path)).toEqual({ damaged: false, grow: false });
  truncateSync(path, 5 * 1024 * 1024);
  const marked = Bun.spawnSync(["debugfs", "-w", "-R", "ssv state 2", path], tools);
  expect(marked.exitCode).toBe(0);
  expect(inspectDisk(path)).toEqual({ damaged: true, grow: true });
  // The same state without the magic number means nothing.
  writeSync(openSync(path, "r+"), Buffer.alloc(2), 0, 2, 1024 + 56);
  expect(inspectDisk(path)).toEqual({ damaged: false, grow: false });
});
