/** What an apply leaves that is killed while one file takes the place of another. */
import { expect, test } from "bun:test";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { noteTemporary, type Temporary } from "../leftovers.ts";
import type { Stat } from "../stat.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";
import { openWorkspace } from "../workspace.ts";
import { applyChanges } from "./apply.ts";

type Place = ReturnType<typeof makePlace>;

const TEMPORARY = ".smolvm-apply-0123456789abcdef";

/** A folder with the host's `d/f`, whose change of the guest's an apply was about to bring. */
function begin() {
  const place = makePlace();
  mkdirSync(`${place.folder}/d`);
  writeFileSync(`${place.folder}/d/f`, "host");
  {
    using guest = Guest.of(place);
    guest.write("d/f", "guest");
  }
  const directory = `${place.folder}/d`;
  const [name, temporary] = [`${directory}/f`, `${directory}/${TEMPORARY}`];
  return { place, directory, name, temporary };
}

function statIn(place: Place, name: string): Stat {
  using workspace = openWorkspace(place, "read");
  return workspace.host.stat(["d", name]) as Stat;
}

/** As the process did that was killed then. */
function note(place: Place, what: Omit<Temporary, "names" | "temporary">): void {
  using workspace = openWorkspace(place, "change");
  noteTemporary(workspace.index, { names: ["d", "f"], temporary: TEMPORARY, ...what });
}

function settle(place: Place): void {
  using workspace = openWorkspace(place, "change");
  expect(workspace.index.settings("temporary ")).toEqual([]);
}

test("what had no place yet goes, complete or not", () => {
  for (const isLink of [false, true]) {
    const { place, directory, name, temporary } = begin();
    using _ = place;
    note(place, {});
    if (isLink) symlinkSync("nowhere", temporary);
    else writeFileSync(temporary, "gue");
    settle(place);
    expect(readdirSync(directory)).toEqual(["f"]);
    expect(readFileSync(name, "utf8")).toBe("host");
  }
});

test("what was complete and had not taken its place yet goes", () => {
  const { place, directory, name, temporary } = begin();
  using _ = place;
  writeFileSync(`${directory}/new`, "guest");
  note(place, { ours: statIn(place, "new"), before: statIn(place, "f") });
  renameSync(`${directory}/new`, temporary);
  settle(place);
  expect(readdirSync(directory)).toEqual(["f"]);
  expect(readFileSync(name, "utf8")).toBe("host");
});

function exchanged() {
  const begun = begin();
  const { place, directory, name, temporary } = begun;
  writeFileSync(`${directory}/new`, "guest");
  note(place, { ours: statIn(place, "new"), before: statIn(place, "f") });
  renameSync(name, temporary);
  renameSync(`${directory}/new`, name);
  return begun;
}

test("what has been replaced goes", () => {
  const { place, directory, name } = exchanged();
  using _ = place;
  settle(place);
  expect(readdirSync(directory)).toEqual(["f"]);
  expect(readFileSync(name, "utf8")).toBe("guest");
  using workspace = openWorkspace(place, "change");
  expect(applyChanges(workspace).kept).toEqual([]);
});

test("what somebody had written meanwhile gets its name back", () => {
  const { place, directory, name, temporary } = exchanged();
  using _ = place;
  writeFileSync(temporary, "host, later");
  settle(place);
  expect(readdirSync(directory)).toEqual(["f"]);
  expect(readFileSync(name, "utf8")).toBe("host, later");
});

test("nothing of the host's is lost where both names have something of its own", () => {
  const { place, directory, name, temporary } = exchanged();
  using _ = place;
  writeFileSync(temporary, "host, later");
  rmSync(name);
  writeFileSync(name, "host, again");
  settle(place);
  expect(readdirSync(directory).sort()).toEqual([TEMPORARY, "f"]);
  expect(readFileSync(temporary, "utf8")).toBe("host, later");
});

test("what was taken away goes; with something new in it it gets its name back, and not over another file", () => {
  for (const [isChanged, isTaken] of [
    [false, false],
    [true, false],
    [true, true],
  ]) {
    const { place, directory, name, temporary } = begin();
    using _ = place;
    note(place, { before: statIn(place, "f") });
    renameSync(name, temporary);
    if (isChanged) writeFileSync(temporary, "host, later");
    if (isTaken) writeFileSync(name, "host, again");
    settle(place);
    const left = isTaken ? [TEMPORARY, "f"] : isChanged ? ["f"] : [];
    expect(readdirSync(directory).sort()).toEqual(left);
    if (isChanged) expect(readFileSync(isTaken ? temporary : name, "utf8")).toBe("host, later");
  }
});

test("a note leads nowhere but into the folder, and is gone with its directory", () => {
  const { place, directory } = begin();
  using _ = place;
  mkdirSync(`${place.root}/outside`);
  writeFileSync(`${place.root}/outside/${TEMPORARY}`, "precious");
  note(place, {});
  renameSync(directory, `${place.folder}/elsewhere`);
  symlinkSync(`${place.root}/outside`, directory);
  settle(place);
  expect(readFileSync(`${place.root}/outside/${TEMPORARY}`, "utf8")).toBe("precious");
});

test("an apply that ends leaves neither names nor notes", () => {
  const { place, directory, name } = begin();
  using _ = place;
  writeFileSync(`${directory}/gone`, "x");
  symlinkSync("a", `${directory}/link`);
  linkSync(name, `${directory}/other`);
  {
    using guest = Guest.of(place);
    guest.unlink("d/gone");
    guest.unlink("d/link");
    guest.symlink("b", "d/link");
  }
  {
    using workspace = openWorkspace(place, "change");
    expect(applyChanges(workspace).kept).toEqual([]);
    expect(workspace.index.settings("temporary ")).toEqual([]);
  }
  expect(readdirSync(directory).sort()).toEqual(["f", "link", "other"]);
  expect(readlinkSync(`${directory}/link`)).toBe("b");
  expect(existsSync(`${directory}/gone`)).toBe(false);
});
