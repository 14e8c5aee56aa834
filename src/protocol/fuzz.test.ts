import { expect, test } from "bun:test";
import fc from "fast-check";
import { heldMemory } from "../held-memory.fixture.ts";
import { encodeFrame, FrameType } from "./frame.ts";
import { encodeJson } from "./json.ts";
import { PROTOCOL_VERSION } from "./messages.ts";
import { openerWithRawPeer, type RawPeer, serverWithRawPeer } from "./protocol.fixture.ts";

const MIB = 1024 * 1024;
const types = Object.values(FrameType);

/** Frames that are well formed and say anything, mostly about streams and channels that exist. */
const anyFrame = fc.record({
  type: fc.constantFrom(...types),
  stream: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.nat(0xffffffff)),
  channel: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.nat(255)),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.jsonValue().map((value) => encodeJson(value)),
    fc.record({ method: fc.string(), params: fc.jsonValue() }).map(encodeJson),
    fc.record({ code: fc.string(), message: fc.string() }).map(encodeJson),
    fc.nat(0xffffffff).map((value) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes;
    }),
  ),
});

const anyBytes = fc.oneof(
  { weight: 5, arbitrary: anyFrame.map((f) => encodeFrame(f.type, f.stream, f.payload, f.channel)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
);

async function attack(peer: RawPeer, pieces: Uint8Array[], greet: boolean): Promise<void> {
  if (greet) peer.greet();
  for (const piece of pieces) peer.send(piece);
  await Bun.sleep(0);
}

/** What reaches the user of a stream is data or an Error; nothing is thrown past the connection, nothing hangs. */
test("whatever the other side sends, an opener's streams settle", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyBytes, { maxLength: 25 }), fc.boolean(), async (pieces, greet) => {
      const { opener, peer } = await openerWithRawPeer();
      const streams = [opener.open({ method: "exec", params: {} }), opener.open({ method: "start" })];
      const reading = streams.flatMap((stream) =>
        [0, 1, 2].map(async (channel) => {
          for await (const chunk of stream.read(channel)) expect(chunk).toBeInstanceOf(Uint8Array);
        }),
      );
      const writing = streams.map((stream) => stream.write(0, new Uint8Array(300_000)));
      await attack(peer, pieces, greet);
      peer.close();
      await opener.closed;
      await Promise.all([...reading, ...writing]);
      for (const { status, ...rest } of await Promise.allSettled(streams.map(({ result }) => result)))
        expect(status === "fulfilled" || ("reason" in rest && rest.reason instanceof Error)).toBe(true);
    }),
    { numRuns: 400 },
  );
}, 60_000);

test("whatever the other side sends, a server's streams end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyBytes, { maxLength: 25 }), fc.boolean(), async (pieces, greet) => {
      const ends: Promise<unknown>[] = [];
      const { server, peer } = await serverWithRawPeer((stream) => {
        stream.onControl = () => {};
        ends.push(stream.write(1, new Uint8Array(300_000)), collect(stream.read(0)));
      });
      await attack(peer, pieces, greet);
      peer.close();
      await server.closed;
      await Promise.all(ends);
    }),
    { numRuns: 400 },
  );
}, 60_000);

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const chunk of chunks) bytes += chunk.length;
  return bytes;
}

test("a side that sends all it may on every channel costs the other one its windows", async () => {
  const before = heldMemory();
  const { opener, peer } = await openerWithRawPeer();
  const streams = Array.from({ length: 32 }, () => opener.open({ method: "exec" }));
  peer.json(FrameType.hello, 0, { protocol: PROTOCOL_VERSION, version: "raw" });
  await opener.hello;
  for (const { id } of streams) {
    for (let channel = 0; channel < 4; channel++) {
      for (let i = 0; i < 256; i++) peer.frame(FrameType.data, id, new Uint8Array(1024), channel);
      await Bun.sleep(0);
    }
  }
  await Bun.sleep(200);
  // 32 streams, 4 channels, 256 KiB each are 32 MiB; the rest is the tests' own.
  expect(heldMemory() - before).toBeLessThan(96 * MIB);
  expect(await collect(firstOf(streams[0]?.read(1), 256 * 1024))).toBe(256 * 1024);
  opener.close();
  await opener.closed;
}, 30_000);

async function* firstOf(
  chunks: AsyncIterable<Uint8Array> | undefined,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  if (chunks === undefined) return;
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    if (bytes >= limit) return;
  }
}
