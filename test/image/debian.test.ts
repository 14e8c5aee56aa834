import { expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openLocalImage } from "../../src/image/index.ts";
import { debianArchive } from "./debian.ts";
import { readErofs } from "./erofs-reader.ts";
import { differences, listTree } from "./listing.ts";
import { checkWithFsck, requireRoot, run, Scratch, unpackWithTar } from "./tools.ts";

// The first run downloads packages.
setDefaultTimeout(600_000);

test("a Debian root: from the archive and from the directory, exactly what GNU tar restores", async () => {
  requireRoot();
  using scratch = new Scratch();
  const archive = debianArchive();
  const unpacked = scratch.directory("unpacked");
  unpackWithTar(archive, unpacked);
  const expected = listTree(unpacked);
  expect(expected.size).toBeGreaterThan(5000);

  const fromArchive = await openLocalImage(archive, { cacheDir: scratch.directory("cache") });
  checkWithFsck(fromArchive.path);
  expect(differences(expected, readErofs(fromArchive.path))).toEqual([]);

  const fromDirectory = await openLocalImage(unpacked, { cacheDir: scratch.directory("cache") });
  checkWithFsck(fromDirectory.path);
  expect(differences(expected, readErofs(fromDirectory.path))).toEqual([]);

  const again = await openLocalImage(archive, { cacheDir: scratch.directory("second") });
  expect(again.id).toBe(fromArchive.id);
  expect(readFileSync(again.path).equals(readFileSync(fromArchive.path))).toBe(true);
});

test("the same root, compressed, gives the same image", async () => {
  using scratch = new Scratch();
  const archive = debianArchive();
  const { id } = await openLocalImage(archive, { cacheDir: scratch.directory("cache") });
  for (const tool of [
    ["gzip", "-1", "-c"],
    ["zstd", "-q", "-c"],
  ]) {
    const packed = join(scratch.path, tool[0] ?? "");
    run(["sh", "-c", `${tool.join(" ")} "$1" > "$2"`, "sh", archive, packed]);
    const image = await openLocalImage(packed, { cacheDir: scratch.directory("cache") });
    expect([image.id, image.cached]).toEqual([id, false]);
  }
});
