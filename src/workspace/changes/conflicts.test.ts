import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { treeOfHost } from "../layer/model.fixture.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";
import { openWorkspace } from "../workspace.ts";
import { type ApplyOptions, applyChanges } from "./apply.ts";
import { changesOf } from "./changes.ts";
import { discardChanges } from "./discard.ts";

type Place = ReturnType<typeof makePlace>;

function makeTree(place: Place): void {
  const { folder } = place;
  mkdirSync(`${folder}/d`);
  writeFileSync(`${folder}/d/x`, "x");
  writeFileSync(`${folder}/f`, "f");
  symlinkSync("f", `${folder}/l`);
  mkdirSync(`${place.root}/outside`);
  writeFileSync(`${place.root}/outside/x`, "precious");
}

function inGuest(place: Place, work: (guest: Guest) => void): void {
  using guest = Guest.of(place);
  work(guest);
}

function apply(place: Place, options?: ApplyOptions): Record<string, string> {
  using workspace = openWorkspace(place, "change");
  const { kept } = applyChanges(workspace, options);
  return Object.fromEntries(
    kept.map(({ change, because }) => [
      change.names.join("/"),
      because.why === "conflict" ? because.conflict : because.why,
    ]),
  );
}

/** What the guest did, what somebody did on the host meanwhile, which conflict that is. */
const matrix: [
  name: string,
  guest: (guest: Guest) => void,
  host: (folder: string, root: string) => void,
  conflicts: Record<string, string>,
][] = [
  ["write / write", (g) => g.write("f", "guest"), (h) => writeFileSync(`${h}/f`, "host!"), { f: "changed" }],
  ["write / same length", (g) => g.write("f", "g"), (h) => writeFileSync(`${h}/f`, "h"), { f: "changed" }],
  ["write / remove", (g) => g.write("f", "guest"), (h) => rmSync(`${h}/f`), { f: "removed" }],
  ["write / chmod", (g) => g.write("f", "guest"), (h) => chmodSync(`${h}/f`, 0o600), { f: "changed" }],
  [
    "write / link to outside",
    (g) => g.write("f", "guest"),
    (h, root) => {
      rmSync(`${h}/f`);
      symlinkSync(`${root}/outside/x`, `${h}/f`);
    },
    { f: "changed" },
  ],
  [
    "write / directory",
    (g) => g.write("f", "guest"),
    (h) => {
      rmSync(`${h}/f`);
      mkdirSync(`${h}/f`);
    },
    { f: "changed" },
  ],
  ["chmod / write", (g) => g.chmod("f", 0o755), (h) => writeFileSync(`${h}/f`, "host"), { f: "changed" }],
  ["create / create", (g) => g.write("n", "guest"), (h) => writeFileSync(`${h}/n`, "host"), { n: "created" }],
  ["create / directory", (g) => g.write("n", "guest"), (h) => mkdirSync(`${h}/n`), { n: "created" }],
  [
    "directory / file",
    (g) => {
      g.mkdir("n");
      g.write("n/y", "y");
    },
    (h) => writeFileSync(`${h}/n`, "host"),
    { n: "created", "n/y": "unreachable" },
  ],
  ["link / create", (g) => g.symlink("f", "n"), (h) => writeFileSync(`${h}/n`, "host"), { n: "created" }],
  ["remove / write", (g) => g.unlink("f"), (h) => writeFileSync(`${h}/f`, "host"), { f: "changed" }],
  [
    "remove tree / write in it",
    (g) => g.removeAll("d"),
    (h) => writeFileSync(`${h}/d/x`, "host"),
    { "d/x": "changed", d: "not-empty" },
  ],
  [
    "remove tree / create in it",
    (g) => g.removeAll("d"),
    (h) => writeFileSync(`${h}/d/new`, "host"),
    { d: "not-empty" },
  ],
  [
    "replace tree by file / create in it",
    (g) => {
      g.removeAll("d");
      g.write("d", "file");
    },
    (h) => writeFileSync(`${h}/d/new`, "host"),
    { d: "not-empty" },
  ],
  [
    "write / parent becomes a link to outside",
    (g) => {
      g.write("d/x", "guest");
      g.write("d/new", "guest");
      g.unlink("f");
    },
    (h, root) => {
      rmSync(`${h}/d`, { recursive: true });
      symlinkSync(`${root}/outside`, `${h}/d`);
    },
    { "d/x": "unreachable", "d/new": "unreachable" },
  ],
  [
    "create / parent is removed",
    (g) => g.write("d/new", "guest"),
    (h) => rmSync(`${h}/d`, { recursive: true }),
    { "d/new": "unreachable" },
  ],
  ["move / write", (g) => g.rename("f", "moved"), (h) => writeFileSync(`${h}/f`, "host"), { f: "changed" }],
  [
    "link / link",
    (g) => {
      g.unlink("l");
      g.symlink("guest", "l");
    },
    (h) => {
      rmSync(`${h}/l`);
      symlinkSync("host", `${h}/l`);
    },
    { l: "changed" },
  ],
];

describe("what changed on the host meanwhile is a conflict, and stays", () => {
  for (const [name, guest, host, conflicts] of matrix) {
    test(name, () => {
      using place = makePlace();
      makeTree(place);
      inGuest(place, guest);
      host(place.folder, place.root);
      const before = treeOfHost(place.folder);
      {
        using workspace = openWorkspace(place, "read");
        const shown = changesOf(workspace).flatMap(({ names, conflict }) =>
          conflict === undefined ? [] : [[names.join("/"), conflict]],
        );
        // That a directory stays because something in it does is found out by trying.
        for (const [path, conflict] of shown)
          expect([path, conflicts[path as string]]).toEqual([path, conflict]);
        expect(shown.length).toBeGreaterThan(0);
      }
      expect(apply(place, { atomic: true })).not.toEqual({});
      expect(treeOfHost(place.folder)).toEqual(before);
      expect(apply(place)).toEqual(conflicts);
      const after = treeOfHost(place.folder);
      for (const path of Object.keys(conflicts)) expect([path, after[path]]).toEqual([path, before[path]]);
      expect(readFileSync(`${place.root}/outside/x`, "utf8")).toBe("precious");
      expect(readdirSync(`${place.root}/outside`)).toEqual(["x"]);
      // It is still there to be looked at, and can be thrown away.
      expect(apply(place)).toEqual(conflicts);
      {
        using workspace = openWorkspace(place, "change");
        discardChanges(workspace);
        expect(changesOf(workspace)).toEqual([]);
      }
      expect(treeOfHost(place.folder)).toEqual(after);
      inGuest(place, (g) => expect(g.exists("d")).toBe(existsSync(`${place.folder}/d`)));
    });
  }
});

describe("no conflict", () => {
  test("what the host has only touched, or written again as it was", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => g.write("f", "guest"));
    writeFileSync(`${place.folder}/f`, "f");
    utimesSync(`${place.folder}/f`, 1, 1);
    expect(apply(place)).toEqual({});
    expect(readFileSync(`${place.folder}/f`, "utf8")).toBe("guest");
  });

  test("what the host has changed to just the same", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => {
      g.write("f", "same");
      g.unlink("d/x");
      g.mkdir("n");
    });
    writeFileSync(`${place.folder}/f`, "same");
    rmSync(`${place.folder}/d/x`);
    mkdirSync(`${place.folder}/n`);
    expect(apply(place)).toEqual({});
    using workspace = openWorkspace(place, "read");
    expect(changesOf(workspace)).toEqual([]);
  });

  test("a file whose other name is applied, too", () => {
    using place = makePlace();
    writeFileSync(`${place.folder}/a`, "1");
    linkSync(`${place.folder}/a`, `${place.folder}/b`);
    inGuest(place, (g) => {
      g.unlink("a");
      g.unlink("b");
      g.symlink("x", "b");
    });
    expect(apply(place)).toEqual({});
    expect(readdirSync(place.folder)).toEqual(["b"]);
  });

  test("changes of the host beside those of the guest", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => g.write("d/new", "guest"));
    writeFileSync(`${place.folder}/d/x`, "host");
    expect(apply(place)).toEqual({});
    expect(readFileSync(`${place.folder}/d/x`, "utf8")).toBe("host");
    expect(readFileSync(`${place.folder}/d/new`, "utf8")).toBe("guest");
  });
});

describe("an apply", () => {
  test("of some paths brings just these, with the directories they need", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => {
      g.mkdir("n");
      g.mkdir("n/m", 0o700);
      g.write("n/m/a", "a");
      g.write("n/m/b", "b");
      g.write("f", "guest");
      g.unlink("d/x");
    });
    expect(apply(place, { paths: [["n", "m", "a"], ["d"]] })).toEqual({});
    expect(Object.keys(treeOfHost(place.folder)).sort()).toEqual(["d", "f", "l", "n", "n/m", "n/m/a"]);
    expect(lstatSync(`${place.folder}/n/m`).mode & 0o777).toBe(0o700);
    expect(readFileSync(`${place.folder}/f`, "utf8")).toBe("f");
    using workspace = openWorkspace(place, "read");
    expect(changesOf(workspace).map(({ names }) => names.join("/"))).toEqual(["f", "n/m/b"]);
  });

  test("gives no set-user-ID, puts links as links and leaves FIFOs", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => {
      g.write("tool", "x");
      g.chmod("tool", 0o6755);
      g.symlink("/etc/shadow", "secrets");
      g.symlink("../../outside/x", "up");
      g.makeNode("fifo", 0o010644);
    });
    expect(apply(place)).toEqual({ fifo: "special" });
    expect(lstatSync(`${place.folder}/tool`).mode & 0o7777).toBe(0o755);
    expect(readlinkSync(`${place.folder}/secrets`)).toBe("/etc/shadow");
    expect(readlinkSync(`${place.folder}/up`)).toBe("../../outside/x");
    expect(existsSync(`${place.folder}/fifo`)).toBe(false);
  });

  test("fills directories that nobody may write to", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => {
      g.mkdir("locked");
      g.write("locked/a", "a");
      g.chmod("locked", 0o555);
    });
    expect(apply(place)).toEqual({});
    expect(lstatSync(`${place.folder}/locked`).mode & 0o777).toBe(0o555);
    expect(readFileSync(`${place.folder}/locked/a`, "utf8")).toBe("a");
    chmodSync(`${place.folder}/locked`, 0o755);
  });

  test("while the guest writes on: what it writes later is the next change", () => {
    using place = makePlace();
    makeTree(place);
    using guest = Guest.of(place);
    guest.write("f", "one");
    guest.at("f", (node) => {
      const handle = guest.files.open(node, 1);
      expect(apply(place)).toEqual({});
      expect(readFileSync(`${place.folder}/f`, "utf8")).toBe("one");
      guest.files.write(handle, Buffer.from("two"), 0);
      expect(guest.read("f")).toBe("two");
      guest.files.release(handle);
    });
    expect(guest.read("f")).toBe("two");
    expect(apply(place)).toEqual({});
    expect(readFileSync(`${place.folder}/f`, "utf8")).toBe("two");
    Bun.sleepSync(50);
    guest.writeAt("f", "six", 0);
    Bun.sleepSync(50);
    expect(apply(place)).toEqual({});
    // Applied and quiet: from now on it is the host's again.
    writeFileSync(`${place.folder}/f`, "host");
    expect(guest.read("f")).toBe("host");
    expect(readdirSync(`${place.directory}/data`)).toEqual([]);
  });

  test("of what somebody has looked at leaves what came later", () => {
    using place = makePlace();
    makeTree(place);
    using guest = Guest.of(place);
    guest.write("f", "looked at");
    guest.write("n", "looked at");
    using workspace = openWorkspace(place, "change");
    const seen = changesOf(workspace);
    Bun.sleepSync(30);
    guest.write("n", "slipped in");
    guest.write("m", "slipped in");
    const { applied, kept } = applyChanges(workspace, { seen });
    expect(applied.map(({ names }) => names)).toEqual([["f"]]);
    expect(kept.map(({ change, because }) => [change.names.join("/"), because.why])).toEqual([
      ["m", "newer"],
      ["n", "newer"],
    ]);
    expect(readdirSync(place.folder).sort()).toEqual(["d", "f", "l"]);
  });

  test("one at a time", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => g.write("f", "guest"));
    using _first = openWorkspace(place, "change");
    expect(() => openWorkspace(place, "change")).toThrow(expect.objectContaining({ code: "workspace.busy" }));
    expect(() => Guest.of(place)).toThrow(expect.objectContaining({ code: "workspace.busy" }));
  });
});

describe("a discard", () => {
  test("of one path in a directory that the guest made anew brings just this one back", () => {
    using place = makePlace();
    makeTree(place);
    writeFileSync(`${place.folder}/d/y`, "y");
    inGuest(place, (g) => {
      g.removeAll("d");
      g.mkdir("d");
      g.write("d/mine", "m");
    });
    {
      using workspace = openWorkspace(place, "change");
      discardChanges(workspace, [["d", "x"]]);
    }
    inGuest(place, (g) => expect(g.list("d")).toEqual(["mine", "x"]));
    using workspace = openWorkspace(place, "change");
    expect(changesOf(workspace).map(({ names, status }) => `${status} ${names.join("/")}`)).toEqual([
      "added d/mine",
      "deleted d/y",
    ]);
  });

  test("of a path in a directory that is gone asks for the directory", () => {
    using place = makePlace();
    makeTree(place);
    inGuest(place, (g) => g.removeAll("d"));
    using workspace = openWorkspace(place, "change");
    expect(() => discardChanges(workspace, [["d", "x"]])).toThrow(
      expect.objectContaining({ code: "workspace.inside_removed" }),
    );
    discardChanges(workspace, [["d"]]);
    expect(changesOf(workspace)).toEqual([]);
  });
});
