import { expect, test } from "bun:test";
import { RecordReader } from "./reader.ts";
import { type Entry, Kind, NO_ATTRIBUTES, RecordWriter } from "./records.ts";
import { TarWriter } from "./tar-writer.ts";

/** What a hostile guest may answer to `cp NAME:PATH -`. */

const made = (kind: Entry["kind"], name: string, more: Partial<Entry> = {}): Entry => ({
  ...{ kind, name, target: "", size: 0, hasMoreNames: false, attributes: NO_ATTRIBUTES },
  ...more,
});
const directory = (name: string) => made(Kind.directory, name);
const more = (name: string, target: string) => made(Kind.link, name, { target });

function oneByte(writer: RecordWriter, name: string, hasMoreNames: boolean): void {
  writer.entry(made(Kind.file, name, { size: 1, hasMoreNames }));
  writer.segment(0, Buffer.from("x"));
  writer.endFile(1);
}

function hole(writer: RecordWriter, name: string, size: number): void {
  writer.entry(made(Kind.file, name, { size }));
  writer.endFile(size);
}

/** An archive of a directory `top`: the code of the error, how long it became, and where it began. */
async function archive(fill: (writer: RecordWriter) => void) {
  const records: Buffer[] = [];
  const writer = new RecordWriter(async (bytes) => {
    records.push(Buffer.from(bytes));
  });
  writer.entry(directory(""));
  fill(writer);
  writer.mark(Kind.up);
  writer.mark(Kind.end);
  await writer.flush();
  let [code, length, text] = ["none", 0, ""];
  const tar = new TarWriter("top", async (bytes) => {
    length += bytes.length;
    if (text.length < 100_000) text += Buffer.from(bytes).toString("latin1");
  });
  try {
    for (const event of new RecordReader().read(Buffer.concat(records))) await tar.take(event);
  } catch (error) {
    code = (error as { code?: string }).code ?? String(error);
  }
  return { code, length, text };
}

test("further names are only those of files that are in the archive", async () => {
  for (const old of ["../../outside/victim", "/etc/passwd", "a/../a", "a/", "nothing", "d/a", "once"]) {
    const { code, text } = await archive((writer) => {
      oneByte(writer, "a", true);
      oneByte(writer, "once", false);
      writer.entry(more("again", old));
    });
    expect(`${old}: ${code}`).toBe(`${old}: copy.malformed`);
    expect(text).not.toContain("top/again");
  }
  const { code, text } = await archive((writer) => {
    writer.entry(directory("d"));
    oneByte(writer, "a", true);
    writer.mark(Kind.up);
    writer.entry(more("again", "d/a"));
  });
  expect(code).toBe("none");
  expect(text).toContain("top/again");
});

test("holes make no archive grow without end", async () => {
  const tera = 1024 ** 4;
  const one = await archive((writer) => hole(writer, "a", 15 * tera));
  expect([one.code, one.length < 10_000]).toEqual(["copy.limit", true]);
  // Each by itself would pass.
  const sum = await archive((writer) => {
    hole(writer, "a", 1024 ** 3);
    hole(writer, "b", 64 * 1024 ** 3);
  });
  expect([sum.code, sum.length < 2 * 1024 ** 3]).toEqual(["copy.limit", true]);
  const few = await archive((writer) => hole(writer, "a", 5_000_000));
  expect([few.code, few.length > 5_000_000]).toEqual(["none", true]);
});
