import type { Writable } from "node:stream";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { ZstdFrames } from "./zstd-frames.ts";

export type Compression = "none" | "gzip" | "zstd";

/** Chunks that the decompressors give out: large ones save calls, and are recycled soon. */
const CHUNK = 512 * 1024;

/**
 * Tells how a stream is compressed by its first bytes (RFC 1952; RFC 8878, which lets a stream begin with skippable
 * frames). Anything else is taken for plain.
 */
export function detectCompression(start: Uint8Array): Compression {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  return "none";
}

/**
 * Decompresses a stream: plain, gzip (any number of members) or zstd (any number of frames), told by its first bytes.
 *
 * @param source chunks that only need to stay valid until the next one is asked for.
 * @param expected what the media type says; undefined when nothing does.
 * @returns chunks with the same promise.
 */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  expected?: Compression,
): AsyncGenerator<Uint8Array, void, undefined> {
  const input = source[Symbol.asyncIterator]();
  try {
    const { start, rest } = await firstBytes(input);
    const compression = detectCompression(start);
    if (expected !== undefined && expected !== compression) {
      throw new SmolError(
        "image.bad_layer",
        `a layer is said to be compressed with ${expected} but is ${compression}`,
      );
    }
    const chunks = join(start, rest, input);
    if (compression === "none") yield* chunks;
    else if (compression === "gzip") yield* inflate(chunks, compression);
    else yield* inflate(checkFrames(chunks), compression);
  } finally {
    await input.return?.();
  }
}

/** Reads until at least 4 bytes are there, or the stream ends. */
async function firstBytes(
  input: AsyncIterator<Uint8Array>,
): Promise<{ start: Uint8Array; rest: Uint8Array }> {
  let start = new Uint8Array(0);
  while (start.length < 4) {
    const next = await input.next();
    if (next.done) break;
    if (start.length === 0 && next.value.length >= 4)
      return { start: next.value, rest: next.value.subarray(0, 0) };
    start = Uint8Array.from([...start, ...next.value.subarray(0, 4)]);
    if (next.value.length > 4) return { start, rest: next.value.subarray(4) };
  }
  return { start, rest: new Uint8Array(0) };
}

async function* join(
  start: Uint8Array,
  rest: Uint8Array,
  input: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (start.length > 0) yield start;
  if (rest.length > 0) yield rest;
  for (let next = await input.next(); !next.done; next = await input.next()) yield next.value;
}

async function* checkFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const frames = new ZstdFrames();
  for await (const chunk of chunks) {
    frames.add(chunk);
    yield chunk;
  }
  frames.finish();
}

async function* inflate(
  chunks: AsyncIterable<Uint8Array>,
  compression: "gzip" | "zstd",
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder =
    compression === "gzip"
      ? createGunzip({ chunkSize: CHUNK })
      : createZstdDecompress({
          chunkSize: CHUNK,
          params: { [constants.ZSTD_d_windowLogMax]: limits.zstdWindowLog },
        });
  let taken = 0;
  let given = 0;
  let failure: unknown;
  const feed = async () => {
    for await (const chunk of chunks) {
      taken += chunk.length;
      if (!(await writeFully(decoder, chunk))) return;
    }
    decoder.end();
  };
  const feeding = feed().catch((error: unknown) => {
    failure = error;
    // Only an error wakes the loop below.
    decoder.destroy(error instanceof Error ? error : new Error(String(error)));
  });
  try {
    for await (const chunk of decoder) {
      const bytes: Uint8Array = chunk;
      given += bytes.length;
      if (given > limits.ratioFloorBytes && given > taken * limits.ratio) throw bomb();
      yield bytes;
    }
  } catch (error) {
    if (failure !== undefined) throw failure;
    if (error instanceof SmolError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new SmolError("image.bad_layer", `a layer cannot be decompressed (${compression}): ${why}`);
  } finally {
    decoder.destroy();
    await feeding;
  }
  if (failure !== undefined) throw failure;
}

/**
 * Writes a chunk and waits until it is used up: only then may the source use its memory again.
 *
 * @returns false when the stream is closed instead.
 */
function writeFully(stream: Writable, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const onClose = () => resolve(false);
    stream.once("close", onClose);
    stream.write(chunk, (error) => {
      stream.off("close", onClose);
      resolve(!error);
    });
  });
}

const bomb = () =>
  new SmolError("image.limit", `a layer grows more than ${limits.ratio} times when it is decompressed`);
