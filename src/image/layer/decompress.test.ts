import { describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { chunksOf } from "../testing.ts";
import { type Compression, decompress, detectCompression } from "./index.ts";

const data = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at) & 0xff));
const gzip = gzipSync(data);
const zstd = zstdCompressSync(data);
const skippable = Buffer.from("502a4d180400000001020304", "hex");

async function run(chunks: readonly Uint8Array[], expected?: Compression): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of decompress(chunksOf(...chunks), expected)) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

async function refusal(...chunks: readonly Uint8Array[]): Promise<string> {
  try {
    await run(chunks);
    return "accepted";
  } catch (error) {
    if (!(error instanceof SmolError)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

/** A zstd frame that holds nothing, but asks for a window or a dictionary. */
const frame = (header: string) => Buffer.from(`28b52ffd${header}010000`, "hex");

describe("streams", () => {
  test("plain, gzip and zstd, also in several members or frames", async () => {
    expect((await run([data])).equals(data)).toBe(true);
    expect((await run([gzip])).equals(data)).toBe(true);
    expect((await run([zstd])).equals(data)).toBe(true);
    const twice = Buffer.concat([data, data]);
    expect((await run([Buffer.concat([gzip, gzip])])).equals(twice)).toBe(true);
    expect((await run([gzip, gzip])).equals(twice)).toBe(true);
    expect((await run([Buffer.concat([skippable, zstd, skippable, zstd])])).equals(twice)).toBe(true);
    expect(await run([])).toHaveLength(0);
  });

  test("cut into single bytes", async () => {
    const small = Buffer.from("small");
    for (const whole of [small, gzipSync(small), zstdCompressSync(small)]) {
      expect(await run([...whole].map((byte) => Uint8Array.of(byte)))).toEqual(small);
    }
    expect(await run([Buffer.from("ab")])).toEqual(Buffer.from("ab"));
  });

  test("the media type must be right", async () => {
    for (const [bytes, real] of [
      [data, "none"],
      [gzip, "gzip"],
      [zstd, "zstd"],
    ] as const) {
      expect(detectCompression(bytes)).toBe(real);
      for (const said of ["none", "gzip", "zstd"] as const) {
        const result = run([bytes], said);
        if (said === real) expect(await result).toHaveLength(data.length);
        else expect(result).rejects.toThrow(`said to be compressed with ${said} but is ${real}`);
      }
    }
  });
});

describe("damage", () => {
  test("streams that end early", async () => {
    for (const whole of [gzip, zstd]) {
      for (const cut of [1, 3, 4, 5, 9, 100])
        expect(await refusal(whole.subarray(0, -cut))).toContain("image.bad_layer");
      expect(await refusal(whole, whole.subarray(0, 9))).toContain("image.bad_layer");
    }
  });

  test("something behind the end", async () => {
    expect(await refusal(gzip, Buffer.from("garbage"))).toContain("image.bad_layer");
    expect(await refusal(Buffer.concat([zstd, Buffer.from("garbage")]))).toContain("something else between");
  });

  test("wrong checksums", async () => {
    const damaged = Buffer.from(gzip);
    damaged[damaged.length - 6] = (damaged[damaged.length - 6] ?? 0) ^ 1;
    expect(await refusal(damaged)).toContain("image.bad_layer");
  });

  test("windows that are too large, and dictionaries", async () => {
    expect(await refusal(frame("0088"))).toBe("accepted");
    expect(await refusal(frame("0090"))).toContain("image.limit");
    expect(await refusal(frame("00ff"))).toContain("image.limit");
    expect(await refusal(frame("e00000000001000000"))).toContain("image.limit");
    expect(await refusal(frame("a000000010"))).toContain("image.limit");
    expect(await refusal(frame("010007"))).toContain("dictionary");
    expect(await refusal(frame("0800"))).toContain("reserved bit");
    expect(await refusal(Buffer.from("28b52ffd0000070000", "hex"))).toContain("reserved type");
  });

  test("any change gives the same data, or a SmolError, and never hangs", async () => {
    const small = data.subarray(0, 3000);
    const packed = [gzipSync(small), zstdCompressSync(small)];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...packed),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (whole, at, flip) => {
          const changed = Buffer.from(whole);
          changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ flip;
          // Anything but a SmolError is thrown on by `refusal`.
          await refusal(changed.subarray(0, 50), changed.subarray(50));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("bombs", () => {
  test("more than 2000:1 is refused once it matters", async () => {
    // A run-length block of 128 KiB takes 4 bytes: 32768:1.
    const block = Buffer.from("02001000".padEnd(8, "0"), "hex");
    const bomb = Buffer.concat([
      Buffer.from("28b52ffd0058", "hex"),
      ...Array.from({ length: 4096 }, () => block),
    ]);
    expect(await refusal(bomb)).toContain("grows more than 2000 times");
  });

  test("nothing is left running when the reader gives up", async () => {
    const endless = async function* () {
      for (;;) yield gzip;
    };
    let bytes = 0;
    for await (const chunk of decompress(endless())) {
      bytes += chunk.length;
      if (bytes > 5_000_000) break;
    }
    expect(bytes).toBeGreaterThan(5_000_000);
  });

  test("errors of the source come through", async () => {
    for (const whole of [data, gzip, zstd]) {
      const failing = async function* () {
        yield whole.subarray(0, 1000);
        throw new SmolError("test.source", "the source fails");
      };
      const read = async () => {
        for await (const _ of decompress(failing()));
      };
      expect(read()).rejects.toThrow("the source fails");
    }
  });
});
