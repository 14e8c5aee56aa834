import { expect, test } from "bun:test";
import fc from "fast-check";
import { Channel, encodeFrame, FrameType } from "../protocol/index.ts";
import { FieldWriter } from "./fields.ts";
import { agentHello, guestWithRawAgent } from "./guest.fixture.ts";

/** Fields that are well formed and say anything, mostly with the tags that answers have. */
const anyFields = fc
  .array(
    fc.tuple(
      fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 1, max: 9 }) },
        { weight: 1, arbitrary: fc.nat(255) },
      ),
      fc.oneof(
        fc.nat(300).map((value) => Buffer.from([value >> 8, value & 255])),
        fc.nat(255).map((value) => Buffer.from([value])),
        fc.string({ maxLength: 30 }).map((text) => Buffer.from(text)),
        fc.constantFrom("exec.failed", "step.failed").map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 40 }),
      ),
    ),
    { maxLength: 8 },
  )
  .map((list) => {
    const fields = new FieldWriter();
    for (const [tag, value] of list) fields.bytes(tag, value);
    return fields.finish();
  });

const anyFrame = fc.record({
  type: fc.constantFrom(...Object.values(FrameType)),
  stream: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.nat(0xffffffff)),
  channel: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.nat(255)),
  payload: fc.oneof(
    { weight: 6, arbitrary: anyFields },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
    {
      weight: 1,
      arbitrary: fc.nat(0xffffffff).map((value) => Buffer.from(value.toString(16).padStart(8, "0"), "hex")),
    },
  ),
});

const anyBytes = fc.oneof(
  { weight: 9, arbitrary: anyFrame.map((f) => encodeFrame(f.type, f.stream, f.payload, f.channel)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
);

const greeting = encodeFrame(FrameType.hello, 0, agentHello());

/** A run that fails prints its seed, with which fast-check repeats it. */
test("whatever an agent says, everything that was asked for settles, with an answer or an Error", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyBytes, { maxLength: 20 }),
      fc.boolean(),
      fc.nat(200),
      async (pieces, greets, cut) => {
        const { guest, agent } = await guestWithRawAgent();
        const process = guest.exec({ argv: ["x"], env: [], stdin: true });
        const watch = guest.watch({ root: "main", everyMs: 1000 }, (event) =>
          expect(event).toHaveProperty("kind"),
        );
        const listener = guest.listen({ port: 1 }, (connection) => expect(connection).toBeNumber());
        const socket = guest.connect({ path: "/s" });
        const settling = [
          guest.hello,
          process.accepted,
          process.result,
          watch.ended,
          listener.listening,
          listener.ended,
          socket.connected,
          socket.ended,
          guest.root({ name: "main", hostname: "h", steps: [{ kind: "mkdir", path: "/a" }] }),
          guest.steps(undefined, []),
          guest.drop("main"),
          guest.clock(1n),
          guest.shutdown(),
        ];
        const using = [
          process.write(Channel.stdin, new Uint8Array(300_000)),
          collect(process.read(Channel.stdout)),
          collect(process.read(Channel.stderr)),
          socket.write(new Uint8Array(300_000)),
          collect(socket.read()),
        ];
        const bytes = Buffer.concat(greets ? [greeting, ...pieces] : pieces);
        // Cut somewhere: frames do not come in the pieces in which they were sent.
        agent.send(bytes.subarray(0, cut));
        await Bun.sleep(0);
        agent.send(bytes.subarray(cut));
        await Bun.sleep(0);
        agent.close();
        await guest.closed;
        await Promise.all(using);
        for (const settled of await Promise.allSettled(settling))
          expect(settled.status === "fulfilled" || settled.reason instanceof Error).toBe(true);
      },
    ),
    { numRuns: 400 },
  );
}, 60_000);

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) expect(chunk).toBeInstanceOf(Uint8Array);
}
