import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import type { GuestProcess } from "../src/guest/index.ts";
import { Channel } from "../src/protocol/index.ts";
import { collect, endOf, readUntil, run, start, startGuest, type TestGuest } from "./testing/index.ts";

let it: TestGuest;
beforeAll(async () => {
  it = await startGuest();
}, 120_000);
afterAll(() => it.stop());

const MIB = 1024 * 1024;
const rss = () => process.memoryUsage.rss();

async function digest(process: GuestProcess): Promise<{ bytes: number; hash: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of process.read(Channel.stdout)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, hash: hash.digest("hex") };
}

test("100 MiB pass through cat byte for byte, in pieces of every size", async () => {
  const cat = start(it.guest, ["cat"], { stdin: true });
  const received = digest(cat);
  const sent = createHash("sha256");
  const block = randomBytes(2 * MIB);
  let bytes = 0;
  for (let i = 0; bytes < 100 * MIB; i++) {
    const piece = block.subarray(0, 1 + ((i * 7919) % block.length));
    sent.update(piece);
    await cat.write(Channel.stdin, piece);
    bytes += piece.length;
  }
  cat.end(Channel.stdin);
  expect(await received).toEqual({ bytes, hash: sent.digest("hex") });
  expect(await endOf(cat)).toEqual({ end: "exit 0" });
}, 60_000);

test("both outputs are complete and in order while both flood", async () => {
  const script = "seq 200000 >&2 & seq 300000; wait";
  const { stdout, stderr, end } = await run(it.guest, ["sh", "-c", script]);
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}\n`).join("");
  expect([stdout === numbers(300_000), stderr === numbers(200_000), end]).toEqual([true, true, "exit 0"]);
}, 30_000);

test("programs that flood unread, or never read, stop by themselves and stall nobody", async () => {
  const floods = Array.from({ length: 20 }, () => start(it.guest, ["sh", "-c", "yes & yes >&2"]));
  const deaf = Array.from({ length: 20 }, () => start(it.guest, ["sleep", "1000"], { stdin: true }));
  await Promise.all([...floods, ...deaf].map((process) => process.accepted));
  const before = rss();
  let written = 0;
  for (const process of deaf) {
    void (async () => {
      for (let i = 0; i < 1000; i++) {
        await process.write(Channel.stdin, new Uint8Array(64 * 1024));
        written += 64 * 1024;
      }
    })();
  }
  // Meanwhile hundreds of round trips, each behind whatever the floods have under way.
  for (let i = 0; i < 300; i++)
    expect((await run(it.guest, ["cat"], { input: "alive" })).stdout).toBe("alive");
  // Each direction of each stream holds some windows; nothing grows.
  expect(written).toBeLessThan(deaf.length * MIB);
  expect(rss() - before).toBeLessThan(96 * MIB);
  for (const process of [...floods, ...deaf]) process.cancel();
  const ends = await Promise.all([...floods, ...deaf].map(endOf));
  expect(new Set(ends.map(({ end }) => end))).toEqual(new Set(["signal 9"]));
}, 60_000);

test("many single bytes unread cost no more than their window", async () => {
  // Each write may be a frame of its own.
  const process = start(it.guest, [
    "sh",
    "-c",
    "i=0; while [ $i -lt 400000 ]; do echo -n x; i=$((i+1)); done",
  ]);
  const other = start(it.guest, ["sh", "-c", "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done"]);
  const before = rss();
  await other.result;
  expect(rss() - before).toBeLessThan(64 * MIB);
  expect((await collect(process)).length).toBe(400_000);
}, 60_000);

test("100 programs at once, each with its own input, outputs and exit code", async () => {
  const finished = await Promise.all(
    Array.from({ length: 100 }, (_, i) =>
      run(it.guest, ["sh", "-c", `echo ${i}; cat; echo err${i} >&2; exit ${i}`], { input: `in${i}` }),
    ),
  );
  for (const [i, result] of finished.entries()) {
    expect(result).toEqual({ stdout: `${i}\nin${i}`, stderr: `err${i}\n`, end: `exit ${i}` });
  }
}, 60_000);

test("a program that stops reading its input lets go of it and may go on", async () => {
  const process = start(it.guest, ["sh", "-c", "head -c 3; exec 0<&-; echo; echo on; mkfifo /go; cat /go"], {
    stdin: true,
  });
  void process.write(Channel.stdin, new Uint8Array(4 * MIB).fill(0x61));
  const stdout = process.read(Channel.stdout);
  expect(await readUntil(stdout, "on\n")).toBe("aaa\non\n");
  await run(it.guest, ["sh", "-c", "echo > /go"]);
  expect(await endOf(process)).toEqual({ end: "exit 0" });
});

test("the end of the host's connection ends what it started, and the agent", async () => {
  const other = await startGuest();
  const process = start(other.guest, ["sh", "-c", "echo up; setsid sleep 4242 & exec sleep 4242"]);
  await readUntil(process.read(Channel.stdout), "up");
  other.guest.close();
  // The agent is the first process of a PID namespace here: whatever it has left running would end now, unseen.
  await other.agent.exited;
  await other.stop();
}, 60_000);
