import { describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { Decompressor } from "./decompress.ts";
import { detectCompression, reusing } from "./index.ts";
import { PIECE } from "./output.ts";

const data = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at) & 0xff));
const gzip = gzipSync(data);
const zstd = zstdCompressSync(data);
const skippable = Buffer.from("502a4d180400000001020304", "hex");

function run(chunks: readonly Uint8Array[]): Buffer {
  const parts: Uint8Array[] = [];
  const decompressor = new Decompressor(reusing((bytes) => parts.push(Buffer.from(bytes))));
  try {
    for (const chunk of chunks) decompressor.write(chunk);
    decompressor.finish();
    return Buffer.concat(parts);
  } finally {
    decompressor.close();
  }
}

function refusal(...chunks: readonly Uint8Array[]): string {
  try {
    run(chunks);
    return "accepted";
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

/** A zstd frame that holds nothing, but asks for a window or a dictionary. */
const frame = (header: string) => Buffer.from(`28b52ffd${header}010000`, "hex");

describe("streams", () => {
  test("plain, gzip and zstd, also in several members or frames", () => {
    expect(run([data]).equals(data)).toBe(true);
    expect(run([gzip]).equals(data)).toBe(true);
    expect(run([zstd]).equals(data)).toBe(true);
    const twice = Buffer.concat([data, data]);
    expect(run([Buffer.concat([gzip, gzip])]).equals(twice)).toBe(true);
    expect(run([gzip, gzip]).equals(twice)).toBe(true);
    expect(run([Buffer.concat([skippable, zstd, skippable, zstd])]).equals(twice)).toBe(true);
    expect(run([])).toHaveLength(0);
  });

  test("members and frames that end where a piece ends, or are empty", () => {
    const sizes = [0, 1, PIECE - 1, PIECE, PIECE + 1];
    const parts = new Map(sizes.map((size) => [size, Buffer.alloc(size, size % 251)]));
    for (const pack of [gzipSync, zstdCompressSync]) {
      for (const first of parts.values()) {
        for (const second of parts.values()) {
          const whole = Buffer.concat([pack(first), pack(Buffer.alloc(0)), pack(second)]);
          const expected = Buffer.concat([first, second]);
          for (const cut of [0, 10, pack(first).length, whole.length - 1]) {
            expect(run([whole.subarray(0, cut), whole.subarray(cut)]).equals(expected)).toBe(true);
          }
          expect(refusal(whole.subarray(0, -1))).toContain("image.bad_layer");
        }
      }
    }
  });

  test("cut into single bytes", () => {
    const small = Buffer.from("small");
    for (const whole of [small, gzipSync(small), zstdCompressSync(small)]) {
      expect(run([...whole].map((byte) => Uint8Array.of(byte)))).toEqual(small);
    }
    expect(run([Buffer.from("ab")])).toEqual(Buffer.from("ab"));
  });

  test("are told apart by their first bytes", () => {
    expect([data, gzip, zstd].map(detectCompression)).toEqual(["none", "gzip", "zstd"]);
  });

  test("of other formats are refused by their names, wherever they are cut", async () => {
    const { stdout } = Bun.spawnSync(["xz", "-c"], { stdin: data });
    const bzip2 = Bun.spawnSync(["bzip2", "-c"], { stdin: data }).stdout;
    const nothing = Bun.spawnSync(["bzip2", "-c"], { stdin: Buffer.alloc(0) }).stdout;
    for (const [packed, name] of [
      [stdout, "xz"],
      [bzip2, "bzip2"],
      [nothing, "bzip2"],
    ] as const) {
      const expected = `image.unsupported_compression: a layer is compressed with ${name}; what can be read is plain, gzip and zstd`;
      for (const cut of [0, 1, 5, 9, 10]) {
        expect(refusal(packed.subarray(0, cut), packed.subarray(cut))).toBe(expected);
      }
    }
    // Names of files, as they stand at the start of a tar.
    for (const name of ["BZh9", "BZh91AY", "LZIP", "\xfd7zXZ"]) {
      expect(refusal(Buffer.from(name.padEnd(600, "\0"), "latin1"))).toBe("accepted");
    }
  });
});

describe("damage", () => {
  test("streams that end early", () => {
    for (const whole of [gzip, zstd]) {
      for (const cut of [1, 3, 4, 5, 9, 100])
        expect(refusal(whole.subarray(0, -cut))).toContain("image.bad_layer");
      expect(refusal(whole, whole.subarray(0, 9))).toContain("image.bad_layer");
    }
  });

  test("something behind the end", () => {
    expect(refusal(gzip, Buffer.from("garbage"))).toContain("image.bad_layer");
    expect(refusal(Buffer.concat([gzip, Buffer.from("garbage")]))).toContain("image.bad_layer");
    expect(refusal(Buffer.concat([zstd, Buffer.from("garbage")]))).toContain("something else between");
    // Zeros, as tapes have them, are nothing; but nothing may be hidden behind them.
    const zeros = Buffer.alloc(1000);
    for (const chunks of [[gzip, zeros], [Buffer.concat([gzip, zeros])], [gzip, zeros, zeros]]) {
      expect(run(chunks).equals(data)).toBe(true);
      expect(refusal(...chunks, gzip)).toContain("something behind its end");
      expect(refusal(Buffer.concat([...chunks, gzip]))).toContain("something behind its end");
    }
  });

  test("wrong checksums", () => {
    const damaged = Buffer.from(gzip);
    damaged[damaged.length - 6] = (damaged[damaged.length - 6] ?? 0) ^ 1;
    expect(refusal(damaged)).toContain("image.bad_layer");
  });

  test("windows that are too large, and dictionaries", () => {
    expect(refusal(frame("0088"))).toBe("accepted");
    expect(refusal(frame("0090"))).toContain("image.limit");
    expect(refusal(frame("00ff"))).toContain("image.limit");
    expect(refusal(frame("e00000000001000000"))).toContain("image.limit");
    expect(refusal(frame("a000000010"))).toContain("image.limit");
    expect(refusal(frame("010007"))).toContain("dictionary");
    expect(refusal(frame("0800"))).toContain("reserved bit");
    expect(refusal(Buffer.from("28b52ffd0000070000", "hex"))).toContain("reserved type");
  });

  test("any change gives the same data, or a SmolError, and never hangs", () => {
    const small = data.subarray(0, 3000);
    const packed = [gzipSync(small), zstdCompressSync(small)];
    fc.assert(
      fc.property(
        fc.constantFrom(...packed),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (whole, at, flip) => {
          const changed = Buffer.from(whole);
          changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ flip;
          // Anything but a SmolError is thrown on by `refusal`.
          refusal(changed.subarray(0, 50), changed.subarray(50));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("bombs", () => {
  test("more than 2000:1 is refused once it matters", () => {
    // A run-length block of 128 KiB takes 4 bytes: 32768:1.
    const block = Buffer.from("02001000".padEnd(8, "0"), "hex");
    const bomb = Buffer.concat([
      Buffer.from("28b52ffd0058", "hex"),
      ...Array.from({ length: 4096 }, () => block),
    ]);
    expect(refusal(bomb)).toContain("grows more than 2000 times");
  });

  test("what the output throws comes through, and ends the work", () => {
    for (const whole of [data, gzip, zstd]) {
      let pieces = 0;
      const failing = reusing(() => {
        pieces++;
        throw new SmolError("test.output", "the output fails");
      });
      const decompressor = new Decompressor(failing);
      expect(() => decompressor.write(whole)).toThrow("the output fails");
      expect(pieces).toBe(1);
      decompressor.close();
    }
  });
});
