import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { blocksOf, digests, listing, makeTree } from "../../copy/trees.fixture.ts";
import { TestPlace } from "../host/host.fixture.ts";
import type { Machine } from "./connect.ts";
import { copyFromMachine, copyToMachine } from "./copy.ts";

/** Copies between this host and the real agent, which runs natively: no VM. */

setDefaultTimeout(60_000);

let place: TestPlace;
let machine: Machine;
let root: string;
let work: string;
let notes: string[] = [];

beforeAll(async () => {
  place = new TestPlace();
  const started = await place.start(place.order(place.create("box", { cmd: ["sleep", "1000"] })));
  await started.report;
  machine = await place.connect("box");
  root = place.root("box");
  work = mkdtempSync(`${tmpdir()}/smolvm-copy-`);
  await makeTree(`${work}/tree`);
});
afterAll(async () => {
  machine.close();
  await place.remove();
  rmSync(work, { recursive: true, force: true });
});

function common() {
  notes = [];
  return { archive: false, progress: { files: 0, bytes: 0 }, onNote: (text: string) => notes.push(text) };
}

const asIs = { uid: undefined, gid: undefined, mode: undefined };

type Up = Partial<Parameters<typeof copyToMachine>[1]>;
type Down = Partial<Parameters<typeof copyFromMachine>[1]>;

async function up(source: string | AsyncIterable<Uint8Array>, path: string, options: Up = {}) {
  const request = { ...common(), source, path, follow: false, overrides: asIs, ...options };
  await copyToMachine(machine, request);
  return request.progress;
}

async function down(
  path: string,
  target: string | ((bytes: Uint8Array) => Promise<void>),
  options: Down = {},
) {
  const request = { ...common(), path, target, follow: false, ...options };
  await copyFromMachine(machine, request);
  return request.progress;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Nothing that is not complete lies anywhere. */
const leftovers = (path: string) => readdirSync(path).filter((name) => name.startsWith(".smolvm-cp-"));

async function tar(words: readonly string[], input?: Uint8Array): Promise<Buffer> {
  const child = Bun.spawn(["tar", ...words], { stdin: input ?? "ignore", stdout: "pipe", stderr: "inherit" });
  const bytes = Buffer.from(await new Response(child.stdout).arrayBuffer());
  expect(await child.exited).toBe(0);
  return bytes;
}

async function* once(bytes: Uint8Array, size = bytes.length || 1) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

test("a tree comes into a machine and back with all that a copy keeps", async () => {
  await up(`${work}/tree`, "/up");
  expect(await listing(`${root}/up`)).toBe(await listing(`${work}/tree`));
  expect(await digests(`${root}/up`)).toBe(await digests(`${work}/tree`));
  expect(await blocksOf(`${root}/up/holes`)).toBeLessThan(1024 * 1024);
  await down("/up", `${work}/down`, { archive: true });
  expect(await listing(`${work}/down`, { owners: true })).toBe(
    await listing(`${work}/tree`, { owners: true }),
  );
  expect(await digests(`${work}/down`)).toBe(await digests(`${work}/tree`));
  expect(await blocksOf(`${work}/down/holes`)).toBeLessThan(1024 * 1024);
  expect([...leftovers(work), ...leftovers(root), ...notes]).toEqual([]);
});

test("without -a what is downloaded has no set-uid bits, and is the user's", async () => {
  mkdirSync(`${root}/bits`);
  writeFileSync(`${root}/bits/su`, "x");
  chmodSync(`${root}/bits/su`, 0o6755);
  await down("/bits", `${work}/bits`);
  expect(statSync(`${work}/bits/su`).mode & 0o7777).toBe(0o755);
  await down("/bits", `${work}/kept`, { archive: true });
  expect(statSync(`${work}/kept/su`).mode & 0o7777).toBe(0o6755);
});

test("owners in the machine: root's, those of -a, or those that are asked for", async () => {
  mkdirSync(`${work}/owned`);
  writeFileSync(`${work}/owned/file`, "x");
  Bun.spawnSync(["chown", "-R", "12:34", `${work}/owned`]);
  const owner = (path: string) => [statSync(path).uid, statSync(path).gid];
  await up(`${work}/owned`, "/o1");
  expect(owner(`${root}/o1/file`)).toEqual([0, 0]);
  await up(`${work}/owned`, "/o2", { archive: true });
  expect([owner(`${root}/o2`), owner(`${root}/o2/file`)]).toEqual([
    [12, 34],
    [12, 34],
  ]);
  await up(`${work}/owned/file`, "/o3", { overrides: { uid: 5, gid: 6, mode: 0o640 } });
  expect([...owner(`${root}/o3`), statSync(`${root}/o3`).mode & 0o7777]).toEqual([5, 6, 0o640]);
});

describe("what DST means", () => {
  const has = (path: string) => readFileSync(path, "utf8");

  test("in the machine", async () => {
    mkdirSync(`${work}/s/dir`, { recursive: true });
    writeFileSync(`${work}/s/file`, "new");
    writeFileSync(`${work}/s/dir/in`, "in");
    mkdirSync(`${root}/d/there`, { recursive: true });
    writeFileSync(`${root}/d/old`, "old");
    await up(`${work}/s/file`, "/d/name");
    expect(has(`${root}/d/name`)).toBe("new");
    await up(`${work}/s/file`, "/d/there");
    expect(has(`${root}/d/there/file`)).toBe("new");
    await up(`${work}/s/file`, "/d/old");
    expect(has(`${root}/d/old`)).toBe("new");
    expect(await codeOf(up(`${work}/s/file`, "/d/none/"))).toBe("copy.no_target");
    expect(await codeOf(up(`${work}/s/file`, "/no/where"))).toBe("copy.not_found");
    expect(await codeOf(up(`${work}/s/file`, "/d/old/"))).toBe("copy.guest_file");
    await up(`${work}/s/dir`, "/d/made/");
    expect(has(`${root}/d/made/in`)).toBe("in");
    await up(`${work}/s/dir`, "/d/there");
    expect(has(`${root}/d/there/dir/in`)).toBe("in");
    await up(`${work}/s/dir/.`, "/d");
    expect(has(`${root}/d/in`)).toBe("in");
    expect(await codeOf(up(`${work}/s/dir`, "/d/old"))).toBe("copy.in_the_way");
    expect(await codeOf(up(`${work}/s/none`, "/d"))).toBe("copy.host_file");
  });

  test("on the host", async () => {
    mkdirSync(`${root}/g/dir`, { recursive: true });
    writeFileSync(`${root}/g/file`, "new");
    writeFileSync(`${root}/g/dir/in`, "in");
    mkdirSync(`${work}/h/there`, { recursive: true });
    writeFileSync(`${work}/h/old`, "old");
    await down("/g/file", `${work}/h/name`);
    expect(has(`${work}/h/name`)).toBe("new");
    await down("/g/file", `${work}/h/there/`);
    expect(has(`${work}/h/there/file`)).toBe("new");
    await down("/g/file", `${work}/h/old`);
    expect(has(`${work}/h/old`)).toBe("new");
    expect(await codeOf(down("/g/file", `${work}/h/none/`))).toBe("copy.no_target");
    expect(await codeOf(down("/g/file", `${work}/no/where`))).toBe("copy.host_file");
    await down("/g/dir", `${work}/h/made/`);
    expect(has(`${work}/h/made/in`)).toBe("in");
    await down("/g/dir", `${work}/h/there`);
    expect(has(`${work}/h/there/dir/in`)).toBe("in");
    await down("/g/dir/.", `${work}/h`);
    expect(has(`${work}/h/in`)).toBe("in");
    expect(await codeOf(down("/g/dir", `${work}/h/old`))).toBe("copy.in_the_way");
    expect(await codeOf(down("/g/none", `${work}/h`))).toBe("copy.not_found");
    expect(await codeOf(down("/g/dir", "/dev/null"))).toBe("copy.in_the_way");
    expect(await codeOf(down("/g/file", "/dev/null"))).toBe("copy.in_the_way");
  });

  test("links: copied as links, followed with -L, and as targets", async () => {
    mkdirSync(`${work}/l/real`, { recursive: true });
    writeFileSync(`${work}/l/real/file`, "x");
    symlinkSync("real", `${work}/l/dir`);
    symlinkSync("real/file", `${work}/l/link`);
    mkdirSync(`${root}/l`);
    await up(`${work}/l/link`, "/l");
    expect(lstatSync(`${root}/l/link`).isSymbolicLink()).toBe(true);
    await up(`${work}/l/dir`, "/l");
    expect(lstatSync(`${root}/l/dir`).isSymbolicLink()).toBe(true);
    await up(`${work}/l/link`, "/l/followed", { follow: true });
    expect(lstatSync(`${root}/l/followed`).isFile()).toBe(true);
    await up(`${work}/l/dir`, "/l/tree", { follow: true });
    expect(has(`${root}/l/tree/file`)).toBe("x");
    // The machine's links lead where they lead in the machine.
    symlinkSync("/l/tree", `${root}/l/absolute`);
    await up(`${work}/l/real/file`, "/l/absolute/two");
    expect(has(`${root}/l/tree/two`)).toBe("x");
    await up(`${work}/l/real/file`, "/l/absolute");
    symlinkSync("/l/followed", `${root}/l/to-file`);
    writeFileSync(`${work}/l/real/file`, "y");
    await up(`${work}/l/real/file`, "/l/to-file");
    expect([has(`${root}/l/followed`), lstatSync(`${root}/l/to-file`).isSymbolicLink()]).toEqual(["y", true]);
    await down("/l/to-file", `${work}/l/as-link`);
    expect(lstatSync(`${work}/l/as-link`).isSymbolicLink()).toBe(true);
    await down("/l/to-file", `${work}/l/as-file`, { follow: true });
    expect(has(`${work}/l/as-file`)).toBe("y");
  });
});

test("a merge keeps what is there, and replaces files whole", async () => {
  mkdirSync(`${work}/m/sub`, { recursive: true });
  writeFileSync(`${work}/m/sub/a`, "new");
  mkdirSync(`${root}/m/m/sub`, { recursive: true });
  chmodSync(`${root}/m/m/sub`, 0o711);
  writeFileSync(`${root}/m/m/sub/a`, "old");
  writeFileSync(`${root}/m/m/sub/b`, "kept");
  await up(`${work}/m`, "/m");
  expect(readFileSync(`${root}/m/m/sub/a`, "utf8")).toBe("new");
  expect(readFileSync(`${root}/m/m/sub/b`, "utf8")).toBe("kept");
  expect(statSync(`${root}/m/m/sub`).mode & 0o777).toBe(0o711);
  // Back again, onto itself: the same names, hard links and all.
  await up(`${work}/tree/.`, "/m");
  await up(`${work}/tree/.`, "/m");
  expect(await digests(`${root}/m/deep`)).toBe(await digests(`${work}/tree/deep`));
  await down("/m/.", `${work}/m`);
  await down("/m/.", `${work}/m`);
  expect(await digests(`${work}/m/deep`)).toBe(await digests(`${work}/tree/deep`));
  expect([...leftovers(`${work}/m`), ...leftovers(`${root}/m`), ...leftovers(`${root}/m/deep/er`)]).toEqual(
    [],
  );
});

describe("tar", () => {
  test("what comes out is what GNU tar reads", async () => {
    if (!existsSync(`${root}/up`)) await up(`${work}/tree`, "/up");
    const parts: Buffer[] = [];
    await down("/up", async (bytes) => void parts.push(Buffer.from(bytes)));
    mkdirSync(`${work}/untarred`);
    await tar(["-xp", "-C", `${work}/untarred`], Buffer.concat(parts));
    expect(await listing(`${work}/untarred/up`)).toBe(await listing(`${work}/tree`));
    expect(await digests(`${work}/untarred/up`)).toBe(await digests(`${work}/tree`));
  });

  test.each(["--format=pax", "--format=gnu", "--sparse --format=gnu", "--sparse --format=pax"])(
    "what GNU tar writes goes in: %s",
    async (format) => {
      const name = `/tar${format.replace(/[^a-z]/g, "")}`;
      mkdirSync(root + name);
      const archive = await tar([...format.split(" "), "-c", "-C", work, "tree"]);
      await up(once(archive, 70_001), name);
      expect(await digests(`${root}${name}/tree`)).toBe(await digests(`${work}/tree`));
      if (format.includes("pax"))
        expect(await listing(`${root}${name}/tree`)).toBe(await listing(`${work}/tree`));
    },
  );

  test("what is no archive, or leads out of it, is refused", async () => {
    mkdirSync(`${root}/bad`);
    const refused = async (bytes: Uint8Array) =>
      expect(await codeOf(up(once(bytes), "/bad"))).toBe("copy.bad_archive");
    await refused(Buffer.alloc(2000, "no archive"));
    await refused((await tar(["-c", "-C", work, "tree"])).subarray(0, 5000));
    await refused(await tar(["-cP", "-C", `${work}/s`, "--transform=s,^,../,", "file"]));
    expect(await codeOf(up(once(Buffer.alloc(10240)), "/absent"))).toBe("copy.no_target");
    expect(leftovers(`${root}/bad`)).toEqual([]);
  });
});

test("what is not copied is said", async () => {
  mkdirSync(`${root}/special`);
  Bun.spawnSync(["mkfifo", `${root}/special/fifo`]);
  await down("/special", `${work}/special`);
  expect(notes).toEqual(["not copied: fifo (only files, directories and links are copied)"]);
  expect(readdirSync(`${work}/special`)).toEqual([]);
  expect(await codeOf(down("/special/fifo", `${work}/fifo`))).toBe("copy.guest_file");
  expect(await codeOf(up("/dev/null", "/"))).toBe("copy.host_file");
});

test("a copy of the whole root leaves out the kernel's files", async () => {
  await down("/", `${work}/root`);
  expect(readdirSync(`${work}/root/proc`)).toEqual([]);
  expect(existsSync(`${work}/root/bin/busybox`)).toBe(true);
  await down("/proc/uptime", `${work}/uptime`);
  expect(readFileSync(`${work}/uptime`, "utf8")).toMatch(/^[0-9.]+ [0-9.]+\n$/);
});

test("a copy that is given up leaves nothing, on either side", async () => {
  mkdirSync(`${work}/many`);
  for (let index = 0; index < 300; index++)
    writeFileSync(`${work}/many/${index}`, Buffer.alloc(100_000, "x"));
  for (const after of [1, 50_000, 5_000_000, 20_000_000]) {
    expect(await givenUp(after, (options) => up(`${work}/many`, "/given-up", options))).toBe("enough");
    expect([existsSync(`${root}/given-up`), ...leftovers(root)]).toEqual([false]);
  }
  await up(`${work}/many`, "/whole");
  for (const after of [1, 50_000, 5_000_000, 20_000_000]) {
    expect(await givenUp(after, (options) => down("/whole", `${work}/given-up`, options))).toBe("enough");
    expect([existsSync(`${work}/given-up`), ...leftovers(work)]).toEqual([false]);
  }
});

/** Gives a copy up after some bytes: how it ended. */
async function givenUp(after: number, copy: (options: Up & Down) => Promise<unknown>): Promise<string> {
  const abort = new AbortController();
  let bytes = 0;
  const progress = {
    files: 0,
    get bytes() {
      return bytes;
    },
    set bytes(value: number) {
      bytes = value;
      if (value > after) abort.abort(new Error("enough"));
    },
  };
  return await copy({ progress, signal: abort.signal }).then(
    () => "done",
    (error) => error.message,
  );
}

test("a link in the place of a directory is not followed, on either side", async () => {
  mkdirSync(`${root}/race`);
  mkdirSync(`${root}/elsewhere`);
  symlinkSync("/elsewhere", `${root}/race/many`);
  expect(await codeOf(up(`${work}/many`, "/race"))).toBe("copy.guest_file");
  expect(readdirSync(`${root}/elsewhere`)).toEqual([]);
  mkdirSync(`${work}/race`);
  mkdirSync(`${work}/elsewhere`);
  symlinkSync(`${work}/elsewhere`, `${work}/race/many`);
  await up(`${work}/many`, "/many");
  expect(await codeOf(down("/many", `${work}/race`))).toBe("copy.in_the_way");
  expect(readdirSync(`${work}/elsewhere`)).toEqual([]);
});
