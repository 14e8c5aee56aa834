import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { seededRandom } from "../../test/support/random.ts";
import { download } from "./index.ts";
import { type RecordEvent, RecordReader } from "./reader.ts";
import { Kind, RECORD_BYTES } from "./records.ts";

/** What a hostile guest may answer to `cp NAME:PATH DIR`. */

setDefaultTimeout(60_000);

interface Sent {
  readonly kind: number;
  readonly flags?: number;
  readonly mode?: number;
  readonly nanoseconds?: number;
  readonly seconds?: bigint;
  readonly size?: bigint;
  readonly name?: string;
  readonly target?: string;
}

/** A record as nothing of ours would write it. */
function record({
  kind,
  flags = 0,
  mode = 0o755,
  nanoseconds = 0,
  seconds = 1n,
  size = 0n,
  name = "",
  target = "",
}: Sent): Buffer {
  const header = Buffer.alloc(RECORD_BYTES);
  header[0] = kind;
  header[1] = flags;
  header.writeUInt16BE(mode, 2);
  header.writeUInt32BE(nanoseconds, 12);
  header.writeBigInt64BE(seconds, 16);
  header.writeBigUInt64BE(size, 24);
  header.writeUInt16BE(name.length, 32);
  header.writeUInt16BE(target.length, 34);
  return Buffer.concat([header, Buffer.from(name + target, "latin1")]);
}

function segment(offset: bigint, bytes: string, length = bytes.length): Buffer {
  const header = Buffer.alloc(12);
  header.writeBigUInt64BE(offset);
  header.writeUInt32BE(length, 8);
  return Buffer.concat([header, Buffer.from(bytes)]);
}

const dir = (name = "", sent: Partial<Sent> = {}) => record({ kind: Kind.directory, name, ...sent });
const file = (name: string, text = "evil", sent: Partial<Sent> = {}) =>
  Buffer.concat([
    record({ kind: Kind.file, name, ...sent }),
    segment(0n, text),
    segment(BigInt(text.length), ""),
  ]);
const link = (name: string, target: string) => record({ kind: Kind.symlink, name, target });
const more = (name: string, target: string) => record({ kind: Kind.link, name, target });
const up = record({ kind: Kind.up });
const end = record({ kind: Kind.end });

let work: string;
beforeAll(() => {
  work = mkdtempSync(`${tmpdir()}/smolvm-hostile-`);
  mkdirSync(`${work}/outside`);
  writeFileSync(`${work}/outside/victim`, "good");
});
afterAll(() => removeAll(work));

/** Also for those who are not root: a guest may send directories that nobody may enter. */
function removeAll(path: string): void {
  Bun.spawnSync(["chmod", "-R", "u+rwx", path]);
  rmSync(path, { recursive: true, force: true });
}

/** Downloads what a guest says, to a directory of its own. Returns the error's code. */
async function receive(parts: readonly Uint8Array[], target: string, path = "/there"): Promise<string> {
  const bytes = Buffer.concat(parts);
  async function* output() {
    yield bytes;
  }
  const guest = { output: output(), write: async () => {}, endInput: () => {}, ended: Promise.resolve() };
  const request = { path, target, archive: true, progress: { files: 0, bytes: 0 }, onNote: () => {} };
  try {
    await download(guest, request);
    return "none";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

let count = 0;
function fresh(): string {
  const path = `${work}/in-${count++}`;
  mkdirSync(path);
  return path;
}

/** Nothing outside was changed, and no part of a copy is left. */
function expectUnharmed(target: string): void {
  expect(readdirSync(`${work}/outside`)).toEqual(["victim"]);
  expect(readFileSync(`${work}/outside/victim`, "utf8")).toBe("good");
  expect(existsSync(`${work}/evil`)).toBe(false);
  expect(readdirSync(target).filter((name) => name.startsWith(".smolvm-cp-"))).toEqual([]);
}

describe("a hostile guest", () => {
  const names = [
    "..",
    ".",
    "",
    "/",
    "a/b",
    "../evil",
    "/etc/evil",
    "a\0b",
    "../outside/victim",
    "n".repeat(256),
  ];
  test.each(names.map((name) => [name]))("the name %j", async (name) => {
    for (const entry of [
      file(name),
      dir(name),
      link(name, "x"),
      Buffer.concat([file("first", "x", { flags: 1 }), more(name, "first")]),
    ]) {
      const target = fresh();
      expect(await receive([dir(), entry, up, up, end], target)).toBe("copy.malformed");
      expectUnharmed(target);
      expect(readdirSync(target)).toEqual([]);
    }
  });

  test("the top has the name that the user gave it", async () => {
    const target = fresh();
    expect(await receive([file("other"), end], target)).toBe("copy.malformed");
    expect(await receive([file(""), end], target)).toBe("none");
    expect(await receive([link("", "../outside/victim"), end], `${target}/link`)).toBe("none");
    expect(readdirSync(target).sort()).toEqual(["link", "there"]);
    // A file over the link that came before replaces the link.
    expect(await receive([dir(), file("link"), up, end], target, "/dir/.")).toBe("none");
    expect(lstatSync(`${target}/link`).isFile()).toBe(true);
    expectUnharmed(target);
  });

  test("a link, and then something through it", async () => {
    for (const evil of [dir("x"), file("x"), more("x", "x/victim")]) {
      const target = fresh();
      const sent = [dir(), link("x", "../../outside"), evil, file("victim"), up, up, end];
      expect(await receive(sent, target)).toBe("copy.malformed");
      expectUnharmed(target);
    }
    // In a directory that the user has, where the guest's link came with the copy before.
    const target = fresh();
    expect(await receive([dir(), link("x", "../outside"), up, end], target, "/dir/.")).toBe("none");
    expect(await receive([dir(), dir("x"), file("victim"), up, up, end], target, "/dir/.")).toBe(
      "copy.in_the_way",
    );
    expect(await receive([dir(), file("x"), up, end], target, "/dir/.")).toBe("none");
    expect(readFileSync(`${target}/x`, "utf8")).toBe("evil");
    expectUnharmed(target);
  });

  test("further names only of files that came with the copy", async () => {
    const target = fresh();
    writeFileSync(`${target}/mine`, "mine");
    symlinkSync(`${work}/outside`, `${target}/out`);
    for (const old of [
      "mine",
      "out/victim",
      "../outside/victim",
      `${work}/outside/victim`,
      "there/../../x",
      "nothing",
      "",
    ]) {
      const sent = [dir(), file("a", "x", { flags: 1 }), more("b", old), up, end];
      expect(await receive(sent, target, "/dir/.")).toBe("copy.malformed");
      expectUnharmed(target);
    }
    const sent = [dir(), dir("d"), file("a", "x", { flags: 1 }), up, more("b", "d/a"), up, end];
    expect(await receive(sent, target)).toBe("none");
    expect(lstatSync(`${target}/there/b`).ino).toBe(lstatSync(`${target}/there/d/a`).ino);
  });

  test("a name twice", async () => {
    for (const twice of [file("a"), dir("a"), link("a", "b")]) {
      const target = fresh();
      expect(await receive([dir(), file("a"), twice, up, up, end], target)).toBe("copy.malformed");
      expect(readdirSync(target)).toEqual([]);
    }
  });

  test("what is out of order, or in no order", async () => {
    const bad: Record<string, Uint8Array[]> = {
      nothing: [end],
      "no end": [dir(), up],
      "an end too early": [dir(), end],
      "an up too many": [dir(), up, up, end],
      "two tops": [file(""), file(""), end],
      "something behind the end": [file(""), end, end],
      "an unknown kind": [dir(), record({ kind: 99 }), up, end],
      "an answer": [record({ kind: Kind.found }), end],
      "a mode": [dir("", { mode: 0o40755 }), up, end],
      nanoseconds: [dir("", { nanoseconds: 1_000_000_000 }), up, end],
      "a target of a file": [record({ kind: Kind.file, target: "x" }), segment(0n, ""), end],
      "no target of a link": [link("", ""), end],
      "segments backwards": [
        record({ kind: Kind.file }),
        segment(5n, "abc"),
        segment(4n, "x"),
        segment(9n, ""),
        end,
      ],
      "an end within": [record({ kind: Kind.file }), segment(5n, "abc"), segment(4n, ""), end],
      "a long segment": [record({ kind: Kind.file }), segment(0n, "abc", 0xffff_ffff), end],
    };
    for (const [what, sent] of Object.entries(bad)) {
      const target = fresh();
      expect(`${what}: ${await receive(sent, target)}`).toBe(`${what}: copy.malformed`);
      // What was complete before that may be there.
      expect(readdirSync(target).filter((name) => name !== "there")).toEqual([]);
    }
  });

  test("what is too much", async () => {
    const huge = 2n ** 63n;
    for (const sent of [
      [file("", "x", { size: huge }), end],
      [record({ kind: Kind.file }), segment(huge, ""), end],
      [record({ kind: Kind.file }), segment(huge, "abc"), end],
      [record({ kind: Kind.file }), segment(2n ** 52n, "abc"), end],
      [dir(), ...Array.from({ length: 600 }, () => dir("d")), end],
    ]) {
      const target = fresh();
      expect(await receive(sent, target)).toBe("copy.limit");
      expect(readdirSync(target)).toEqual([]);
    }
    // A directory deep inside others is removed again, whatever its mode.
    const target = fresh();
    expect(
      await receive(
        [
          ...Array.from({ length: 511 }, (_, at) => dir(at === 0 ? "" : "d", { mode: 0 })),
          record({ kind: 99 }),
        ],
        target,
      ),
    ).toBe("copy.malformed");
    expect(readdirSync(target)).toEqual([]);
  });

  test("times and modes of any kind harm nobody", async () => {
    const target = fresh();
    const sent = [
      dir("", { mode: 0o7777, seconds: -(2n ** 63n) }),
      file("a", "x", { seconds: 2n ** 63n - 1n, mode: 0 }),
      up,
      end,
    ];
    expect(["none", "copy.host_file"]).toContain(await receive(sent, target));
    expectUnharmed(target);
  });

  test("words of a guest are printed without what a terminal obeys", async () => {
    const text = "\u001b]0;evil\u0007 no such file";
    async function* output() {
      yield record({ kind: Kind.failure, size: 13n, target: text });
    }
    const guest = { output: output(), write: async () => {}, endInput: () => {}, ended: Promise.resolve() };
    const request = {
      path: "/x",
      target: work,
      archive: false,
      progress: { files: 0, bytes: 0 },
      onNote: () => {},
    };
    const error = await download(guest, request).catch((error) => error);
    expect(error.message).toBe("in the machine: ?]0;evil? no such file");
  });
});

const whole = [
  dir(),
  file("a", "text", { flags: 1 }),
  dir("d"),
  more("b", "a"),
  link("l", "../a"),
  record({ kind: Kind.file, name: "holes", size: 100n }),
  segment(10n, "middle"),
  segment(100n, ""),
  up,
  record({ kind: Kind.skipped, name: "socket" }),
  file("n".repeat(255), "long"),
  up,
  end,
];

test("a copy that is cut off anywhere fails, and leaves nothing", async () => {
  const bytes = Buffer.concat(whole);
  for (let at = 0; at < bytes.length; at++) {
    const target = fresh();
    expect(`${at}: ${await receive([bytes.subarray(0, at)], target)}`).toBe(`${at}: copy.malformed`);
    // Only when nothing but the end is missing, the tree is complete.
    expect(readdirSync(target)).toEqual(at < bytes.length - end.length ? [] : ["there"]);
    removeAll(target);
  }
  const target = fresh();
  expect(await receive(whole, target)).toBe("none");
  expect(readdirSync(`${target}/there`).length).toBe(3);
});

test("records may be cut anywhere", () => {
  const bytes = Buffer.concat(whole);
  const eventsOf = (size: number) => {
    const reader = new RecordReader();
    const events: string[] = [];
    const tell = (event: RecordEvent) => {
      if (event.kind === "data")
        events.push(...Array.from(event.bytes, (byte, at) => `${event.offset + at}:${byte}`));
      else
        events.push(JSON.stringify(event, (_, value) => (typeof value === "bigint" ? String(value) : value)));
    };
    for (let at = 0; at < bytes.length; at += size)
      for (const event of reader.read(bytes.subarray(at, at + size))) tell(event);
    reader.finish();
    return events;
  };
  const expected = eventsOf(bytes.length);
  for (const size of [1, 2, 3, 7, 35, 36, 37, 100]) expect(eventsOf(size)).toEqual(expected);
});

test("no bytes make a copy write outside of its target, or fail without a code", async () => {
  const random = seededRandom("records of a hostile guest");
  const below = (most: number) => Math.floor(random() * most);
  const any = <T>(values: readonly T[]) => values[below(values.length)] as T;
  const words = ["a", "b", "d", "..", "../../outside/victim", "/", "", "x".repeat(255), "a/b", "there"];
  const makers = [
    () => dir(any(words), { mode: below(0o10000) }),
    () => file(any(words), "x".repeat(below(50)), { flags: below(2), size: BigInt(below(60)) }),
    () => link(any(words), any(["../../outside", "/", "a", ...words])),
    () => more(any(words), any(["a", "d/a", "b", "../../outside/victim", ...words])),
    () => up,
    () => record({ kind: below(13), name: any(words), target: any(words) }),
  ];
  const codes = new Map<string, number>();
  for (let round = 0; round < 3000; round++) {
    const sent = [
      random() < 0.9 ? dir() : Buffer.alloc(0),
      ...Array.from({ length: below(12) }, () => any(makers)()),
    ];
    for (let open = below(4); open > 0; open--) sent.push(up);
    let bytes: Buffer = Buffer.concat([...sent, end]);
    for (let flips = below(3); flips > 0 && random() < 0.5; flips--) bytes[below(bytes.length)] = below(256);
    if (random() < 0.1) bytes = bytes.subarray(0, below(bytes.length));
    const target = fresh();
    const code = await receive([bytes], target, any(["/there", "/there/."]));
    codes.set(code, (codes.get(code) ?? 0) + 1);
    expect(code).toMatch(/^(none|copy\.[a-z_]+)$/);
    expectUnharmed(target);
    removeAll(target);
  }
  // Both kinds of ends were seen.
  expect(codes.get("none") ?? 0).toBeGreaterThan(50);
  expect(codes.get("copy.malformed") ?? 0).toBeGreaterThan(50);
});
