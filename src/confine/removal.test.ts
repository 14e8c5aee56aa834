import { afterAll, expect, test } from "bun:test";
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { flock } from "../../ffi/libc.ts";
import { assetPath } from "../assets/index.ts";
import { planRemoval, type Removal, startLauncher } from "./index.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-removal-`);
const launcher = await assetPath("launcher", `${directory}/assets`);
afterAll(() => rmSync(directory, { recursive: true }));
const path = (name: string) => `${directory}/${name}`;

async function remove(...removals: Removal[]): Promise<void> {
  expect(await startLauncher(launcher, planRemoval(removals)).exited).toEqual({ code: 0, signal: null });
}

test("a directory goes with all that is in it, however deep, and with nothing behind its links", async () => {
  mkdirSync(path("kept"));
  writeFileSync(path("kept/file"), "text");
  const [machine, hidden] = [path("machine"), path(".old-1")];
  // Deeper than a path may be long: made from below, by names that are as short as names get.
  mkdirSync(`${machine}/data`, { recursive: true });
  const script = `import os
os.chdir("${machine}/data")
for _ in range(2100):
    os.mkdir("d"); os.chdir("d")
open("f", "w").close(); os.mkdir(".0")`;
  expect(Bun.spawnSync(["python3", "-c", script]).success).toBe(true);
  symlinkSync(path("kept"), `${machine}/link`);
  symlinkSync(path("kept/file"), `${machine}/data/link`);
  await remove({ kind: "directory", path: machine, hidden });
  expect([existsSync(machine), existsSync(hidden)]).toEqual([false, false]);
  expect(readFileSync(path("kept/file"), "utf8")).toBe("text");
  // Once more does no harm.
  await remove({ kind: "directory", path: machine, hidden });
}, 60_000);

test("a socket is removed while it is that one, and nothing that has come to its place", async () => {
  const identity = (place: string) => {
    const { dev, ino } = lstatSync(place, { bigint: true });
    return { device: dev, inode: ino };
  };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path("socket"), resolve));
  writeFileSync(path("file"), "text");
  const socket = identity(path("socket"));
  await remove(
    { kind: "file", path: path("file"), socket: identity(path("file")) },
    { kind: "file", path: path("socket"), socket: { ...socket, inode: socket.inode + 1n } },
  );
  expect([existsSync(path("file")), existsSync(path("socket"))]).toEqual([true, true]);
  await remove({ kind: "file", path: path("socket"), socket }, { kind: "file", path: path("file") });
  expect([existsSync(path("file")), existsSync(path("socket"))]).toEqual([false, false]);
  server.close();
});

test("an empty directory goes unless somebody holds its lock, and one with something in it stays", async () => {
  for (const name of ["empty", "locked", "full"]) mkdirSync(path(`three/${name}`), { recursive: true });
  writeFileSync(path("three/full/file"), "");
  const fd = openSync(path("three/locked"), "r");
  flock(fd, "exclusive");
  const all = ["empty", "locked", "full", "missing"];
  await remove(...all.map((name): Removal => ({ kind: "emptyDirectory", path: path(`three/${name}`) })));
  expect(readdirSync(path("three")).sort()).toEqual(["full", "locked"]);
  closeSync(fd);
});
