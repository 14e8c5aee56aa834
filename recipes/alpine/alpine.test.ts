import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { gzipSync } from "node:zlib";
import type { FileNode, FileTree } from "../../build/file-tree.ts";
import { type Architecture, EPOCH_SECONDS } from "../../build/host.ts";
import { type TarEntry, writeTar } from "../../build/tar.ts";
import { parseDatabase } from "./apk-database.ts";
import { type AlpineRoot, alpineRoot, minimalPackages } from "./minimal-root.ts";
import { installedTree, rootFromArchive } from "./sources.ts";

/** The pinned installations themselves, for both processors: nothing of them runs. */

const work = mkdtempSync(`${tmpdir()}/smolvm-base-`);
afterAll(() => rmSync(work, { recursive: true }));

const trees = {} as Record<Architecture, FileTree>;
const architectures = { x64: "x86_64", arm64: "aarch64" } as const;

beforeAll(async () => {
  for (const arch of ["x64", "arm64"] as const) trees[arch] = await installedTree(arch, work);
}, 300_000);

const take = (tree: FileTree) => alpineRoot(tree, "x86_64", minimalPackages);

/** The x86-64 installation with one file as it should not be. */
function changed(path: string, change: Partial<FileNode> | undefined): FileTree {
  const tree = new Map(trees.x64);
  const node = tree.get(path);
  if (!node) throw new Error(`no ${path}`);
  if (change) tree.set(path, { ...node, ...change });
  else tree.delete(path);
  return tree;
}

const holding = (bytes: string | Buffer) => ({ read: () => Buffer.from(bytes) });

function find({ entries }: AlpineRoot, path: string): TarEntry {
  const entry = entries.find((each) => each.path === path);
  if (!entry) throw new Error(`no ${path}`);
  return entry;
}

function text(root: AlpineRoot, path: string): string {
  const { content } = find(root, path);
  if (!("file" in content)) throw new Error(`${path} is not a file`);
  return Buffer.from(content.file).toString();
}

for (const arch of ["x64", "arm64"] as const) {
  test(`${arch}: exactly Alpine's minimal root`, async () => {
    const root = await alpineRoot(trees[arch], architectures[arch], minimalPackages);
    expect(root.packages.map(({ name }) => name)).toEqual(minimalPackages);
    expect(parseDatabase(text(root, "lib/apk/db/installed"))).toEqual([...root.packages]);
    const owned = new Set(root.packages.flatMap(({ directories, files }) => [...directories, ...files]));
    const paths = new Set([...owned].map(({ path }) => path));
    const others = root.entries.filter(({ path }) => !paths.has(path));
    const own = others.filter(({ content }) => !("symlink" in content)).map(({ path }) => path);
    expect(own).toEqual([
      "etc/apk/arch",
      "etc/apk/repositories",
      "etc/apk/world",
      "lib/apk/db/installed",
      "lib/apk/db/lock",
      "lib/apk/db/scripts.tar.gz",
      "lib/apk/db/triggers",
    ]);
    const links = others.filter(({ content }) => "symlink" in content);
    expect(links.length).toBeGreaterThan(290);
    expect(new Set(links.map(({ content }) => "symlink" in content && content.symlink))).toEqual(
      new Set(["/bin/busybox"]),
    );
    for (const path of ["bin/mount", "bin/ps", "sbin/ip", "usr/bin/nc", "usr/bin/nslookup", "usr/bin/wget"])
      expect(links.map((each) => each.path)).toContain(path);
    expect(text(root, "etc/apk/arch").trim()).toBe(architectures[arch]);
    expect(text(root, "etc/apk/repositories")).toMatch(/\/v3\.23\/main\n.*\/v3\.23\/community\n$/);
    expect(text(root, "etc/apk/world").trim().split("\n")).toEqual([
      "alpine-baselayout",
      "alpine-keys",
      "alpine-release",
      "apk-tools",
      "busybox",
      "musl-utils",
    ]);
  });
}

test("accounts, names and links that came later are gone, root stays locked", async () => {
  const root = await take(trees.x64);
  expect(text(root, "etc/passwd")).not.toContain("quicksand");
  expect(text(root, "etc/passwd").trim().split("\n").at(-1)).toStartWith("nobody:");
  expect(text(root, "etc/shadow")).toStartWith("root:*:");
  expect(find(root, "etc/shadow")).toMatchObject({ uid: 0, gid: 42, mode: 0o640 });
  expect(text(root, "etc/hostname")).toBe("localhost\n");
  expect(find(root, "etc/mtab").content).toEqual({ symlink: "../proc/mounts" });
  expect(find(root, "tmp")).toMatchObject({ mode: 0o1777 });
});

describe("a file that is not what the database says is refused by its name", () => {
  const busybox = () => trees.x64.get("bin/busybox")?.read() ?? Buffer.alloc(0);
  const wrong: Record<string, [tree: () => FileTree, complaint: RegExp]> = {
    "one bit of busybox": [
      () => {
        const bytes = Buffer.from(busybox());
        bytes[1000] = (bytes[1000] ?? 0) ^ 1;
        return changed("bin/busybox", holding(bytes));
      },
      /^\/bin\/busybox is not what apk's database says/,
    ],
    "a link elsewhere": [
      () => changed("bin/sh", holding("/tmp/sh")),
      /^\/bin\/sh is not what apk's database says/,
    ],
    "another owner": [() => changed("sbin/apk", { uid: 1000 }), /^\/sbin\/apk has owner and mode 1000:0 755/],
    "set-user-ID": [() => changed("bin/busybox", { mode: 0o4755 }), /^\/bin\/busybox has .* 0:0 4755 /],
    "a directory for everybody": [() => changed("etc", { mode: 0o777 }), /^\/etc has owner and mode 0:0 777/],
    "a missing file": [() => changed("usr/lib/libz.so.1.3.2", undefined), /^\/usr\/lib\/libz.* is missing$/],
    "a directory instead of a file": [
      () => changed("etc/services", { type: "directory" }),
      /^\/etc\/services is neither a file nor a link$/,
    ],
    "a device": [() => changed("etc/profile", { type: "other" }), /^\/etc\/profile is neither/],
    "an account in front": [
      () => changed("etc/passwd", holding("evil::0:0::/:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n")),
      /^\/etc\/passwd is not what apk's database says/,
    ],
    "a password of root": [
      () => changed("etc/shadow", holding("root:$1$x$y:0:::::\n")),
      /^\/etc\/shadow is not what apk's database says/,
    ],
    "another processor's": [
      () => changed("etc/apk/arch", holding("aarch64\n")),
      /^\/etc\/apk\/arch says aarch64/,
    ],
  };
  for (const [name, [tree, complaint]] of Object.entries(wrong)) {
    test(name, async () => {
      await expect(take(tree())).rejects.toThrow(complaint);
    });
  }

  test("a package of another processor, and one that is not there", async () => {
    await expect(alpineRoot(trees.arm64, "x86_64", minimalPackages)).rejects.toThrow(
      "is for aarch64, not for x86_64",
    );
    await expect(alpineRoot(trees.x64, "x86_64", ["gcc"])).rejects.toThrow("gcc is not installed");
  });

  test("a database with a line that is not understood", () => {
    const stanza = "C:Q1x\nP:p\nV:1\nA:x86_64\nL:MIT\nc:0\nF:etc\nR:file\n";
    expect(() => parseDatabase(`${stanza}Z:Q2abc`)).toThrow("not a checksum");
    expect(() => parseDatabase(stanza)).toThrow("no checksum of etc/file");
    expect(() => parseDatabase(stanza.replace("etc", "../etc"))).toThrow("not a path");
    expect(() => parseDatabase(stanza.replace("A:x86_64\n", ""))).toThrow("no field A");
    expect(() => parseDatabase(`${stanza}a:0:0:9`)).toThrow("not an owner and mode");
  });
});

describe("an official archive", () => {
  async function archive(name: string, entries: readonly TarEntry[]): Promise<string> {
    const path = `${work}/${name}.tar.gz`;
    const prefixed = entries.map((entry) => ({ ...entry, path: `./${entry.path}` }));
    const bytes = await Array.fromAsync(writeTar(prefixed, EPOCH_SECONDS)).then(Buffer.concat);
    writeFileSync(path, gzipSync(bytes, { level: 1 }));
    return path;
  }
  const extra = (path: string): TarEntry => ({
    path,
    uid: 0,
    gid: 0,
    mode: 0o644,
    content: { file: Buffer.from("x") },
  });

  test("gives the same root", async () => {
    const root = await take(trees.x64);
    const path = await archive("whole", [...root.entries, extra("var/log/apk.log")]);
    expect(await rootFromArchive(path, "x64")).toEqual(root);
    await expect(rootFromArchive(path, "arm64")).rejects.toThrow("is for x86_64, not for aarch64");
  });

  test("with a file that no package has, or damaged, is refused", async () => {
    const { entries } = await take(trees.x64);
    const stranger = await archive("stranger", [...entries, extra("usr/bin/stranger")]);
    await expect(rootFromArchive(stranger, "x64")).rejects.toThrow("/usr/bin/stranger belongs to no package");
    const whole = await archive("cut", entries);
    const cut = `${work}/short.tar.gz`;
    writeFileSync(cut, readFileSync(whole).subarray(0, 100_000));
    await expect(rootFromArchive(cut, "x64")).rejects.toThrow("unexpected end of file");
  });
});
