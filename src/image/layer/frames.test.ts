import { describe, expect, test } from "bun:test";
import { closeSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { withDirectory } from "../image.fixture.ts";
import type { Attributes } from "../tree/index.ts";
import { DamagedEntries, EntryDecoder } from "./decode.ts";
import { encodeEntry, recordSize } from "./encode.ts";
import type { LayerEntry } from "./entry.ts";
import { EntriesWriter, readEntries } from "./frames.ts";
import { decodeHeader, encodeHeader, type LayerHeader } from "./header.ts";

const DATA_BYTES = 2 ** 40;

const u32 = fc.nat({ max: 0xffffffff });
const text = (max: number) =>
  fc
    .uint8Array({ minLength: 1, maxLength: max })
    .map((bytes) => Buffer.from(bytes.map((byte) => byte || 1)).toString("latin1"));
const attributes: fc.Arbitrary<Attributes> = fc.record({
  permissions: fc.nat({ max: 0o7777 }),
  uid: u32,
  gid: u32,
  seconds: fc.maxSafeInteger(),
  nanoseconds: fc.nat({ max: 999_999_999 }),
  xattrs: fc.array(
    fc.record({ name: text(20).map((name) => `user.${name}`), value: fc.uint8Array({ maxLength: 300 }) }),
    { maxLength: 3 },
  ),
});
const size = fc.nat({ max: 2 ** 39 });
const block = fc.nat({ max: 2 ** 27 });
const ranges = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), { maxLength: 50 })
  .map((pairs) => {
    let end = 0;
    return pairs.map(([gap, count]) => {
      const range = { first: end + gap, count };
      end += gap + count;
      return range;
    });
  });
const path = text(300);
const visibility = fc.constantFrom({}, { hidden: true });
const maybeHidden = <Entry extends LayerEntry>(entries: fc.Arbitrary<Entry>) =>
  fc.tuple(entries, visibility).map(([plain, hidden]): LayerEntry => ({ ...plain, ...hidden }));
const entry: fc.Arbitrary<LayerEntry> = fc.oneof(
  fc.record({ kind: fc.constantFrom("directory", "fifo", "socket"), path, attributes }),
  fc.record({ kind: fc.constant("symlink" as const), path, attributes, target: text(300) }),
  fc.record({
    kind: fc.constantFrom("character", "block"),
    path,
    attributes,
    major: fc.nat({ max: 0xfff }),
    minor: fc.nat({ max: 0xfffff }),
  }),
  maybeHidden(fc.record({ kind: fc.constant("link" as const), path, target: text(300) })),
  fc.record({ kind: fc.constantFrom("whiteout" as const, "opaque" as const), path }),
  maybeHidden(fc.record({ kind: fc.constant("file" as const), path, attributes, size, block })),
  maybeHidden(
    fc.record({
      kind: fc.constant("sparse" as const),
      path,
      attributes,
      size: fc.constant(1_000_000_000),
      block,
      chunkBits: fc.constant(14),
      ranges,
    }),
  ),
  maybeHidden(
    fc.record({
      kind: fc.constant("small" as const),
      path,
      position: fc.nat({ max: 2 ** 27 }).map((number) => number * 4096 + 64),
      bytes: fc.integer({ min: 64, max: 4032 }),
    }),
  ),
);

/** Writes entries to a file; small files get their places at the end, as in a layer. */
async function write(file: string, entries: readonly LayerEntry[]): Promise<LayerHeader> {
  const fd = openSync(file, "w+");
  try {
    const writer = new EntriesWriter(fd);
    const places: (() => void)[] = [];
    for (const one of entries) {
      if (one.kind !== "small") writer.add(one);
      else {
        const ticket = writer.add({ ...one, position: 0, bytes: 0 });
        places.push(() => writer.place(ticket, one.position, one.bytes));
      }
    }
    for (const place of places) place();
    const written = await writer.finish();
    const header = {
      ...written,
      diffId: `sha256:${"ab".repeat(32)}`,
      entries: entries.length,
      bytes: 77,
      dataBytes: DATA_BYTES,
      writtenInBoot: "",
    };
    writeSync(fd, encodeHeader(header), 0, undefined, 0);
    return header;
  } finally {
    closeSync(fd);
  }
}

function read(file: string): LayerEntry[] {
  const fd = openSync(file, "r");
  try {
    return [...readEntries(fd)];
  } finally {
    closeSync(fd);
  }
}

/** The values of attributes come back as Buffers. */
const plain = (entries: readonly LayerEntry[]) =>
  JSON.stringify(entries, (_, value: unknown) =>
    value instanceof Uint8Array ? [...value] : value,
  ).replaceAll(/\{"type":"Buffer","data":(\[[^\]]*\])\}/g, "$1");

describe("entries", () => {
  test("come back as they were written", async () => {
    await withDirectory(async (directory) => {
      await fc.assert(
        fc.asyncProperty(fc.array(entry, { maxLength: 60 }), async (entries) => {
          const file = join(directory, "entries");
          const header = await write(file, entries);
          expect(decodeHeader(readFileSync(file))).toEqual(header);
          expect(plain(read(file))).toBe(plain(entries));
        }),
        { numRuns: 60 },
      );
    });
  });

  test("of many frames", async () => {
    await withDirectory(async (directory) => {
      const file = join(directory, "entries");
      const entries = Array.from({ length: 60_000 }, (_, index): LayerEntry => {
        const name = `directory/${index}-${"x".repeat(index % 200)}`;
        return { kind: "small", path: name, position: index * 4096, bytes: 64 + (index % 4000) };
      });
      expect((await write(file, entries)).frames).toBeGreaterThan(10);
      expect(plain(read(file))).toBe(plain(entries));
    });
  });

  test("a file with any byte changed, or cut anywhere, is refused", async () => {
    await withDirectory(async (directory) => {
      const file = join(directory, "entries");
      const entries = fc.sample(entry, { numRuns: 12, seed: 7 });
      await write(file, entries);
      const good = readFileSync(file);
      const outcome = (bytes: Buffer): string => {
        writeFileSync(file, bytes);
        try {
          return plain(read(file)) === plain(entries) ? "same" : "different";
        } catch (error) {
          if (!(error instanceof DamagedEntries)) throw error;
          return "refused";
        }
      };
      expect(outcome(good)).toBe("same");
      const wrong: string[] = [];
      for (let at = 0; at < good.length; at++) {
        const changed = Buffer.from(good);
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
        // The boot is outside of the checksum: findLayer looks at it.
        const expected = at >= 120 && at < 160 ? "same" : "refused";
        if (outcome(changed) !== expected) wrong.push(`byte ${at}`);
        if (outcome(good.subarray(0, at)) !== "refused") wrong.push(`cut at ${at}`);
      }
      expect(wrong).toEqual([]);
    });
  });
});

describe("records with a right checksum and wrong contents", () => {
  const encode = (one: LayerEntry): Buffer => {
    const bytes = Buffer.alloc(recordSize(one));
    return bytes.subarray(0, encodeEntry(bytes, 0, one));
  };
  const decode = (bytes: Buffer): LayerEntry[] => {
    const decoder = new EntryDecoder(bytes, DATA_BYTES);
    const entries: LayerEntry[] = [];
    while (!decoder.ended) entries.push(decoder.next());
    return entries;
  };

  test("any bytes: an entry that would be written like that, or DamagedEntries", () => {
    const broken = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.tuple(entry, fc.nat(), fc.nat({ max: 255 }), fc.nat()).map(([one, at, value, end]) => {
        const bytes = encode(one);
        bytes[at % bytes.length] = value;
        return bytes.subarray(0, end % 3 === 0 ? end % (bytes.length + 1) : bytes.length);
      }),
    );
    fc.assert(
      fc.property(broken, (bytes) => {
        let entries: LayerEntry[];
        try {
          entries = decode(Buffer.from(bytes));
        } catch (error) {
          if (!(error instanceof DamagedEntries)) throw error;
          return;
        }
        expect(Buffer.concat(entries.map(encode)).equals(bytes)).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test("places beyond the data, across blocks, and numbers that nothing has", () => {
    const wrong: LayerEntry[] = [
      { kind: "small", path: "a", position: DATA_BYTES, bytes: 64 },
      { kind: "small", path: "a", position: 4064, bytes: 64 },
      { kind: "small", path: "a", position: 33, bytes: 64 },
      { kind: "small", path: "a", position: 0, bytes: 63 },
      { kind: "file", path: "a", attributes: none, size: 4097, block: DATA_BYTES / 4096 - 1 },
      { kind: "file", path: "a", attributes: { ...none, permissions: 0o10000 }, size: 0, block: 0 },
      { kind: "file", path: "a", attributes: { ...none, nanoseconds: 1e9 }, size: 0, block: 0 },
      { kind: "fifo", path: "a\0b", attributes: none },
      { kind: "fifo", path: "a".repeat(4097), attributes: none },
      {
        kind: "fifo",
        path: "a",
        attributes: { ...none, xattrs: [{ name: "nothing.x", value: Buffer.alloc(1) }] },
      },
      { kind: "character", path: "a", attributes: none, major: 4096, minor: 0 },
      sparse({ chunkBits: 11 }),
      sparse({ chunkBits: 44 }),
      sparse({ size: 2 ** 45 }),
      sparse({ size: 4096 * 65537 }),
      sparse({ ranges: [{ first: 5, count: 0 }] }),
      sparse({ ranges: [{ first: 25, count: 1 }] }),
      sparse({
        ranges: [
          { first: 3, count: 2 },
          { first: 4, count: 1 },
        ],
      }),
      sparse({ block: DATA_BYTES / 4096, ranges: [{ first: 0, count: 1 }] }),
    ];
    for (const one of wrong) expect(() => decode(encode(one))).toThrow(DamagedEntries);
    expect(decode(encode(sparse({})))).toEqual([sparse({})]);
  });

  const none: Attributes = { permissions: 0, uid: 0, gid: 0, seconds: 0, nanoseconds: 0, xattrs: [] };
  const sparse = (change: object) =>
    ({
      kind: "sparse",
      path: "a",
      attributes: none,
      size: 100_000,
      block: 0,
      chunkBits: 12,
      ranges: [],
      ...change,
    }) as LayerEntry;
});
