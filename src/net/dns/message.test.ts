import { describe, expect, test } from "bun:test";
import { generator, seedOfTest } from "../policy/policy.fixture.ts";
import { readAnswer, readQuery } from "./message.ts";
import { readName, writeName } from "./name.ts";
import { fitted, writeAddresses, writeEmpty, writeQuery } from "./write.ts";

describe("names", () => {
  const read = (bytes: readonly number[], at = 0) => readName(Uint8Array.from(bytes), at);

  test("plain, by pointers, and with bytes that no host has", () => {
    expect(read([1, 97, 2, 98, 99, 0])).toEqual({ text: "a.bc", end: 6, plain: true });
    expect(read([0])).toEqual({ text: "", end: 1, plain: true });
    expect(read([1, 97, 0, 1, 98, 0xc0, 0], 3)).toEqual({ text: "b.a", end: 7, plain: false });
    // A dot within a label is not one between two.
    expect(read([3, 97, 0x2e, 98, 0])?.text).toBe("a\\046b");
    expect(read([3, 0, 0x5c, 0xff, 0])?.text).toBe("\\000\\092\\255");
    expect(readName(writeName("www.example.com"), 0)?.text).toBe("www.example.com");
  });

  test("malformed: no end, loops, too long", () => {
    expect(read([1])).toBeUndefined();
    expect(read([1, 97])).toBeUndefined();
    expect(read([0xc0])).toBeUndefined();
    expect(read([0xc0, 0])).toBeUndefined();
    expect(read([1, 97, 0xc0, 0], 0)).toBeUndefined();
    expect(read([0xc0, 2, 0xc0, 0], 2)).toBeUndefined();
    expect(read([0xc0, 2, 0], 0)).toBeUndefined();
    expect(read([0x40, 0])).toBeUndefined();
    expect(read([64, ...Array(64).fill(97), 0])).toBeUndefined();
    const long = (labels: number) => [...Array(labels).fill([1, 97]).flat(), 0];
    expect(read(long(127))?.text).toHaveLength(253);
    expect(read(long(128))).toBeUndefined();
  });
});

describe("queries", () => {
  test("a question, and what is none", () => {
    const bytes = Buffer.from(writeQuery("A.test", 1, 77));
    expect(readQuery(bytes)).toMatchObject({
      id: 77,
      question: { name: "A.test", type: 1, class: 1, end: 24 },
    });
    for (let length = 12; length < bytes.length; length++)
      expect(readQuery(bytes.subarray(0, length))).toEqual({ rcode: 1 });
    expect(readQuery(bytes.subarray(0, 11))).toBeUndefined();
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(bytes);
      copy[at] = value;
      return readQuery(copy);
    };
    expect(changed(2, 0x80)).toBeUndefined();
    expect(changed(2, 0x28)).toEqual({ rcode: 4 });
    expect(changed(5, 2)).toEqual({ rcode: 1 });
    expect(changed(5, 0)).toEqual({ rcode: 1 });
    expect(changed(7, 1)).toEqual({ rcode: 1 });
  });

  test("EDNS: once, with its size", () => {
    const opt = Buffer.from([0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, 0]);
    const bytes = Buffer.from(writeQuery("a.test", 1, 7));
    bytes[11] = 1;
    expect(readQuery(Buffer.concat([bytes, opt]))).toMatchObject({ edns: { size: 4096, dnssec: true } });
    bytes[11] = 2;
    expect(readQuery(Buffer.concat([bytes, opt, opt]))).toEqual({ rcode: 1 });
  });

  test("answers of ours are read as they were meant", () => {
    const bytes = writeQuery("a.test", 28, 7);
    const query = readQuery(bytes);
    if (query === undefined || "rcode" in query) throw new Error("no query");
    const answer = writeAddresses(bytes, query, ["192.0.2.1", "2001:db8::1"], 60);
    expect(readAnswer(answer)).toMatchObject({
      id: 7,
      rcode: 0,
      records: [{ section: "answer", name: "a.test", type: 28, ttl: 60, address: "2001:db8::1" }],
    });
    expect(readAnswer(writeEmpty(bytes, query, 3))).toMatchObject({ rcode: 3, records: [] });
    const many = writeAddresses(bytes, query, Array(50).fill("2001:db8::1"), 60);
    expect(readAnswer(fitted(bytes, query, many))).toMatchObject({ flags: 0x8380, records: [] });
  });
});

test("hostile messages: an answer in bounded time, and never an exception", () => {
  const seed = seedOfTest();
  const random = generator(seed);
  const query = writeQuery("www.example.com", 1, 1);
  const read = readQuery(query);
  if (read === undefined || "rcode" in read) throw new Error("no query");
  const samples = [query, writeAddresses(query, read, ["192.0.2.1", "192.0.2.2"], 60)];
  for (let round = 0; round < 30_000; round++) {
    const bytes = Buffer.from(samples[round % 2] as Uint8Array);
    for (let change = random(5); change >= 0; change--) bytes[random(bytes.length)] = random(256);
    const cut = bytes.subarray(0, random(3) === 0 ? random(bytes.length + 1) : bytes.length);
    try {
      readQuery(cut);
      readAnswer(cut);
    } catch (error) {
      throw new Error(`seed ${seed}, round ${round}: ${cut.toString("hex")}`, { cause: error });
    }
  }
  // Names that point at each other, in as many records as fit.
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
  const header = Buffer.from([0, 0, 0x80, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0]);
  const name = Buffer.concat([...Array(126).fill(Buffer.from([1, 97])), Buffer.from([0, 0, 1, 0, 1])]);
  const before = performance.now();
  readAnswer(Buffer.concat([header, name, ...Array(5400).fill(record)]));
  expect(performance.now() - before).toBeLessThan(1000);
});

/** A query with these records behind its question. */
function queryWith(records: readonly Buffer[]): Buffer {
  const message = Buffer.concat([writeQuery("a", 1, 7), ...records]);
  message.writeUInt16BE(records.length, 10);
  return message;
}

function record(name: Buffer, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(16, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([name, fixed, data]);
}

test("a question has few records, and a name few pointers", () => {
  const root = Buffer.from([0]);
  const many = (count: number) => readQuery(queryWith(Array(count).fill(record(root, Buffer.alloc(0)))));
  expect(many(4)).toMatchObject({ id: 7 });
  expect(many(5)).toEqual({ rcode: 1 });
  // Data that is a chain of pointers, each to the one before, and a name that begins at its end.
  const chained = (pointers: number) => {
    const at = writeQuery("a", 1, 7).length + 11;
    const chain = Buffer.alloc(pointers * 2);
    for (let i = 0; i < pointers; i++) chain.writeUInt16BE(0xc000 | (i === 0 ? 12 : at + 2 * (i - 1)), i * 2);
    const last = Buffer.alloc(2);
    last.writeUInt16BE(0xc000 | (at + 2 * (pointers - 1)));
    return readQuery(queryWith([record(root, chain), record(last, Buffer.alloc(0))]));
  };
  expect(chained(127)).toMatchObject({ id: 7 });
  expect(chained(128)).toEqual({ rcode: 1 });
});
