import { describe, expect, test } from "bun:test";
import { HashStream } from "./hash-thread.ts";

/** Bytes that are the same in every run. */
function bytesOf(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed + 1;
  for (let index = 0; index < length; index++) {
    state = (state * 1103515245 + 12345) % 0x80000000;
    bytes[index] = state >> 16;
  }
  return bytes;
}

const expected = (algorithm: "sha256" | "sha512", bytes: Uint8Array) =>
  new Bun.CryptoHasher(algorithm).update(bytes).digest("hex");

async function hash(algorithm: "sha256" | "sha512", bytes: Uint8Array, step: number): Promise<string> {
  const stream = new HashStream(algorithm);
  try {
    // As sources do: one piece of memory for all chunks.
    const chunk = Buffer.alloc(step);
    for (let at = 0; at < bytes.length; at += step) {
      const length = Math.min(step, bytes.length - at);
      chunk.set(bytes.subarray(at, at + length));
      await stream.update(chunk.subarray(0, length));
    }
    return await stream.digest();
  } finally {
    stream.close();
  }
}

describe("digests from the thread", () => {
  test("are those of the bytes, whatever the chunks, also of nothing", async () => {
    for (const [length, step] of [
      [0, 1],
      [1, 1],
      [5000, 7],
      [1024 * 1024, 1024 * 1024],
      [3 * 1024 * 1024 + 1, 192 * 1024],
      [40 * 1024 * 1024, 5 * 1024 * 1024 + 3],
    ] as const) {
      const bytes = bytesOf(length, length);
      expect(await hash("sha256", bytes, step)).toBe(expected("sha256", bytes));
    }
  });

  test("of many streams at once do not mix", async () => {
    const inputs = Array.from({ length: 24 }, (_, index) => bytesOf(index, 700_000 + index * 100_003));
    const algorithms = inputs.map((_, index): "sha256" | "sha512" => (index % 2 === 0 ? "sha256" : "sha512"));
    const digests = await Promise.all(
      inputs.map((bytes, index) => hash(algorithms[index] ?? "sha256", bytes, 100_000 + index)),
    );
    expect(digests).toEqual(inputs.map((bytes, index) => expected(algorithms[index] ?? "sha256", bytes)));
  });

  test("of a stream that is given up hold up nobody", async () => {
    const given = new HashStream("sha256");
    for (let index = 0; index < 20; index++) await given.update(bytesOf(index, 1024 * 1024));
    const other = hash("sha256", bytesOf(1, 3_000_000), 64 * 1024);
    given.close();
    given.close();
    expect(await other).toBe(expected("sha256", bytesOf(1, 3_000_000)));
  });
});

test("a program ends when its streams are closed", async () => {
  const script = `
    import { HashStream } from ${JSON.stringify(`${import.meta.dir}/hash-thread.ts`)};
    const stream = new HashStream("sha256");
    await stream.update(Buffer.from("abc"));
    console.log(await stream.digest());
    stream.close();`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  expect(await new Response(child.stdout).text()).toBe(`${expected("sha256", Buffer.from("abc"))}\n`);
  expect(await child.exited).toBe(0);
});
