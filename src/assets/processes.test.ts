import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { packData, someBytes, temporaryDirectory } from "./assets.fixture.ts";

/** Unpacking by processes of their own: at once, killed, and without room. */

const DATA = someBytes(30_000_000);
const HASH = "0123456789abcdef0123456789abcdef";

/** What each process runs: unpacks the asset and prints the inode, or the code of the error. */
const PROGRAM = `
  import { statSync } from "node:fs";
  import { unpack } from "${import.meta.dir}/unpack.ts";
  const [asset, directory] = process.argv.slice(1);
  try {
    await unpack(JSON.parse(asset), directory, directory + "/kernel");
    console.log(statSync(directory + "/kernel").ino);
  } catch (error) {
    console.log(error.code ?? error.stack);
  }
`;

function setUp(root: string) {
  const asset = packData(`${root}/asset.zst`, DATA);
  const directory = `${root}/cache/runtime/${HASH}`;
  const command = [process.execPath, "-e", PROGRAM, JSON.stringify(asset), directory];
  return { command, directory, path: `${directory}/kernel` };
}

function contents(directory: string): string[] {
  return readdirSync(directory).filter((name) => name !== "lock" && name !== "in-use");
}

const start = (command: string[]) => Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
const output = async (child: { stdout: ReadableStream }) => (await new Response(child.stdout).text()).trim();

describe("unpack in many processes", () => {
  test("20 at once make one file", async () => {
    using root = temporaryDirectory();
    const { command, directory, path } = setUp(root.path);
    const inodes = await Promise.all(Array.from({ length: 20 }, () => output(start(command))));
    expect(new Set(inodes).size).toBe(1);
    expect(inodes[0]).toMatch(/^\d+$/);
    expect(readFileSync(path).equals(DATA)).toBe(true);
    expect(contents(directory).sort()).toEqual(["kernel", "kernel.stamp"]);
  }, 60_000);

  test("killed at any moment, it leaves nothing half done", async () => {
    using root = temporaryDirectory();
    const { command, directory, path } = setUp(root.path);
    for (let delay = 0; delay < 150; delay += 10) {
      const child = start(command);
      await Bun.sleep(delay);
      child.kill("SIGKILL");
      await child.exited;
      // What has the file's name is the whole file, whenever the process ended.
      const there = await Bun.file(path).exists();
      if (there) expect(readFileSync(path).equals(DATA)).toBe(true);
    }
    expect(await output(start(command))).toMatch(/^\d+$/);
    expect(contents(directory).sort()).toEqual(["kernel", "kernel.stamp"]);
  }, 60_000);

  test("a file size limit of the shell is a clear error, and leaves nothing", async () => {
    using root = temporaryDirectory();
    const { command, directory } = setUp(root.path);
    const limited = ["sh", "-c", 'ulimit -f 1000; exec "$@"', "sh", ...command];
    expect(await output(start(limited))).toBe("assets.no_space");
    expect(contents(directory)).toEqual([]);
  }, 60_000);

  test("a full disk is a clear error, and leaves nothing", async () => {
    using root = temporaryDirectory();
    const { command } = setUp(root.path);
    // A small filesystem that only the processes of this test see.
    const disk = `${root.path}/disk`;
    const onDisk = [...command.slice(0, -1), `${disk}/cache/runtime/${HASH}`];
    const script =
      'mkdir "$0"; mount -t tmpfs -o size=8m tmpfs "$0" || exit; "$@"; cd "$0" && find . -type f | sort';
    const isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, disk, ...onDisk];
    const lines = (await output(start(isolated))).split("\n");
    expect(lines).toEqual(["assets.no_space", `./cache/runtime/${HASH}/lock`]);
  }, 60_000);
});
