/** Edits of the host's that its files' times do not show. */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
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

test("an edit in the tick in which the guest copied the file is a conflict", () => {
  using place = makePlace();
  const path = `${place.folder}/f`;
  writeFileSync(path, "one");
  {
    using guest = Guest.of(place);
    guest.write("f", "guest");
  }
  using workspace = openWorkspace(place, "change");
  const entry = workspace.index.entry(1, "f");
  const base = entry?.base as Stamp;
  expect(changesOf(workspace).map(({ conflict }) => conflict)).toEqual([undefined]);
  // No test can be sure to be in one tick: this is the stamp that an edit within it would have matched.
  writeFileSync(path, "two");
  const { modified, changed } = workspace.host.stat(["f"]) as Stat;
  const isKnownByTime = base.modified !== -1n;
  workspace.index.putEntry(1, {
    name: "f",
    node: entry?.node,
    ghost: undefined,
    base: { ...base, modified: isKnownByTime ? modified : base.modified, changed },
  });
  expect(changesOf(workspace).map(({ conflict }) => conflict)).toEqual(["changed"]);
  expect(applyChanges(workspace).applied).toEqual([]);
});
