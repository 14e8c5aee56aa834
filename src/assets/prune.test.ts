import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { temporaryDirectory } from "./assets.fixture.ts";
import { ifUnused, whileLocked } from "./lock.ts";
import { pruneRuntime } from "./prune.ts";

const DAY = 24 * 3600 * 1000;
const name = (digit: number) => String(digit).repeat(32);

/** A directory whose files were last used so many days ago. */
function directory(runtime: string, entry: string, days: number): string {
  const path = `${runtime}/${entry}`;
  mkdirSync(path, { recursive: true });
  const then = new Date(Date.now() - days * DAY);
  for (const file of ["kernel", "kernel.stamp"]) {
    writeFileSync(`${path}/${file}`, "");
    utimesSync(`${path}/${file}`, then, then);
  }
  utimesSync(path, then, then);
  return path;
}

test("removes what nothing has used for a month, and nothing else", () => {
  using root = temporaryDirectory();
  directory(root.path, name(1), 31);
  directory(root.path, name(2), 29);
  directory(root.path, "something-else", 100);
  pruneRuntime(root.path);
  expect(readdirSync(root.path).sort()).toEqual([name(2), "something-else"]);
});

test("a fresh stamp keeps an old file", () => {
  using root = temporaryDirectory();
  const path = directory(root.path, name(1), 100);
  utimesSync(`${path}/kernel.stamp`, new Date(), new Date());
  pruneRuntime(root.path);
  expect(readdirSync(root.path)).toEqual([name(1)]);
});

test("a process that makes something in the directory keeps it", async () => {
  using root = temporaryDirectory();
  const path = directory(root.path, name(1), 100);
  const child = Bun.spawn(
    [
      process.execPath,
      "-e",
      `import { whileLocked } from "${import.meta.dir}/lock.ts";
       void whileLocked(process.argv[1], async () => { console.log("locked"); await Bun.stdin.text(); });`,
      path,
    ],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit" },
  );
  await child.stdout.getReader().read();
  pruneRuntime(root.path, Date.now() + 100 * DAY);
  expect(readdirSync(root.path)).toEqual([name(1)]);
  child.stdin.end();
  await child.exited;
  pruneRuntime(root.path, Date.now() + 100 * DAY);
  expect(readdirSync(root.path)).toEqual([]);
});

test("a directory that is pruned while its lock is waited for is made again", async () => {
  using root = temporaryDirectory();
  const path = directory(root.path, name(1), 100);
  let worked: Promise<string[]> | undefined;
  ifUnused(path, () => {
    worked = whileLocked(path, async () => readdirSync(path));
    pruneNow(path);
  });
  expect(await worked).toEqual(["lock"]);
});

function pruneNow(path: string): void {
  Bun.spawnSync(["rm", "-rf", path]);
}
