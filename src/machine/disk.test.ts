import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { createDisk } from "./disk.ts";

test("a disk of the template's size is a sparse copy, any other size is blank", async () => {
  const directory = mkdtempSync(`${tmpdir()}/smolvm-disk-`);
  try {
    const template = `${directory}/template`;
    writeFileSync(template, Buffer.alloc(300_000, "x"));
    truncateSync(template, 1024 ** 3);
    expect(createDisk(`${directory}/a`, 1, { path: template, gib: 1 })).toBe("formatted");
    expect(statSync(`${directory}/a`).size).toBe(1024 ** 3);
    expect(statSync(`${directory}/a`).blocks * 512).toBeLessThan(1_000_000);
    expect(await Bun.file(`${directory}/a`).slice(0, 300_001).text()).toBe(`${"x".repeat(300_000)}\0`);
    expect(createDisk(`${directory}/b`, 2, { path: template, gib: 1 })).toBe("blank");
    expect(statSync(`${directory}/b`)).toMatchObject({ size: 2 * 1024 ** 3, blocks: 0 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
