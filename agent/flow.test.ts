import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { Channel, type Stream } from "../src/protocol/index.ts";
import { collect, endOf, openExec, run, startGuest, type TestGuest } from "./testing.ts";

let guest: TestGuest;
beforeAll(async () => {
  guest = await startGuest();
}, 60_000);
afterAll(() => guest.stop());

const MIB = 1024 * 1024;
const rss = () => process.memoryUsage.rss();

async function digest(stream: Stream, channel: number): Promise<{ bytes: number; hash: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of stream.read(channel)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, hash: hash.digest("hex") };
}

test("100 MiB pass through cat byte for byte, in pieces of every size", async () => {
  const stream = openExec(guest.host, ["cat"], { stdin: true });
  const received = digest(stream, Channel.stdout);
  const sent = createHash("sha256");
  const block = randomBytes(2 * MIB);
  let bytes = 0;
  for (let i = 0; bytes < 100 * MIB; i++) {
    const piece = block.subarray(0, 1 + ((i * 7919) % block.length));
    sent.update(piece);
    await stream.write(Channel.stdin, piece);
    bytes += piece.length;
  }
  stream.end(Channel.stdin);
  expect(await received).toEqual({ bytes, hash: sent.digest("hex") });
  expect(await endOf(stream)).toEqual({ end: "exit 0" });
}, 60_000);

test("both outputs are complete and in order while both flood", async () => {
  const script = "seq 200000 >&2 & seq 300000; wait";
  const { stdout, stderr, end } = await run(guest.host, ["sh", "-c", script]);
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}\n`).join("");
  expect([stdout === numbers(300_000), stderr === numbers(200_000), end]).toEqual([true, true, "exit 0"]);
}, 30_000);

test("programs that flood unread, or never read, stop by themselves and stall nobody", async () => {
  const floods = Array.from({ length: 20 }, () => openExec(guest.host, ["sh", "-c", "yes & yes >&2"]));
  const deaf = Array.from({ length: 20 }, () => openExec(guest.host, ["sleep", "1000"], { stdin: true }));
  await Promise.all([...floods, ...deaf].map((stream) => stream.accepted));
  let written = 0;
  for (const stream of deaf) {
    void (async () => {
      for (let i = 0; i < 1000; i++) {
        await stream.write(Channel.stdin, new Uint8Array(64 * 1024));
        written += 64 * 1024;
      }
    })();
  }
  await Bun.sleep(500);
  const [before, writtenBefore] = [rss(), written];
  await Bun.sleep(1500);
  // Each direction of each stream holds some windows; nothing grows.
  expect(written).toBe(writtenBefore);
  expect(written).toBeLessThan(deaf.length * MIB);
  expect(rss() - before).toBeLessThan(32 * MIB);
  const start = performance.now();
  expect((await run(guest.host, ["cat"], { input: "alive" })).stdout).toBe("alive");
  expect(performance.now() - start).toBeLessThan(2000);
  for (const stream of [...floods, ...deaf]) stream.cancel();
  const ends = await Promise.all([...floods, ...deaf].map(endOf));
  expect(new Set(ends.map(({ end }) => end))).toEqual(new Set(["signal 9"]));
}, 30_000);

test("many single bytes unread cost no more than their window", async () => {
  // Each write is a frame of its own on the way to the agent.
  const before = rss();
  const stream = openExec(guest.host, ["sh", "-c", "while :; do echo -n x; done"]);
  await stream.accepted;
  await Bun.sleep(2000);
  expect(rss() - before).toBeLessThan(32 * MIB);
  stream.cancel();
  await endOf(stream);
}, 30_000);

test("100 programs at once, each with its own input, outputs and exit code", async () => {
  const finished = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      run(guest.host, ["sh", "-c", `echo ${i}; cat; echo err${i} >&2; exit ${i}`], { input: `in${i}` }),
    ),
  );
  for (const [i, result] of finished.entries()) {
    expect(result).toEqual({ stdout: `${i}\nin${i}`, stderr: `err${i}\n`, end: `exit ${i}` });
  }
}, 60_000);

test("a program that stops reading its input lets go of it and may go on", async () => {
  const stream = openExec(guest.host, ["sh", "-c", "head -c 3; exec 0<&-; sleep 0.2; echo; echo on"], {
    stdin: true,
  });
  void stream.write(Channel.stdin, new Uint8Array(4 * MIB).fill(0x61));
  expect(await collect(stream, Channel.stdout)).toBe("aaa\non\n");
  expect(await endOf(stream)).toEqual({ end: "exit 0" });
});

test("the end of the host's connection ends what it started", async () => {
  const other = await startGuest();
  const stream = openExec(other.host, ["sh", "-c", "echo up; exec sleep 4242"]);
  for await (const chunk of stream.read(Channel.stdout)) if (chunk.length > 0) break;
  const isRunning = () =>
    Bun.spawnSync(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).stdout.toString().includes("sleep\x004242");
  expect(isRunning()).toBe(true);
  other.host.close();
  for (let i = 0; i < 100 && isRunning(); i++) await Bun.sleep(20);
  expect(isRunning()).toBe(false);
  await other.stop();
}, 60_000);
