import { expect, test } from "bun:test";
import { type TarEntry, TarReader } from "../image/tar/index.ts";
import type { RecordEvent } from "./reader.ts";
import { type Entry, Kind } from "./records.ts";
import { TarWriter } from "./tar-writer.ts";

/** What GNU tar makes of whole trees is in src/machine/client/copy.test.ts; here is what no test can afford to copy. */

const entry = (changes: Partial<Entry>, attributes: Partial<Entry["attributes"]> = {}): RecordEvent => ({
  kind: "entry",
  entry: {
    kind: Kind.file,
    name: "",
    target: "",
    size: 0,
    hasMoreNames: false,
    attributes: { mode: 0o644, uid: 0, gid: 0, seconds: 0n, nanoseconds: 0, ...attributes },
    ...changes,
  },
});

async function headersOf(...events: RecordEvent[]): Promise<TarEntry[]> {
  const parts: Buffer[] = [];
  const writer = new TarWriter("top", async (bytes) => void parts.push(Buffer.from(bytes)));
  for (const event of events) await writer.take(event);
  const found: TarEntry[] = [];
  const reader = new TarReader({ entry: (one) => found.push(one), data: () => {}, end: () => {} });
  reader.write(Buffer.concat(parts));
  return found;
}

test("sizes, owners and times that a header has no room for", async () => {
  const size = 9 * 1024 ** 3;
  const [found] = await headersOf(
    entry({ size }, { uid: 3_000_000_000, gid: 2 ** 21, seconds: 2n ** 34n, nanoseconds: 1 }),
  );
  expect(found).toMatchObject({ path: "top", type: "file", size });
  expect(found?.attributes).toMatchObject({
    uid: 3_000_000_000,
    gid: 2 ** 21,
    seconds: 2 ** 34,
    nanoseconds: 1,
  });
});

test("times before the epoch", async () => {
  const [found] = await headersOf(entry({ size: 1 }, { seconds: -2n, nanoseconds: 500_000_000 }));
  expect(found?.attributes).toMatchObject({ seconds: -2, nanoseconds: 500_000_000 });
});

test("names and targets of any length and of any bytes", async () => {
  const name = "\xff".repeat(255);
  const found = await headersOf(
    entry({ kind: Kind.directory }),
    entry({ kind: Kind.directory, name }),
    entry({ kind: Kind.symlink, name: "l", target: "t".repeat(4000) }),
    entry({ name: "x", hasMoreNames: true }),
    { kind: "size", size: 0 },
    entry({ kind: Kind.link, name: "m", target: `${name}/x` }),
  );
  expect(found.map(({ path }) => path)).toEqual([
    "top/",
    `top/${name}/`,
    `top/${name}/l`,
    `top/${name}/x`,
    `top/${name}/m`,
  ]);
  expect(found.map(({ target }) => target)).toEqual(["", "", "t".repeat(4000), "", `top/${name}/x`]);
});

test("a file that has changed since its header was written has the header's size", async () => {
  const data = (offset: number, text: string): RecordEvent => ({
    kind: "data",
    offset,
    bytes: Buffer.from(text),
  });
  const next = entry({ kind: Kind.symlink, name: "next", target: "x" });
  for (const events of [
    [data(0, "abc")],
    [data(0, "abcdefghijklmnop")],
    [data(2, "c"), data(600, "later")],
    [],
  ]) {
    const found = await headersOf(
      entry({ kind: Kind.directory }),
      entry({ name: "file", size: 10 }),
      ...events,
      { kind: "size", size: 3 },
      next,
    );
    expect(found.map(({ path, size }) => [path, size])).toEqual([
      ["top/", 0],
      ["top/file", 10],
      ["top/next", 0],
    ]);
  }
});
