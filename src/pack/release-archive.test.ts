import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { tarOf } from "../image/image.fixture.ts";
import { version } from "../version.ts";
import { archivedRuntime, openPack, releaseArchive } from "./index.ts";
import { codeOf, noise, writePack } from "./pack.fixture.ts";

setDefaultTimeout(60_000);

let directory: string;
let cacheDir: string;
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-archive-`);
});
beforeEach(() => {
  cacheDir = mkdtempSync(`${directory}/cache-`);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const program = noise(3_000_000, 7);
const folder = `smolvm-${version}-linux-arm64`;
const files = [
  { path: `${folder}/bin/smolvm`, data: program, mode: 0o755 },
  { path: `${folder}/lib/smolvm/launcher`, data: "the launcher", mode: 0o755 },
];

/** Writes an archive as releases have it. */
function archive(members = files, name = `${folder}.tar.gz`): string {
  const path = `${directory}/${name}`;
  writeFileSync(path, gzipSync(tarOf(...members)));
  return path;
}

const take = async (path: string, onWork?: () => void) =>
  await archivedRuntime(releaseArchive(path), { cacheDir, onWork });

async function contentOf(path: string): Promise<Buffer> {
  const pack = await openPack(path);
  try {
    const section = pack.sections.find(({ kind, name }) => kind === "runtime" && name === "linux/arm64");
    if (section === undefined) throw new Error("no runtime for linux/arm64");
    const stored = Buffer.concat(await Array.fromAsync(pack.stored(section)));
    const content = Buffer.from(Bun.zstdDecompressSync(stored));
    expect(content.length).toBe(section.contentBytes);
    return content;
  } finally {
    await pack.close();
  }
}

test("a pack has the program of a release's archive, which is compressed once; the launcher comes along", async () => {
  const path = archive();
  let works = 0;
  const first = await take(path, () => works++);
  expect(first.launcher && Buffer.from(first.launcher).toString()).toBe("the launcher");
  const pack = `${directory}/pack`;
  await writePack(pack, Buffer.from("files"), { runtimes: [first.runtime] });
  expect((await contentOf(pack)).equals(program)).toBe(true);
  const second = await take(path, () => works++);
  expect([works, second.runtime]).toEqual([1, first.runtime]);
  // All of it comes from one reading: this file can be read but once.
  const [bytes, fifo] = [readFileSync(path), `${directory}/once/${folder}.tar.gz`];
  mkdirSync(dirname(fifo));
  expect(Bun.spawnSync(["mkfifo", fifo]).exitCode).toBe(0);
  const fresh = { cacheDir: `${cacheDir}/other` };
  const [once] = await Promise.all([archivedRuntime(releaseArchive(fifo), fresh), writeFile(fifo, bytes)]);
  expect([once.runtime.digest, once.launcher]).toEqual([first.runtime.digest, first.launcher]);
  // Another program under the same name is another one.
  archive([{ path: `${folder}/bin/smolvm`, data: Buffer.from("other"), mode: 0o755 }]);
  const other = await take(path, () => works++);
  expect([works, other.launcher]).toEqual([2, undefined]);
  await writePack(pack, Buffer.from("files"), { runtimes: [other.runtime] });
  expect((await contentOf(pack)).toString()).toBe("other");
});

test("what the cache keeps is made anew after it was damaged, and never gets into a pack", async () => {
  const { runtime } = await take(archive());
  const bytes = readFileSync(runtime.path);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  writeFileSync(runtime.path, bytes);
  const pack = `${directory}/damaged`;
  const write = async () =>
    await writePack(pack, Buffer.from("files"), { runtimes: [(await take(archive())).runtime] });
  expect(await codeOf(write)).toBe("pack.runtime_damaged");
  expect(readdirSync(directory)).not.toContain(basename(pack));
  await write();
  expect((await contentOf(pack)).equals(program)).toBe(true);
});

test("of many programs, those that were compressed last stay", async () => {
  for (let index = 0; index < 7; index++)
    await take(archive([{ path: `${folder}/bin/smolvm`, data: noise(100, index + 1), mode: 0o755 }]));
  expect(readdirSync(`${cacheDir}/packing`)).toHaveLength(5);
});

test("what is no archive of this version's release is refused, and leaves nothing", async () => {
  expect(await codeOf(async () => releaseArchive("smolvm.tar.gz"))).toBe("pack.bad_archive");
  expect(await codeOf(async () => releaseArchive("smolvm-0.0.9-linux-arm64.tar.gz"))).toBe(
    "pack.bad_archive",
  );
  expect(await codeOf(async () => releaseArchive(`smolvm-${version}-plan9-arm64.tar.gz`))).toBe(
    "pack.bad_archive",
  );
  expect(await codeOf(() => take(`${directory}/none/${folder}.tar.gz`))).toBe("pack.not_found");
  const sound = gzipSync(tarOf(...files));
  const archives = {
    empty: Buffer.alloc(0),
    text: Buffer.from("no archive at all"),
    "cut off": sound.subarray(0, sound.length >> 1),
    "without a program": gzipSync(tarOf({ path: `${folder}/README.md`, data: "read" })),
    "of another platform": gzipSync(tarOf({ path: "smolvm-x/bin/smolvm", data: "other" })),
    "a link": gzipSync(tarOf({ path: `${folder}/bin/smolvm`, type: "2", target: "/etc/passwd" })),
    "an empty program": gzipSync(tarOf({ path: `${folder}/bin/smolvm`, data: "" })),
    "a large launcher": gzipSync(
      tarOf({ path: `${folder}/lib/smolvm/launcher`, data: Buffer.alloc(2 ** 24 + 1) }),
    ),
  };
  for (const [what, bytes] of Object.entries(archives)) {
    const path = `${directory}/${folder}.tar.gz`;
    writeFileSync(path, bytes);
    expect([what, await codeOf(() => take(path))]).toEqual([what, "pack.bad_archive"]);
  }
  expect(readdirSync(`${cacheDir}/packing`)).toEqual([]);
});
