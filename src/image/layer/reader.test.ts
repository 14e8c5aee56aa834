import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { SmolError } from "../../errors.ts";
import { isDigest } from "../../registry/index.ts";
import { chunksOf, tarOf, withRecorder } from "../testing.ts";
import { type LayerExpectations, readLayer } from "./index.ts";

const archive = tarOf({ path: "a", data: "x" });
const blob = gzipSync(archive);
const digest = (bytes: Uint8Array, algorithm: "sha256" | "sha512" = "sha256") =>
  `${algorithm}:${new Bun.CryptoHasher(algorithm).update(bytes).digest("hex")}`;

async function read(source: Uint8Array, expected: LayerExpectations, signal?: AbortSignal): Promise<string> {
  return await withRecorder(async (recorder) => {
    try {
      const result = await readLayer(chunksOf(source), expected, recorder, { signal });
      return `${result.diffId} ${result.compressedBytes} ${result.bytes}`;
    } catch (error) {
      if (!(error instanceof SmolError)) throw error;
      return error.code;
    }
  });
}

test("digests and sizes are checked, and the digest of the contents is told", async () => {
  const good = {
    digest: digest(blob),
    size: blob.length,
    diffId: digest(archive),
    compression: "gzip",
  } as const;
  const result = `${digest(archive)} ${blob.length} ${archive.length}`;
  expect(await read(blob, {})).toBe(result);
  expect(await read(blob, good)).toBe(result);
  expect(await read(blob, { ...good, digest: digest(blob, "sha512") })).toBe(result);
  expect(await read(archive, { digest: digest(archive), diffId: digest(archive) })).toContain(
    digest(archive),
  );
  expect(await read(blob, { ...good, diffId: digest(archive, "sha512") })).toContain("sha512:");

  expect(await read(blob, { ...good, digest: digest(archive) })).toBe("image.digest_mismatch");
  expect(await read(blob, { digest: digest(archive), diffId: digest(archive) })).toBe(
    "image.digest_mismatch",
  );
  expect(await read(archive, { ...good, digest: digest(archive), size: 2048 })).toBe("image.bad_layer");
  expect(await read(blob, { ...good, digest: digest(archive, "sha512") })).toBe("image.digest_mismatch");
  expect(await read(blob, { ...good, diffId: digest(archive.subarray(1)) })).toBe("image.digest_mismatch");
  expect(await read(blob, { ...good, size: blob.length - 1 })).toBe("image.digest_mismatch");
  expect(await read(blob, { ...good, size: blob.length + 1 })).toBe("image.digest_mismatch");
  expect(await read(archive, { digest: digest(blob), diffId: digest(archive.subarray(1)) })).toBe(
    "image.digest_mismatch",
  );
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

test("a layer can be stopped", async () => {
  expect(read(blob, {}, AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
});
