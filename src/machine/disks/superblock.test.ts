import { expect, test } from "bun:test";
import { closeSync, openSync, readSync, truncateSync, writeSync } from "node:fs";
import fc from "fast-check";
import { e2fs, format, temporaryDirectory } from "./disks.fixture.ts";
import { inspectDisk } from "./superblock.ts";

const MIB = 1024 ** 2;
const none = { damaged: false, unclean: false, grow: false };

test("a disk without a filesystem, or without anything, needs nothing", () => {
  using root = temporaryDirectory();
  const path = `${root.path}/disk`;
  closeSync(openSync(path, "wx"));
  expect(inspectDisk(path)).toEqual(none);
  truncateSync(path, 4 * MIB);
  expect(inspectDisk(path)).toEqual(none);
});

test("errors that a kernel noted, a journal to replay, and room behind an ext4 are seen, each by itself", () => {
  using root = temporaryDirectory();
  const path = `${root.path}/disk`;
  format(path, 16 * MIB);
  expect(inspectDisk(path)).toEqual(none);
  truncateSync(path, 17 * MIB);
  expect(inspectDisk(path)).toEqual({ ...none, grow: true });
  expect(e2fs("debugfs", "-w", "-R", "ssv state 2", path).exitCode).toBe(0);
  expect(inspectDisk(path)).toEqual({ ...none, damaged: true, grow: true });
  truncateSync(path, 16 * MIB);
  expect(e2fs("debugfs", "-w", "-R", "feature needs_recovery", path).exitCode).toBe(0);
  expect(inspectDisk(path)).toEqual({ damaged: true, unclean: true, grow: false });
  // What e2fsck does in a guest makes all of it right again.
  expect(e2fs("e2fsck", "-p", "-f", path).exitCode).toBeLessThanOrEqual(3);
  expect(inspectDisk(path)).toEqual(none);
  // The same state without the magic number means nothing.
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(2), 0, 2, 1024 + 56);
  closeSync(file);
  expect(inspectDisk(path)).toEqual(none);
});

test("whatever a guest writes there is an answer, never an error", () => {
  using root = temporaryDirectory();
  const path = `${root.path}/disk`;
  format(path, 8 * MIB);
  const file = openSync(path, "r+");
  const block = Buffer.alloc(1024);
  readSync(file, block, 0, 1024, 1024);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1023 }), fc.uint8Array({ maxLength: 64 }), (at, bytes) => {
      const hostile = Buffer.from(block);
      hostile.set(bytes.subarray(0, 1024 - at), at);
      writeSync(file, hostile, 0, 1024, 1024);
      const { damaged, unclean, grow } = inspectDisk(path);
      expect([damaged, unclean, grow].every((value) => typeof value === "boolean")).toBe(true);
    }),
  );
  closeSync(file);
});
