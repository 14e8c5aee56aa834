import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { wrapElf } from "../recipes/kernel/prebuilt.ts";
import { readDynamic } from "./elf.ts";

/** What readelf (binutils) says of a file. */
function readelf(option: string, path: string): string {
  return Bun.spawnSync(["readelf", option, path], { env: { ...process.env, LC_ALL: "C" } }).stdout.toString();
}

test("needed libraries and interpreter are those that readelf shows", () => {
  for (const path of ["/bin/tar", "/usr/bin/dpkg-deb", process.execPath]) {
    const expected = [...readelf("--dynamic", path).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(
      ([, name]) => name ?? "",
    );
    const interpreter = readelf("--program-headers", path).match(/program interpreter: (.*)\]/)?.[1];
    expect(expected.length).toBeGreaterThan(0);
    expect(readDynamic(readFileSync(path))).toEqual({ interpreter, needed: expected });
  }
});

test("other files are refused", () => {
  expect(() => readDynamic(Buffer.from("#!/bin/sh\n"))).toThrow("not a 64-bit ELF file");
});

/** A kernel image in miniature: a PVH note at 100 and something that only looks like one before it. */
function image(): Buffer {
  const bytes = Buffer.alloc(8192);
  const note = (at: number, kind: number) => {
    bytes.writeUInt32LE(4, at);
    bytes.writeUInt32LE(8, at + 4);
    bytes.writeUInt32LE(kind, at + 8);
    bytes.write("Xen\0", at + 12);
  };
  note(100, 18);
  note(200, 6);
  return bytes;
}

test("a wrapped kernel is an ELF file that loads at its address and shows its PVH note", async () => {
  const path = `/tmp/smolvm-wrap-${process.pid}`;
  await Bun.write(path, wrapElf(image(), 0x1000000n, 0x1000123n));
  const headers = readelf("--program-headers", path).replace(/ +/g, " ");
  const notes = readelf("--notes", path);
  await Bun.file(path).delete();
  expect(headers).toContain("Entry point 0x1000123");
  expect(headers).toContain(
    "LOAD 0x0000000000001000 0x0000000001000000 0x0000000001000000\n 0x0000000000002000",
  );
  expect(headers).toContain("NOTE 0x0000000000001064 0x0000000001000064");
  expect(notes).toMatch(/Xen\s+0x00000008\s+Unknown note type: \(0x00000012\)/);
});

test("a kernel without the note is refused", () => {
  expect(() => wrapElf(Buffer.alloc(4096), 0n, 0n)).toThrow("no PVH entry note");
});
