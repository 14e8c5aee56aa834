/** A guest that goes on while its changes are applied or discarded. The seed is printed; SEED repeats the operations. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { changesOf, openWorkspace } from "../index.ts";
import { IndexFile } from "../index-file.ts";
import { applyToGuest, operationWithoutLinks, Random, treeOfGuest } from "../layer/model.fixture.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const FILES = 1500;

test("a long change lets others in: what it has done so far can be seen while it goes on", () => {
  using place = makePlace();
  Guest.of(place)[Symbol.dispose]();
  using index = new IndexFile(`${place.directory}/index`, "change");
  using other = new IndexFile(`${place.directory}/index`, "read");
  const seen = new Set<number>();
  const steps = function* () {
    for (let step = 0; step < 1000; step++) {
      index.putSetting(`step ${step}`, "");
      seen.add(other.settings("step ").length);
      yield;
    }
  };
  index.changeBySteps(steps(), { isServed: true });
  expect(seen.size).toBe(5);
  seen.clear();
  index.removeSettings("step ");
  index.changeBySteps(steps(), { isServed: false });
  expect(seen).toEqual(new Set([0]));
});

/** What the tables say of nodes without a way to them, and of ways to nowhere. */
function strays(directory: string): unknown {
  using database = new Database(`${directory}/index`, { readonly: true });
  return database
    .query(
      `select (select count(*) from entry e where node is not null
                 and not exists (select 1 from node where id = e.node)) as nowhere,
              (select count(*) from entry e where ghost is not null
                 and not exists (select 1 from node where id = e.ghost)) as noGhost,
              (select count(*) from entry e where not exists (select 1 from node where id = e.parent)) as noParent,
              (select count(*) from node n where id <> 1 and links > 0
                 and not exists (select 1 from entry where node = n.id or ghost = n.id)) as unreachable`,
    )
    .get();
}

test.each(["discard", "apply"])(
  `while a program does %s, nothing is left without a way to it (SEED=${seed})`,
  async (what) => {
    using place = makePlace();
    for (let i = 0; i < 50; i++) writeFileSync(`${place.folder}/host ${i}`, "host");
    using guest = Guest.of(place);
    const random = new Random(seed);
    for (const name of ["a", "b", "c", "d"]) guest.mkdir(name);
    for (let i = 0; i < FILES; i++) guest.write(`${random.pick(["a", "b", "c"])}/file ${i}`, "guest");
    for (let i = 0; i < 50; i++) guest.unlink(`host ${i}`);
    const child = Bun.spawn(
      [process.execPath, `${import.meta.dir}/../crash.fixture.ts`, place.folder, place.directory, what],
      { stdout: "pipe", stderr: "inherit" },
    );
    await child.stdout.getReader().read();
    let done = 0;
    for (; child.exitCode === null; done++) {
      applyToGuest(guest, operationWithoutLinks(random));
      if (done % 10 === 0) await Bun.sleep(0);
    }
    expect(await child.exited).toBe(0);
    console.log(`${done} operations meanwhile`);
    expect(strays(place.directory)).toEqual({ nowhere: 0, noGhost: 0, noParent: 0, unreachable: 0 });
    treeOfGuest(guest);
    using workspace = openWorkspace(place, "change");
    changesOf(workspace);
  },
  60_000,
);
