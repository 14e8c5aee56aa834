import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { loadSettings } from "../../config/index.ts";
import { Erofs } from "../../image/erofs/index.ts";
import { openImageDisk } from "../../image/store/disk-source.ts";
import { findImage } from "../../image/store/index.ts";
import { FileType, type TreeFile } from "../../image/tree/index.ts";
import { openPack, openPackedImage, packedSettings, platformOf, verifyPack } from "../index.ts";
import { codeOf } from "../pack.fixture.ts";
import { sha256 } from "../zeros.ts";

/** Packs of earlier versions, byte for byte: each stays readable for ever, and means what it meant. */

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-corpus-`);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The bytes that a recipe describes. */
function bytesOf(recipe: string): Buffer {
  const blocks = recipe.replace(/^#.*\n/gm, "").split(/^\[(hex|text)\]\n/m);
  const parts: Buffer[] = [];
  for (let index = 1; index < blocks.length; index += 2) {
    const body = blocks[index + 1] ?? "";
    const isHex = blocks[index] === "hex";
    parts.push(isHex ? Buffer.from(body.replace(/\s/g, ""), "hex") : Buffer.from(`${body.trimEnd()}\n`));
  }
  return Buffer.concat(parts);
}

const read = (version: string) => readFileSync(`${import.meta.dir}/${version}.recipe`, "utf8");

test("each recipe gives the bytes that were written then", () => {
  const names = readdirSync(import.meta.dir).filter((name) => name.endsWith(".recipe"));
  expect(names).toEqual(["0.1.0.recipe"]);
  for (const name of names) {
    const recipe = read(name.replace(".recipe", ""));
    expect(sha256(bytesOf(recipe))).toBe(/SHA-256 of the whole: ([0-9a-f]{64})/.exec(recipe)?.[1] ?? "");
  }
});

/** Writes a pack to a file, perhaps with other bytes. */
function packFile(bytes: Buffer): string {
  const path = `${directory}/pack`;
  writeFileSync(path, bytes);
  return path;
}

test("a pack of 0.1.0: its signature, settings and files", async () => {
  const signer = "35b0e7c7e9b1eefccee1badcc2631143cc6e1b67a0a1bc930196f81a4af03d79";
  const pack = await openPack(packFile(bytesOf(read("0.1.0"))), { keys: [signer] });
  try {
    await verifyPack(pack);
    expect(pack.digest).toBe("sha256:34255de4e1b3e77962ab229c5a674a1819fb5a3d095b7b0f84613e9a531e116e");
    expect(packedSettings(pack.manifest)).toMatchObject({ image: "app", cpus: 2, memoryMib: undefined });
    const platform = platformOf(pack.manifest);
    const options = {
      cacheDir: directory,
      platform,
      loadSettings: () => loadSettings({ config: directory }),
    };
    const image = await openPackedImage(pack, options);
    expect(image.id).toBe("sha256:e1c2d9a51e54a29f5deca314ba4834ba5e1c5ed53fea04e09647feac6c4ad340");
    const { cmd, env, workdir, user, exposedPorts } = image.config;
    expect([cmd, env.at(-1), workdir, user, exposedPorts]).toEqual([
      ["/bin/show"],
      "OLD=1",
      "/",
      "",
      undefined,
    ]);
    expect(filesIn(image.id)).toEqual({
      etc: "755",
      "etc/link": "-> motd",
      "etc/motd": "640 packed by smolvm 0.1.0\n",
      "etc/zeros": `644 ${"\0".repeat(9000)}`,
    });
    image.release();
  } finally {
    await pack.close();
  }
});

function filesIn(id: string): Record<string, string> {
  const stored = findImage(`${directory}/images`, id);
  if (stored === undefined) throw new Error("no such image");
  using disk = openImageDisk(`${directory}/images`, stored);
  const tree = new Erofs(disk);
  const found: Record<string, string> = {};
  const walk = (folder: TreeFile, path: string) => {
    for (const [name, file] of tree.entries(folder)) {
      const at = `${path}${name}`;
      const mode = file.attributes.permissions.toString(8);
      if (file.type === FileType.symlink) found[at] = `-> ${file.target}`;
      else if (file.type === FileType.directory) {
        found[at] = mode;
        walk(file, `${at}/`);
      } else {
        const content = Buffer.alloc(file.size);
        const { runs, read } = tree.open(file);
        for (const { offset, length } of runs) read(offset, length).copy(content, offset);
        found[at] = `${mode} ${content.toString("latin1")}`;
      }
    }
  };
  walk(tree.root, "");
  return found;
}

describe("a pack of a later version is refused as such, and said to need a newer smolvm", () => {
  const ENTRY = 128;
  /** Changes the table of the pack, or its footer, and leaves the signature out. */
  function later(change: (table: Buffer, footer: Buffer, manifest: Buffer) => void): Buffer {
    const bytes = bytesOf(read("0.1.0"));
    const footer = bytes.subarray(-64);
    const tableAt = bytes.length - 64 - 96 - 3 * ENTRY;
    const table = bytes.subarray(tableAt, tableAt + 3 * ENTRY);
    const manifest = bytes.subarray(Number(table.readBigUInt64LE(2 * ENTRY + 48)), tableAt);
    footer.writeBigUInt64LE(BigInt(bytes.length - 96), 16);
    footer.writeUInt32LE(0, 24);
    change(table, footer, manifest);
    table.write(sha256(manifest), 2 * ENTRY + 80, "hex");
    footer.write(sha256(table), 32, "hex");
    return Buffer.concat([bytes.subarray(0, tableAt), table, footer]);
  }
  const changes = {
    "nothing changed": () => {},
    "a later container": (_: Buffer, footer: Buffer) => void footer.writeUInt32LE(17, 8),
    "a critical part": (table: Buffer) => void table.write("novelty\0\0", 2 * ENTRY, "latin1"),
    "a later manifest": (_: Buffer, __: Buffer, manifest: Buffer) =>
      void manifest.write('"format": 2', manifest.indexOf('"format": 1')),
    "a later layer": (_: Buffer, __: Buffer, manifest: Buffer) =>
      void manifest.write('"format": 3', manifest.indexOf('"format": 2')),
  };
  test.each(Object.entries(changes))("%s", async (what, change) => {
    const path = packFile(later(change));
    const open = async () => {
      const pack = await openPack(path);
      const platform = platformOf(pack.manifest);
      const cacheDir = `${directory}/later`;
      try {
        const settings = () => loadSettings({ config: directory });
        (await openPackedImage(pack, { cacheDir, platform, loadSettings: settings })).release();
      } finally {
        await pack.close();
      }
    };
    expect(await codeOf(open)).toBe(what === "nothing changed" ? "accepted" : "pack.unsupported");
    rmSync(`${directory}/later`, { recursive: true, force: true });
    if (what !== "nothing changed")
      expect(await open().catch(({ hint }) => hint)).toBe("a newer smolvm reads it");
  });
});
