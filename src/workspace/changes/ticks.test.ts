/** Edits of the host's that its files' times do not show. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Entry } from "../index-file.ts";
import { freshStamp, isUntouched, type Stamp, TICK_NS } from "../stamp.ts";
import type { Stat } from "../stat.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";
import { openWorkspace } from "../workspace.ts";
import { applyChanges } from "./apply.ts";
import { changesOf } from "./changes.ts";

const stat: Stat = {
  kind: "file",
  mode: 0o100644,
  links: 1,
  uid: 0,
  gid: 0,
  device: 1n,
  inode: 2n,
  size: 3,
  blocks: 8,
  blockSize: 4096,
  accessed: 5n * TICK_NS,
  modified: 5n * TICK_NS,
  changed: 5n * TICK_NS,
};

test("a file that has just been changed is known by its bytes, an older one by its times", () => {
  expect(isUntouched(freshStamp(stat, "hash", 5n * TICK_NS + 1n), stat)).toBe(false);
  expect(isUntouched(freshStamp(stat, "hash", 7n * TICK_NS), stat)).toBe(true);
  // Too large to be hashed.
  expect(isUntouched(freshStamp(stat, undefined, 5n * TICK_NS), stat)).toBe(true);
});

/** On a busy machine the guest may come later than a tick after the host's edit: then it is another file's turn. */
const TRIES = 100;

test("an edit in the tick in which the guest copied the file is a conflict", () => {
  using place = makePlace();
  let name = "";
  let base: Stamp | undefined;
  {
    using guest = Guest.of(place);
    using workspace = openWorkspace(place, "read");
    for (let tried = 0; base?.modified !== -1n && tried < TRIES; tried++) {
      name = `file ${tried}`;
      writeFileSync(`${place.folder}/${name}`, "one");
      guest.write(name, "guest");
      base = workspace.index.entry(1, name)?.base;
    }
  }
  expect(base?.modified).toBe(-1n);
  using workspace = openWorkspace(place, "change");
  const conflict = () => changesOf(workspace).find(({ names }) => names[0] === name)?.conflict;
  expect(conflict()).toBeUndefined();
  writeFileSync(`${place.folder}/${name}`, "two");
  // No test can be sure to be in one tick: this is the stamp that an edit within it would have matched.
  const { changed } = workspace.host.stat([name]) as Stat;
  const entry = workspace.index.entry(1, name) as Entry;
  workspace.index.putEntry(1, { ...entry, base: { ...(base as Stamp), changed } });
  expect(conflict()).toBe("changed");
  expect(applyChanges(workspace).applied.map(({ names }) => names[0])).not.toContain(name);
});
