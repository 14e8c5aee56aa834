import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { SmolError } from "../../src/errors.ts";
import { type Member, tarOf } from "../../src/image/image.fixture.ts";
import { openLocalImage } from "../../src/image/index.ts";
import { readErofs } from "./erofs-reader.ts";
import { digestOf, writeLayout } from "./layout.ts";
import { differences, type Listing, listTree } from "./listing.ts";
import { checkWithFsck, leftovers, requireRoot, run, Scratch } from "./tools.ts";

setDefaultTimeout(60_000);

/** Every layer begins with its root, so that tools which invent times for it agree. */
const root: Member = { path: "./", type: "5", mode: 0o755, mtime: 1 };
const layer = (...members: Member[]) => tarOf(root, ...members);
const directory = (path: string): Member => ({ path: `${path}/`, type: "5", mode: 0o755, mtime: 2 });
const file = (path: string, data = "x"): Member => ({ path, data, mtime: 3 });
const link = (path: string, target: string): Member => ({ path, target, type: "2", mode: 0o777, mtime: 4 });
const hard = (path: string, target: string): Member => ({ path, target, type: "1", mtime: 3 });

/** Images that want to reach out of their root, or to be something else below than they look. */
const accepted: Record<string, Buffer[]> = {
  "dots in paths": [layer(directory("d"), file("d/../../../a"), file("/b"), file("./././c"))],
  "absolute link, then through it": [layer(directory("tmp"), link("out", "/tmp"), file("out/x"))],
  "relative link, then through it": [
    layer(directory("tmp"), directory("d"), link("d/out", "../../../tmp"), file("d/out/x")),
  ],
  "link of a lower layer": [layer(directory("etc"), link("out", "/etc")), layer(file("out/x"))],
  "chain of links": [layer(directory("z"), link("a", "b"), link("b", "/c"), link("c", "z"), file("a/x"))],
  "link replaced by a directory": [layer(directory("z"), link("d", "z")), layer(directory("d"), file("d/x"))],
  "link replaced by a file": [layer(link("f", "/etc/passwd")), layer(file("f", "mine"))],
  "hard link through a link": [layer(directory("z"), file("z/f"), link("d", "/z"), hard("h", "d/f"))],
  "hard link to a link": [layer(link("l", "/etc/shadow"), hard("h", "l"))],
  "link to the host's proc": [
    layer(
      directory("proc"),
      directory("proc/self"),
      link("p", "/proc/self/root"),
      directory("proc/self/root"),
      file("p/x"),
    ),
  ],
  "whiteout through a link": [layer(directory("z"), file("z/f"), link("d", "z")), layer({ path: "d/.wh.f" })],
  "whiteout of a link": [layer(directory("z"), file("z/f"), link("d", "z")), layer({ path: ".wh.d" })],
  "opaque, then new": [
    layer(directory("d"), file("d/a")),
    layer(directory("d"), { path: "d/.wh..wh..opq" }, file("d/b")),
  ],
  "new, then opaque": [
    layer(directory("d"), file("d/a")),
    layer(directory("d"), file("d/b"), { path: "d/.wh..wh..opq" }),
  ],
  "deleted and made again": [
    layer(directory("d"), file("d/a")),
    layer({ path: ".wh.d" }, directory("d"), file("d/b")),
  ],
  "file over directory": [layer(directory("d"), directory("d/e"), file("d/e/f")), layer(file("d"))],
  "directory over file": [layer(file("d")), layer(directory("d"), file("d/x"))],
  "one name many times": [layer(file("f", "1"), file("f", "2"), file("f", "3"))],
};

for (const [name, layers] of Object.entries(accepted)) {
  test(`${name}: inside the root, as umoci does`, async () => {
    requireRoot();
    using scratch = new Scratch();
    const layout = join(scratch.path, "layout");
    writeLayout(layout, layers, { compression: "gzip" });
    const bundle = join(scratch.path, "bundle");
    run(["umoci", "unpack", "--image", `${layout}:test`, bundle]);
    const image = await openLocalImage(layout, { cacheDir: join(scratch.path, "cache") });
    checkWithFsck(image.path);
    expect(differences(listTree(join(bundle, "rootfs")), readErofs(image.path))).toEqual([]);
  });
}

async function refusal(layers: Uint8Array[]): Promise<{ code: string; left: string[] }> {
  using scratch = new Scratch();
  const layout = join(scratch.path, "layout");
  writeLayout(layout, layers);
  const cacheDir = join(scratch.path, "cache");
  try {
    const { path } = await openLocalImage(layout, { cacheDir });
    return { code: [...readErofs(path).keys()].join(" "), left: [] };
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return { code: error.code, left: leftovers(cacheDir) };
  }
}

/** Where the names below would lead if they were followed. */
const outside = () => ["/x", "/tmp/x"].filter((path) => existsSync(path));

describe("refused, and nothing left", () => {
  const before = outside();
  const cases: Record<string, [Uint8Array[], string]> = {
    "hard link out of the root": [[layer(hard("h", "../../../../etc/passwd"))], "image.bad_entry"],
    "hard link to an absolute path": [[layer(hard("h", "/etc/passwd"))], "image.bad_entry"],
    "hard link to the root": [[layer(hard("h", "."))], "image.bad_entry"],
    "hard link before its target": [[layer(hard("h", "f"), file("f"))], "image.bad_entry"],
    "hard link to a deleted file": [
      [layer(file("f")), layer({ path: ".wh.f" }, hard("h", "f"))],
      "image.bad_entry",
    ],
    "root as a link (CVE-2021-29136)": [[tarOf(link(".", "/etc"))], "image.bad_entry"],
    "root as a file": [[tarOf(file("."))], "image.bad_entry"],
    "circle of links": [[layer(link("a", "b"), link("b", "a"), file("a/x"))], "image.bad_entry"],
    "path through a file": [[layer(file("f"), file("f/x"))], "image.bad_entry"],
    "whiteout of its own directory": [[layer(directory("d"), { path: "d/.wh.." })], "image.bad_entry"],
    "size of 2^63": [
      [tarOf({ edit: (header) => header.write("800000007fffffffffffffff", 124, "hex") })],
      "image.bad_archive",
    ],
    "negative size": [
      [tarOf({ edit: (header) => header.write("ff".repeat(12), 124, "hex") })],
      "image.limit",
    ],
    "size that never comes": [[tarOf({ size: 1_000_000 })], "image.bad_archive"],
    "256 TiB": [
      [tarOf({ edit: (header) => header.write("800000000001000000000000", 124, "hex") })],
      "image.limit",
    ],
    "sparse bomb": [
      [tarOf({ pax: { "GNU.sparse.size": "9000000000000000", "GNU.sparse.map": "0,0" } })],
      "image.limit",
    ],
    "names beyond 255 bytes": [[tarOf({ pax: { path: "x".repeat(256) } })], "image.limit"],
    "paths beyond 4096 bytes": [[tarOf({ pax: { path: "x/".repeat(2049) } })], "image.limit"],
    "directories 513 deep": [[tarOf({ pax: { path: "x/".repeat(514) } })], "image.limit"],
    "too many attributes": [
      [
        tarOf({
          pax: Object.fromEntries(
            Array.from({ length: 257 }, (_, index) => [`SCHILY.xattr.user.${index}`, "x"]),
          ),
        }),
      ],
      "image.limit",
    ],
    "attributes of 64 KiB": [[tarOf({ pax: { "SCHILY.xattr.user.x": "x".repeat(65_536) } })], "image.limit"],
    "not an archive": [[Buffer.from("hello".repeat(500))], "image.bad_archive"],
  };
  for (const [name, [layers, code]] of Object.entries(cases)) {
    test(name, async () => {
      expect(await refusal(layers)).toEqual({ code, left: [] });
      expect(outside()).toEqual(before);
    });
  }

  test("a layer that is not what its digest promises", async () => {
    using scratch = new Scratch();
    const layout = join(scratch.path, "layout");
    const other = digestOf(layer(file("other")));
    writeLayout(layout, [layer(file("f"))], {
      editConfig: (config) => {
        config.rootfs.diff_ids = [other];
      },
    });
    const cacheDir = join(scratch.path, "cache");
    await expect(openLocalImage(layout, { cacheDir })).rejects.toThrow("not what its digest promises");
  });

  test("every single byte of an archive changed: an image or a SmolError", async () => {
    const archive = layer(directory("d"), file("d/f", "contents"), link("l", "d"), hard("h", "d/f"));
    const seen = new Set<string>();
    for (let at = 0; at < archive.length; at += 7) {
      const changed = Buffer.from(archive);
      changed[at] = (changed[at] ?? 0) ^ 0x41;
      seen.add((await refusal([changed])).code.split(" ")[0] ?? "");
    }
    expect([...seen].sort()).toEqual(["/", "image.bad_archive"]);
  });
});

test("100,000 files", async () => {
  using scratch = new Scratch();
  const members: Member[] = [];
  for (let index = 0; index < 100_000; index++)
    members.push(file(`d${index % 300}/some-name-${index}`, `${index}`));
  const layout = join(scratch.path, "layout");
  writeLayout(layout, [layer(...members)]);
  const image = await openLocalImage(layout, { cacheDir: join(scratch.path, "cache") });
  const listing: Listing = readErofs(image.path);
  expect(listing.size).toBe(100_301);
  expect(listing.get("/d7/some-name-307")?.size).toBe(3);
  checkWithFsck(image.path);
});
