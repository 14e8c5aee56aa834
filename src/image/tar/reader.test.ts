import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { type Member, membersOf, paxOf, tarOf } from "../image.fixture.ts";
import { type TarEntry, TarReader } from "./index.ts";

interface Read {
  readonly entry: TarEntry;
  readonly data: Buffer;
}

/** Reads an archive that comes in chunks of a given size. */
function readAll(archive: Uint8Array, chunk = archive.length): Read[] {
  const found: { entry: TarEntry; data: Buffer }[] = [];
  const reader = new TarReader({
    entry: (entry) => found.push({ entry, data: Buffer.alloc(0) }),
    data(bytes) {
      const last = found.at(-1);
      if (last !== undefined) last.data = Buffer.concat([last.data, bytes]);
    },
    end() {},
  });
  for (let at = 0; at < archive.length; at += chunk) reader.write(archive.subarray(at, at + chunk));
  reader.finish();
  return found;
}

const paths = (archive: Uint8Array) => readAll(archive).map(({ entry }) => entry.path);
const only = (...members: Member[]) => {
  const [first] = readAll(tarOf(...members));
  if (first === undefined) throw new Error("no member");
  return first;
};
const refusal = (archive: Uint8Array) => {
  try {
    readAll(archive);
  } catch (error) {
    if (error instanceof SmolError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "accepted";
};

const long = (type: string, name: string) => ({
  path: "././@LongLink",
  type,
  data: `${name}\0`,
  magic: "ustar  \0",
});

describe("forms", () => {
  test("header fields", () => {
    const { entry } = only({ path: "a/b", mode: 0o104755, uid: 1, gid: 2, mtime: 3, prefix: "p" });
    expect(entry).toEqual({
      path: "p/a/b",
      type: "file",
      size: 0,
      target: "",
      attributes: { permissions: 0o4755, uid: 1, gid: 2, seconds: 3, nanoseconds: 0, xattrs: [] },
      major: 0,
      minor: 0,
      runs: undefined,
    });
  });

  test("types", () => {
    const types = ["0", "\0", "7", "1", "2", "3", "4", "5", "6"].map((type) => only({ type }).entry.type);
    expect(types).toEqual([
      "file",
      "file",
      "file",
      "link",
      "symlink",
      "character",
      "block",
      "directory",
      "fifo",
    ]);
    expect(only({ path: "old/", type: "\0" }).entry.type).toBe("directory");
    expect(refusal(tarOf({ type: "M" }))).toContain('unknown type "M"');
    expect(refusal(tarOf({ type: "\x01" }))).toContain('unknown type "\\x1"');
  });

  test("a GNU archive has no prefix, and long names in members of their own", () => {
    expect(only({ path: "n", prefix: "p", magic: "ustar  \0" }).entry.path).toBe("n");
    const name = "x".repeat(300);
    const { entry } = only(long("L", name), long("K", `${name}y`), {
      type: "2",
      path: "short",
      target: "short",
    });
    expect([entry.path, entry.target]).toEqual([name, `${name}y`]);
  });

  test("PAX records", () => {
    const { entry } = only({
      pax: {
        path: "\xc3\xa4",
        linkpath: "l",
        uid: "4294967294",
        gid: "7",
        mtime: "-1.5",
        "SCHILY.xattr.user.b": "\0\xff",
        "SCHILY.xattr.user.a%3D": "=",
        "SCHILY.xattr.user.empty": "",
      },
      type: "2",
    });
    expect([entry.path, entry.target]).toEqual(["\xc3\xa4", "l"]);
    expect(entry.attributes).toEqual({
      permissions: 0o644,
      uid: 4294967294,
      gid: 7,
      seconds: -2,
      nanoseconds: 500_000_000,
      xattrs: [
        { name: "user.a=", value: Buffer.from("=") },
        { name: "user.b", value: Buffer.from([0, 255]) },
        { name: "user.empty", value: Buffer.alloc(0) },
      ],
    });
  });

  test("global records are for all members, and an empty value takes one away", () => {
    const found = readAll(
      tarOf(
        { path: "g", type: "g", data: paxOf({ mtime: "5.25", uid: "9" }) },
        { path: "a" },
        { path: "b", mtime: 1, uid: 1, pax: { mtime: "", uid: "3" } },
      ),
    );
    expect(found.map(({ entry }) => [entry.attributes.seconds, entry.attributes.uid])).toEqual([
      [5, 9],
      [1, 3],
    ]);
  });

  test("base-256 numbers, and sizes that octal cannot say", () => {
    const { entry } = only({
      type: "5",
      edit: (header) => {
        header.write("80000000ffffffff", 108, "hex");
        header.write("ffffffffffffffffffffffff", 136, "hex");
      },
    });
    expect(entry.attributes.uid).toBe(0xffffffff);
    expect(entry.attributes.seconds).toBe(-1);
    expect(
      refusal(tarOf({ edit: (header) => header.write("80ffffffffffffffffffffff", 124, "hex") })),
    ).toContain('"size" of a header is out of range');
    expect(
      refusal(tarOf({ edit: (header) => header.write("ffffffffffffffffffffff00", 124, "hex") })),
    ).toContain("image.limit");
  });

  test("the checksum may count signed bytes", () => {
    const archive = tarOf({ path: "\xff\xfe" });
    const sum = archive.subarray(0, 512).reduce((total, byte, at) => {
      return total + (at >= 148 && at < 156 ? 32 : byte >= 128 ? byte - 256 : byte);
    }, 0);
    archive.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    expect(paths(archive)).toEqual(["\xff\xfe"]);
    archive[0] = 0x41;
    expect(refusal(archive)).toContain("wrong checksum");
  });
});

describe("sparse files", () => {
  const runs = [
    { offset: 512, length: 3 },
    { offset: 2048, length: 2 },
  ];
  const oldGnu = (extended: boolean) => (header: Buffer) => {
    const numbers = [512, 3, 2048, 2, 4096, 0];
    for (const [index, value] of numbers.entries()) {
      header.write(value.toString(8).padStart(11, "0"), 386 + index * 12, "latin1");
    }
    header[482] = extended ? 1 : 0;
    header.write((4096).toString(8).padStart(11, "0"), 483, "latin1");
  };

  test("old GNU", () => {
    const { entry, data } = only({ type: "S", magic: "ustar  \0", data: "abcde", edit: oldGnu(false) });
    expect([entry.size, entry.runs, data.toString()]).toEqual([4096, runs, "abcde"]);
  });

  test("PAX 0.0, 0.1 and 1.0", () => {
    const zero = only({
      data: "abcde",
      pax: { "GNU.sparse.size": "4096", "GNU.sparse.numblocks": "2", "GNU.sparse.map": "512,3,2048,2" },
    });
    expect([zero.entry.size, zero.entry.runs, zero.data.toString()]).toEqual([4096, runs, "abcde"]);
    const listed = Buffer.from(
      `${paxOf({ "GNU.sparse.size": "4096" })}${paxOf({ "GNU.sparse.offset": "512" })}${paxOf({ "GNU.sparse.numbytes": "3" })}${paxOf({ "GNU.sparse.offset": "2048" })}${paxOf({ "GNU.sparse.numbytes": "2" })}`,
    );
    expect(only({ type: "x", data: listed }, { data: "abcde" }).entry.runs).toEqual(runs);
    const one = only({
      data: `${"2\n512\n3\n2048\n2\n".padEnd(512, "\0")}abcde`,
      pax: {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "real",
        "GNU.sparse.realsize": "4096",
      },
    });
    expect([one.entry.path, one.entry.size, one.entry.runs]).toEqual(["real", 4096, runs]);
    expect(one.data.toString()).toBe("abcde");
  });

  test("maps that lie are refused", () => {
    const zero = (map: string, size = "4096") => {
      return refusal(tarOf({ data: "abcde", pax: { "GNU.sparse.size": size, "GNU.sparse.map": map } }));
    };
    expect(zero("0,5")).toBe("accepted");
    expect(zero("0,4")).toContain("does not match its data");
    expect(zero("10,3,5,2")).toContain("not in order");
    expect(zero("0,5", "4")).toContain("not in order");
    expect(zero("0")).toContain("odd length");
    expect(zero("0,x")).toContain("not a number");
    expect(zero("0,5", "99999999999999999")).toContain("not a number");
    expect(zero("0,5", "9007199254740991")).toContain("image.limit");
    const one = (map: string, size: number) =>
      refusal(
        tarOf({
          data: map.padEnd(size, "\0"),
          pax: { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "10" },
        }),
      );
    expect(one("99999999\n", 512)).toContain("image.limit");
    expect(one("2\n0\n1\n", 512)).toContain("not made of numbers");
    expect(one("\n".repeat(100), 512)).toContain("not a number");
    expect(one("1\n0\n0\n", 100)).toContain("no room for its map");
    const version = { "GNU.sparse.major": "2", "GNU.sparse.minor": "0" };
    expect(refusal(tarOf({ pax: version }))).toContain("sparse format 2.0");
  });
});

/** Archives on which programs disagree (CVE-2025-62518, CVE-2026-53655); the answers are those of GNU tar 1.34. */
describe("ambiguous archives", () => {
  const smuggled = membersOf({ path: "SMUGGLED" });
  const after = { path: "after" };

  test("an extended size wins over the header's", () => {
    expect(paths(tarOf({ path: "m", pax: { size: "512" }, size: 0, data: smuggled }, after))).toEqual([
      "m",
      "after",
    ]);
    const zero = Buffer.concat([
      membersOf({ path: "m", size: 512, pax: { size: "0" } }),
      smuggled,
      tarOf(after),
    ]);
    expect(paths(zero)).toEqual(["m", "SMUGGLED", "after"]);
  });

  test("an extended size is not for the long name between it and its member", () => {
    const size = { type: "x", data: paxOf({ size: "1024" }) };
    const file = { path: "m", data: Buffer.concat([smuggled, smuggled]) };
    expect(paths(tarOf(size, long("L", "longname"), file, after))).toEqual(["longname", "after"]);
    const none = { type: "x", data: paxOf({ size: "0" }) };
    expect(paths(tarOf(none, { ...long("L", ""), data: smuggled }, { path: "m" }, after))).toEqual([
      "SMUGGLED",
      "after",
    ]);
  });

  test("types 1 to 6 have no data, whatever their size says", () => {
    for (const type of ["1", "2", "3", "4", "5", "6"]) {
      const archive = Buffer.concat([membersOf({ path: "m", type, size: 512 }), smuggled, tarOf(after)]);
      expect(paths(archive)).toEqual(["m", "SMUGGLED", "after"]);
    }
    expect(paths(tarOf({ path: "m", type: "D", data: smuggled }, after))).toEqual(["m", "after"]);
    expect(refusal(tarOf({ path: "m/", data: smuggled }, after))).toContain("a directory has data");
  });

  test("the last of several extended headers or long names counts; a PAX path wins over a long name", () => {
    const pax = (path: string) => ({ type: "x", data: paxOf({ path }) });
    expect(paths(tarOf(pax("a"), pax("b"), {}))).toEqual(["b"]);
    expect(paths(tarOf(long("L", "a"), long("L", "b"), {}))).toEqual(["b"]);
    expect(paths(tarOf(pax("a"), long("L", "b"), {}))).toEqual(["a"]);
    expect(paths(tarOf(long("L", "b"), pax("a"), {}))).toEqual(["a"]);
  });

  test("global names and sizes, NUL bytes, and members behind an end mark are refused", () => {
    expect(refusal(tarOf({ type: "g", data: paxOf({ path: "x" }) }, {}))).toContain('sets "path"');
    expect(refusal(tarOf({ type: "g", data: paxOf({ size: "1" }) }, {}))).toContain('sets "size"');
    expect(refusal(tarOf({ pax: { path: "a\0b" } }))).toContain("NUL");
    const many = Object.fromEntries(
      Array.from({ length: 300 }, (_, index) => [`SCHILY.xattr.user.${index}`, "x"]),
    );
    expect(refusal(tarOf({ type: "g", data: paxOf(many) }, {}))).toContain("too many records");
    const lone = Buffer.concat([membersOf({}), Buffer.alloc(512), tarOf(after)]);
    expect(refusal(lone)).toContain("behind an end mark");
    expect(paths(Buffer.concat([tarOf({ path: "a" }), tarOf(after)]))).toEqual(["a"]);
  });

  test("archives may end without an end mark, but not inside a member", () => {
    expect(paths(membersOf({ path: "a", data: "x" }))).toEqual(["a"]);
    expect(refusal(membersOf({ path: "a", data: "x" }).subarray(0, 700))).toContain("ends in the middle");
    expect(refusal(membersOf({ type: "x", data: paxOf({ path: "p" }) }))).toContain("ends in the middle");
  });

  test("extended headers must be as long as they say", () => {
    for (const data of [
      "10 path=ab",
      "8 path=ab\n",
      "99 path=ab\n",
      "x path=ab\n",
      "11 path=ab\n\0",
      "5 =a\n",
    ]) {
      expect(refusal(tarOf({ type: "x", data }, {}))).toContain("image.bad_archive");
    }
    expect(refusal(tarOf({ type: "x", size: 9_000_000 }))).toContain("image.limit");
  });
});

/** Bytes of a header to overwrite before its checksum is computed. */
const edits = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 511 }), fc.integer({ min: 0, max: 255 })), { maxLength: 4 })
  .map((bytes) => (header: Buffer) => {
    for (const [at, byte] of bytes) header[at] = byte;
  });

const member: fc.Arbitrary<Member> = fc.record(
  {
    edit: edits,
    path: fc.string({ unit: fc.constantFrom("a", "b", "/", ".", "\xe4"), minLength: 1, maxLength: 90 }),
    type: fc.constantFrom("0", "5", "2", "1", "6", "L", "x", "g", "S", "V"),
    data: fc.uint8Array({ maxLength: 2000 }),
    pax: fc.dictionary(
      fc.constantFrom("path", "size", "mtime", "GNU.sparse.map", "GNU.sparse.size"),
      fc.string(),
    ),
  },
  { requiredKeys: ["path"] },
);

test("where chunks are cut makes no difference", () => {
  const valid = member.map(
    ({ path, data }): Member => ({ path: `f${path}`.replace(/\/+$/, ""), data: data ?? "" }),
  );
  fc.assert(
    fc.property(fc.array(valid, { maxLength: 5 }), fc.integer({ min: 1, max: 700 }), (members, chunk) => {
      const archive = tarOf(...members);
      expect(readAll(archive, chunk)).toEqual(readAll(archive));
      expect(readAll(archive).map(({ data }) => data.toString("hex"))).toEqual(
        members.map(({ data }) => Buffer.from(data ?? "").toString("hex")),
      );
    }),
    { numRuns: 200 },
  );
});

test("damaged and nonsensical archives never do worse than a SmolError", () => {
  const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  fc.assert(
    fc.property(
      fc.array(member, { maxLength: 4 }),
      fc.array(edit, { maxLength: 8 }),
      fc.option(fc.nat()),
      fc.integer({ min: 1, max: 3000 }),
      (members, edits, cut, chunk) => {
        const archive = tarOf(...members);
        for (const [at, byte] of edits) archive[at % archive.length] = byte;
        const input = cut === null ? archive : archive.subarray(0, cut % archive.length);
        // Anything but a SmolError is thrown on by `refusal`, and fails the property.
        refusal(input);
        try {
          readAll(input, chunk);
        } catch (error) {
          expect(error).toBeInstanceOf(SmolError);
        }
      },
    ),
    { numRuns: 1000 },
  );
});
