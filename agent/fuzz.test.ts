import { beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { FieldWriter } from "../src/guest/fields.ts";
import { Guest } from "../src/guest/index.ts";
import { Channel, encodeFrame, FrameType } from "../src/protocol/index.ts";
import { RawHost, startAgent } from "./testing/index.ts";

/**
 * The agent against a host that says anything. It may close the connection, which ends it; it must not break
 * a rule of C (a report of the sanitizers fails `stop`), must not hang, and must answer whatever it does not
 * close the connection for.
 *
 * A failure prints the seed and the path of the case: `fc.assert(…, { seed, path })` repeats it.
 */

beforeAll(async () => {
  // Before anything unread is asked for: that these requests can do no harm here.
  const agent = await startAgent({ confined: true });
  const guest = new Guest(agent.transport);
  const mark = `/etc/smolvm-fuzz-${process.pid}`;
  const script = `touch ${mark}; mknod /run/disk b 8 0 || echo no nodes; date -s "$(date)" || echo no clock; ls /dev`;
  const probe = guest.exec({ argv: ["sh", "-c", script], env: ["PATH=/usr/bin:/bin"], stdin: false });
  let text = "";
  for await (const chunk of probe.read(Channel.stdout)) text += Buffer.from(chunk);
  guest.close();
  await agent.stop();
  if (existsSync(mark) || !/no nodes\n(.*\n)?no clock\nnull\n$/.test(text))
    throw new Error(`not confined: ${text}`);
}, 120_000);

const hello = encodeFrame(FrameType.hello, 0, new FieldWriter().int(1, 3).finish()).slice();

// ---- frames ----

const small = fc.uint8Array({ maxLength: 40 });
const stream = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 6 }) },
  { weight: 1, arbitrary: fc.nat() },
);
const frame = (
  type: number,
  payload: fc.Arbitrary<Uint8Array>,
  channel: fc.Arbitrary<number> = fc.constant(0),
) =>
  fc
    .tuple(stream, payload, channel)
    .map(([id, bytes, on]) => encodeFrame(type as FrameType, id, bytes, on).slice());

/** Programs that end by themselves or wait for input; nothing else is ever run. */
const programs = [
  ["true"],
  ["cat"],
  ["sh", "-c", "exit 3"],
  ["head", "-c", "100000", "/dev/zero"],
  ["/nope"],
];
const execPayload = fc
  .tuple(fc.constantFrom(...programs), fc.integer({ min: 0, max: 3 }), fc.boolean())
  .map(([argv, flags, rooted]) =>
    new FieldWriter([1])
      .text(1, rooted ? "main" : undefined)
      .texts(2, argv)
      .texts(3, ["PATH=/usr/bin:/bin"])
      .int(6, flags)
      .int(7, 80)
      .int(8, 24)
      .finish(),
  );
const controlPayload = fc.tuple(fc.option(fc.nat(70)), fc.option(fc.nat(70_000))).map(([signal, columns]) => {
  const fields = new FieldWriter();
  if (signal !== null) fields.int(1, signal);
  if (columns !== null) fields.int(2, columns).int(3, columns);
  return fields.finish();
});
const credit = fc.nat(300_000).map((bytes) => new Uint8Array(new Uint32Array([bytes]).buffer).reverse());

const wellFormed = fc.oneof(
  { weight: 6, arbitrary: frame(FrameType.open, execPayload) },
  { weight: 4, arbitrary: frame(FrameType.data, fc.uint8Array({ minLength: 1, maxLength: 70_000 })) },
  { weight: 2, arbitrary: frame(FrameType.end, fc.constant(new Uint8Array())) },
  { weight: 2, arbitrary: frame(FrameType.credit, credit, fc.nat(3)) },
  { weight: 2, arbitrary: frame(FrameType.control, controlPayload) },
  { weight: 2, arbitrary: frame(FrameType.cancel, fc.constant(new Uint8Array())) },
);
const header = fc
  .tuple(fc.nat(20), fc.nat(5), fc.nat(3), stream, fc.oneof(fc.nat(100), fc.nat(2 ** 31 - 1)), small)
  .map(([type, channel, reserved, id, length, rest]) => {
    const bytes = new Uint8Array(12 + rest.length);
    const view = new DataView(bytes.buffer);
    bytes.set([type, channel, 0, reserved === 3 ? 1 : 0]);
    view.setUint32(4, id);
    view.setUint32(8, length);
    bytes.set(rest, 12);
    return bytes;
  });
const anything = fc.oneof(
  { weight: 30, arbitrary: wellFormed },
  { weight: 1, arbitrary: header },
  { weight: 1, arbitrary: small },
);

test("frames in any order, cut anywhere, well-formed or not", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(anything, { minLength: 1, maxLength: 30 }),
      fc.array(fc.nat(5000), { maxLength: 20 }),
      async (greet, frames, cuts) => {
        const agent = await startAgent({ confined: true });
        const host = new RawHost(agent.transport);
        const bytes = Buffer.concat(greet ? [hello, ...frames] : frames);
        let at = 0;
        for (const cut of cuts) {
          host.send(bytes.subarray(at, at + cut));
          at += cut;
          await host.until(() => host.frames.length > 0);
        }
        host.send(bytes.subarray(at));
        await host.until(() => host.frames.length > 0);
        await agent.stop();
      },
    ),
    { numRuns: 60 },
  );
}, 120_000);

// ---- what opens a stream ----

const paths = [
  "/",
  "/etc",
  "/etc/passwd",
  "/run/a",
  "/run/a/b",
  "/run/main",
  "/usr",
  "x",
  "",
  "/proc/self/fd/0",
  "/run/l",
];
const text = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...paths) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      "main",
      "tmpfs",
      "none",
      "true",
      "cat",
      "127.0.0.1",
      "::1",
      "A=b",
      "pids.max=1",
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 12 }).map((s) => s.replaceAll("\0", "")) },
);
const value: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: text.map((s) => new TextEncoder().encode(s)) },
  { weight: 4, arbitrary: fc.nat(40).map((n) => new Uint8Array([n])) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(int) },
);
const field = fc.tuple(fc.integer({ min: 0, max: 14 }), value);

function int(number: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, number);
  return bytes;
}

const fields = (prefix: number[], list: readonly [number, Uint8Array][]) =>
  list.reduce((writer, [tag, bytes]) => writer.bytes(tag, bytes), new FieldWriter(prefix)).finish();

/** A step: a kind, and fields that may or may not be its own. */
const step = fc
  .tuple(fc.integer({ min: 0, max: 12 }), fc.array(field, { maxLength: 6 }), fc.constantFrom(...paths))
  .map(([kind, list, path]) => fields([kind], [[1, new TextEncoder().encode(path)], ...list]));

const request = fc.oneof(
  // Any verb with any fields.
  fc
    .tuple(fc.integer({ min: 0, max: 14 }), fc.array(field, { maxLength: 8 }))
    .map(([verb, list]) => fields([verb], list)),
  // Roots and steps.
  fc
    .tuple(fc.constantFrom(2, 3), fc.constantFrom("main", "other", ""), fc.array(step, { maxLength: 8 }))
    .map(([verb, name, steps]) =>
      steps.reduce((writer, one) => writer.bytes(3, one), new FieldWriter([verb]).text(1, name)).finish(),
    ),
  // What is a request but for one byte.
  fc.tuple(execPayload, fc.nat(), fc.nat(255)).map(([payload, at, byte]) => {
    const bytes = payload.slice();
    bytes[at % bytes.length] = byte;
    return bytes;
  }),
  fc.uint8Array({ maxLength: 60 }),
);

test("requests of any verb with any fields are answered, or end the connection", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 40 }), async (requests) => {
      const agent = await startAgent({ confined: true });
      const host = new RawHost(agent.transport);
      host.send(hello);
      requests.forEach((payload, i) => {
        host.frame(FrameType.open, i + 1, payload);
        // A program that waits, a listener, a watch: each ends by this, whatever it is.
        host.frame(FrameType.cancel, i + 1);
      });
      const outcome = await host.until(() => host.ended === requests.length);
      if (outcome === "closed") expect(agent.console()).toContain("protocol");
      await agent.stop();
    }),
    { numRuns: 60 },
  );
}, 240_000);
