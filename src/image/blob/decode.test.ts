import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { SmolError } from "../../errors.ts";
import { isDigest } from "../../registry/index.ts";
import { chunksOf } from "../image.fixture.ts";
import { type BlobExpectations, type Compression, DecoderThreads, decodeBlob } from "./index.ts";

/** Bytes that are the same in every run, and can be compressed to about a half. */
function bytesOf(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  // xorshift32
  let state = seed + 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state & 0x0f;
  }
  return bytes;
}

const pack: Record<Compression, (bytes: Buffer) => Buffer> = {
  none: (bytes) => bytes,
  gzip: (bytes) => gzipSync(bytes, { level: 1 }),
  zstd: (bytes) => zstdCompressSync(bytes),
};

const digest = (bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256") =>
  `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;

/** Chunks of a blob in one piece of memory that is used again for each, as sources do. */
async function* sourceOf(blob: Uint8Array, step: number): AsyncGenerator<Uint8Array> {
  const chunk = Buffer.alloc(step);
  for (let at = 0; at < blob.length; at += step) {
    const length = Math.min(step, blob.length - at);
    chunk.set(blob.subarray(at, at + length));
    yield chunk.subarray(0, length);
  }
}

let threads: DecoderThreads;
beforeAll(() => {
  threads = new DecoderThreads();
});
afterAll(() => threads[Symbol.dispose]());

/** Large enough to be decoded elsewhere, in several pieces. */
const archive = bytesOf(1, 3_000_000);
const blob = pack.gzip(archive);

for (const place of ["here", "in a thread"] as const) {
  const where = () => (place === "here" ? {} : { threads });

  async function decode(source: AsyncIterable<Uint8Array>, expected: BlobExpectations, signal?: AbortSignal) {
    const parts: Buffer[] = [];
    const take = (bytes: Uint8Array) => void parts.push(Buffer.from(bytes));
    const diffId = await decodeBlob(source, expected, take, { ...where(), signal });
    return { diffId, bytes: Buffer.concat(parts) };
  }

  async function refusal(source: Uint8Array, expected: BlobExpectations): Promise<string> {
    try {
      await decode(chunksOf(source), expected);
      return "accepted";
    } catch (error) {
      if (!(error instanceof SmolError)) throw error;
      return error.code;
    }
  }

  describe(`decoding ${place}`, () => {
    test("gives the archive and its digest, whatever the chunks", async () => {
      for (const compression of ["none", "gzip", "zstd"] as const) {
        for (const [length, step] of [
          [0, 1],
          [1, 1],
          [5000, 7],
          [1024 * 1024, 1024 * 1024],
          [3 * 1024 * 1024 + 1, 192 * 1024],
          [20 * 1024 * 1024, 5 * 1024 * 1024 + 3],
        ] as const) {
          const bytes = bytesOf(length, length);
          const packed = pack[compression](bytes);
          const expected = { digest: digest(packed), diffId: digest(bytes) };
          const result = await decode(sourceOf(packed, step), expected);
          expect(result.diffId).toBe(digest(bytes));
          expect(result.bytes.equals(bytes)).toBe(true);
        }
      }
    });

    test("checks sizes and digests", async () => {
      const good = {
        digest: digest(blob),
        size: blob.length,
        diffId: digest(archive),
      };
      const right: BlobExpectations[] = [
        {},
        good,
        { ...good, digest: digest(blob, "sha512") },
        { ...good, diffId: digest(archive, "sha512") },
      ];
      for (const expected of right) {
        const { diffId, bytes } = await decode(chunksOf(blob), expected);
        expect(diffId).toBe(expected.diffId ?? digest(archive));
        expect(bytes.equals(archive)).toBe(true);
      }
      const mismatches = [
        { ...good, digest: digest(archive) },
        { digest: digest(archive), diffId: digest(archive) },
        { ...good, digest: digest(archive, "sha512") },
        { ...good, diffId: digest(archive.subarray(1)) },
        { ...good, size: blob.length - 1 },
        { ...good, size: blob.length + 1 },
      ];
      for (const expected of mismatches) expect(await refusal(blob, expected)).toBe("image.digest_mismatch");
      expect(await refusal(archive, { digest: digest(blob), diffId: digest(archive.subarray(1)) })).toBe(
        "image.digest_mismatch",
      );
      const plain = { digest: digest(archive), size: archive.length, diffId: digest(archive) };
      expect(await refusal(archive, plain)).toBe("accepted");
      expect(await refusal(archive, { ...good, digest: digest(archive), size: archive.length })).toBe(
        "accepted",
      );
      // The archive inside is right, and the blob is not.
      expect(await refusal(blob, { digest: digest(archive), diffId: digest(archive) })).toBe(
        "image.digest_mismatch",
      );
      expect(await refusal(blob.subarray(0, -1), { diffId: digest(archive) })).toBe("image.bad_layer");
    });

    test("can be stopped", async () => {
      const stopped = decode(chunksOf(blob), {}, AbortSignal.abort(new Error("stop")));
      await expect(stopped).rejects.toThrow("stop");
    });

    test("fails with what the source throws", async () => {
      const failing = async function* () {
        yield blob.subarray(0, 1_200_000);
        throw new SmolError("test.source", "the source fails");
      };
      await expect(decode(failing(), {})).rejects.toThrow("the source fails");
    });

    test("fails with what the taker throws, which is not called again", async () => {
      for (const packed of [archive, blob]) {
        let pieces = 0;
        const take = () => {
          pieces++;
          throw new SmolError("test.taker", "the taker fails");
        };
        await expect(decodeBlob(sourceOf(packed, 70_000), {}, take, where())).rejects.toThrow(
          "the taker fails",
        );
        expect(pieces).toBeLessThanOrEqual(1);
      }
    });

    test("stops at once, however much may still come out of what is there", async () => {
      // 100 MB, in 100 KB.
      const bomb = pack.gzip(Buffer.alloc(100_000_000));
      const stop = new AbortController();
      let pieces = 0;
      const take = () => {
        pieces++;
        stop.abort(new Error("stop"));
      };
      const decoding = decodeBlob(chunksOf(bomb, bomb), {}, take, { ...where(), signal: stop.signal });
      await expect(decoding).rejects.toThrow("stop");
      expect(pieces).toBe(1);
    });

    test("of many blobs at once, some given up, does not mix them", async () => {
      const kinds = ["gzip", "zstd", "none"] as const;
      const running = Array.from({ length: 24 }, async (_, index) => {
        const bytes = bytesOf(index, 700_000 + index * 100_003);
        const compression = kinds[index % kinds.length] ?? "none";
        const packed = pack[compression](bytes);
        if (index % 5 === 4) {
          const broken = refusal(packed.subarray(0, packed.length / 2), {
            digest: digest(packed),
          });
          expect(await broken).toStartWith("image.");
          return;
        }
        const result = await decode(sourceOf(packed, 50_000 + index), { diffId: digest(bytes) });
        expect(result.bytes.equals(bytes)).toBe(true);
      });
      await Promise.all(running);
    });
  });
}

describe("threads", () => {
  test("hear of a failure with the next bytes, not with the next full buffer", async () => {
    using mine = new DecoderThreads();
    const failed = Promise.withResolvers<void>();
    const stream = mine.begin({}, () => {
      queueMicrotask(failed.resolve);
      throw new SmolError("test.taker", "the taker fails");
    });
    await stream.write(blob.subarray(0, 900_000));
    await failed.promise;
    await expect(stream.write(Buffer.from("x"))).rejects.toThrow("the taker fails");
    stream.close();
    // Others go on, in its thread and in others.
    const taken: Buffer[] = [];
    await decodeBlob(chunksOf(blob), {}, (bytes) => void taken.push(Buffer.from(bytes)), { threads: mine });
    expect(Buffer.concat(taken).equals(archive)).toBe(true);
  });

  test("that end take nobody with them", async () => {
    using mine = new DecoderThreads();
    const started = Promise.withResolvers<void>();
    const source = async function* () {
      yield blob.subarray(0, 1_200_000);
      await started.promise;
      mine[Symbol.dispose]();
      yield blob.subarray(1_200_000);
    };
    const decoding = decodeBlob(source(), {}, () => started.resolve(), { threads: mine });
    await expect(decoding).rejects.toThrow("a thread that decodes layers failed");
  });

  test("leave the program to its end when they are ended", async () => {
    const script = `
      import { DecoderThreads, decodeBlob } from ${JSON.stringify(`${import.meta.dir}/index.ts`)};
      using threads = new DecoderThreads();
      const source = async function* () { yield Bun.gzipSync(Buffer.from("abc")); };
      console.log(await decodeBlob(source(), {}, () => {}, { threads }));`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    expect(await new Response(child.stdout).text()).toBe(`${digest(Buffer.from("abc"))}\n`);
    expect(await child.exited).toBe(0);
  });
});

test("only well-formed digests are digests (CVE-2024-3727)", () => {
  const hex = "0123456789abcdef".repeat(4);
  expect(isDigest(`sha256:${hex}`)).toBe(true);
  expect(isDigest(`sha512:${hex}${hex}`)).toBe(true);
  for (const text of [
    `sha256:${hex.toUpperCase()}`,
    `sha256:${hex}0`,
    `sha256:${hex}\n`,
    `sha512:${hex}`,
    `md5:${hex}`,
    "sha256:../../../etc/passwd",
    hex,
    "",
  ]) {
    expect(isDigest(text)).toBe(false);
  }
});
