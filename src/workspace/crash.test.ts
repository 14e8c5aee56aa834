/** What is left when a process is killed at any moment. The seed is printed; SEED repeats the operations. */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { applyChanges, changesOf, openWorkspace } from "./index.ts";
import {
  applyPlain,
  operationWithoutLinks,
  Random,
  randomOperation,
  type Tree,
  treeOfGuest,
  treeOfHost,
} from "./layer/model.fixture.ts";
import { Guest, makePlace } from "./workspace.fixture.ts";

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const ROUNDS = 12;

/** Starts the process, and kills it so many milliseconds after its first word. @returns what it said */
async function killed(place: ReturnType<typeof makePlace>, what: string, afterMs: number): Promise<string> {
  const child = Bun.spawn(
    [process.execPath, `${import.meta.dir}/crash.fixture.ts`, place.folder, place.directory, what],
    { stdout: "pipe", stderr: "inherit" },
  );
  let said = "";
  let timer: Timer | undefined;
  for await (const bytes of child.stdout) {
    said += Buffer.from(bytes).toString();
    timer ??= setTimeout(() => child.kill("SIGKILL"), afterMs);
  }
  await child.exited;
  clearTimeout(timer);
  return said;
}

/** A file that was being written has its new bytes, or none yet. */
const withoutBytes = (tree: Tree, path: string): Tree => ({
  ...tree,
  ...(tree[path]?.startsWith("file ") ? { [path]: tree[path].split(" ").slice(0, 2).join(" ") } : {}),
});

test(`the server: all that was answered is there, and the tree is whole (SEED=${seed})`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    using place = makePlace();
    const plain = mkdtempSync(`${tmpdir()}/smolvm-plain-`);
    try {
      const random = new Random(seed + round);
      for (let i = 0; i < 40; i++) applyPlain(place.folder, randomOperation(random));
      cpSync(place.folder, plain, { recursive: true, verbatimSymlinks: true });
      const said = await killed(place, `${seed * 7 + round}`, random.below(150));
      const same = new Random(seed * 7 + round);
      for (let i = 1; i < said.length; i++) applyPlain(plain, operationWithoutLinks(same));
      const before = treeOfHost(plain);
      const last = operationWithoutLinks(same);
      applyPlain(plain, last);
      const after = treeOfHost(plain);
      {
        // Who only looks can do that too.
        using left = openWorkspace(place, "read");
        changesOf(left);
      }
      using guest = Guest.of(place);
      const tree = treeOfGuest(guest);
      const possible = last.op === "removeAll" ? [tree] : [before, after];
      const seen = possible.map((one) => withoutBytes(one, last.path));
      expect(seen).toContainEqual(withoutBytes(tree, last.path));
      // And it goes on.
      guest.write("after", "x");
      expect(guest.read("after")).toBe("x");
    } finally {
      rmSync(plain, { recursive: true, force: true });
    }
  }
}, 120_000);

test(`an apply that replaces and removes: one more ends it, and nothing is left (SEED=${seed})`, async () => {
  let left = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(seed + round);
    using place = makePlace();
    for (let i = 0; i < 200; i++) writeFileSync(`${place.folder}/file ${i}`, "host");
    let tree: Tree;
    {
      using guest = Guest.of(place);
      for (let i = 0; i < 200; i++) {
        if (random.below(2) === 0) guest.unlink(`file ${i}`);
        else guest.write(`file ${i}`, `${random.below(1000)}`);
      }
      tree = treeOfGuest(guest);
    }
    await killed(place, "apply", 30 + random.below(60));
    left += leftIn(place.folder).length;
    using workspace = openWorkspace(place, "change");
    expect(leftIn(place.folder)).toEqual([]);
    expect(applyChanges(workspace).kept).toEqual([]);
    expect(treeOfHost(place.folder)).toEqual(tree);
    expect(changesOf(workspace)).toEqual([]);
  }
  console.log(`${left} of ${ROUNDS} applies left a file`);
}, 120_000);

const leftIn = (folder: string): string[] =>
  readdirSync(folder).filter((name) => name.startsWith(".smolvm-apply-"));

test(`an apply: one more ends it (SEED=${seed})`, async () => {
  let cut = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const random = new Random(seed + round);
    using place = makePlace();
    let tree: Tree;
    {
      using guest = Guest.of(place);
      for (let i = 0; i < 200; i++) guest.write(`file ${i}`, `${random.below(1000)}`);
      tree = treeOfGuest(guest);
    }
    await killed(place, "apply", random.below(60));
    const sofar = Object.keys(treeOfHost(place.folder)).length;
    if (sofar > 0 && sofar < 200) cut += 1;
    {
      using guest = Guest.of(place);
      expect(treeOfGuest(guest)).toEqual(tree);
    }
    using workspace = openWorkspace(place, "change");
    expect(applyChanges(workspace).kept).toEqual([]);
    expect(treeOfHost(place.folder)).toEqual(tree);
    expect(changesOf(workspace)).toEqual([]);
  }
  console.log(`${cut} of ${ROUNDS} applies were cut in their middle`);
}, 120_000);
