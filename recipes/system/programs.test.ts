import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { FileTree } from "../../build/file-tree.ts";
import { apkArchitectures, installedTree } from "../alpine/sources.ts";
import { takePrograms } from "./programs.ts";

const work = mkdtempSync(`${tmpdir()}/smolvm-programs-`);
afterAll(() => rmSync(work, { recursive: true }));

let tree: FileTree;
beforeAll(async () => {
  tree = await installedTree("arm64", work);
}, 300_000);

const take = (from: FileTree, ...programs: string[]) => takePrograms(from, apkArchitectures.arm64, programs);

test("a program comes with its linker and every library, and nothing else", () => {
  const { entries, packages } = take(tree, "sbin/mke2fs");
  expect(entries.map(({ path }) => path).sort()).toEqual([
    "lib/ld-musl-aarch64.so.1",
    "lib/libc.musl-aarch64.so.1",
    "sbin/mke2fs",
    "usr/lib/libblkid.so.1",
    "usr/lib/libblkid.so.1.1.0",
    "usr/lib/libcom_err.so.2",
    "usr/lib/libcom_err.so.2.1",
    "usr/lib/libe2p.so.2",
    "usr/lib/libe2p.so.2.3",
    "usr/lib/libeconf.so.0",
    "usr/lib/libeconf.so.0.8.3",
    "usr/lib/libext2fs.so.2",
    "usr/lib/libext2fs.so.2.4",
    "usr/lib/libuuid.so.1",
    "usr/lib/libuuid.so.1.3.0",
  ]);
  expect(packages.map(({ name }) => name)).toContain("musl");
});

test("what is missing, belongs to nobody or was changed is refused by its name", () => {
  const without = (path: string) => new Map([...tree].filter(([name]) => name !== path));
  expect(() => take(tree, "etc/apk/world")).toThrow("/etc/apk/world belongs to no package");
  expect(() => take(without("usr/lib/libe2p.so.2"), "sbin/mke2fs")).toThrow("libe2p.so.2 is missing");
  expect(() => take(without("usr/lib/libe2p.so.2.3"), "sbin/mke2fs")).toThrow("libe2p.so.2.3 is missing");
  const library = tree.get("usr/lib/libext2fs.so.2.4");
  if (!library) throw new Error("no library");
  const bytes = Buffer.from(library.read());
  bytes[5000] = (bytes[5000] ?? 0) ^ 1;
  const changed = new Map(tree).set("usr/lib/libext2fs.so.2.4", { ...library, read: () => bytes });
  expect(() => take(changed, "sbin/mke2fs")).toThrow(
    "/usr/lib/libext2fs.so.2.4 is not what apk's database says",
  );
});
