import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { copyContent } from "./copy.ts";

const PAGE = 4096;

test("a copy reads like its source, and has no page of zeros", () => {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-copy-`);
  // Pages of a file of 4 MiB: what is not written is a hole, and some of what is written is zeros.
  const page = fc.tuple(fc.nat(1023), fc.nat(3), fc.nat(PAGE - 1));
  try {
    fc.assert(
      fc.property(fc.array(page, { maxLength: 40 }), (pages) => {
        const [source, target] = [`${directory}/source`, `${directory}/target`];
        const fd = openSync(source, "w");
        for (const [number, byte, at] of pages) {
          const bytes = Buffer.alloc(PAGE);
          bytes[at] = byte;
          writeSync(fd, bytes, 0, PAGE, number * PAGE);
        }
        writeSync(fd, "\0", 1024 * PAGE - 1);
        closeSync(fd);
        copyContent(source, target, 64 * PAGE);
        expect(readFileSync(target).equals(readFileSync(source))).toBe(true);
        const full = new Set(pages.filter(([, byte]) => byte > 0).map(([number]) => number));
        expect(statSync(target).blocks * 512).toBeLessThanOrEqual(full.size * PAGE);
        rmSync(target);
      }),
      { numRuns: 60 },
    );
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("more than it may have is refused", () => {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-copy-`);
  try {
    const fd = openSync(`${directory}/source`, "w");
    writeSync(fd, Buffer.alloc(3 * PAGE, 1));
    closeSync(fd);
    expect(() => copyContent(`${directory}/source`, `${directory}/target`, 2 * PAGE)).toThrow("more than");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
