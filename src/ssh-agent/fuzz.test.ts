import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type KeyUse, lendAgent, type Pipe } from "./broker.ts";
import { frame, MessageReader } from "./framing.ts";
import { fingerprintOf } from "./keys.ts";
import { encodeIdentities, parseIdentities, typeOf } from "./messages.ts";
import { answering, RealAgent } from "./ssh-agent.fixture.ts";
import { encodeWire, type WireValue } from "./wire.ts";

const agent = new RealAgent();
beforeAll(() => agent.start());
afterAll(() => agent.stop());

const anyValue: fc.Arbitrary<WireValue> = fc.oneof(
  fc.nat(255).map((byte) => ({ byte })),
  fc.oneof(fc.nat(40), fc.nat(0xffffffff)).map((uint32) => ({ uint32 })),
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(
    "session-bind@openssh.com",
    "query",
    "ssh-ed25519",
    "ssh-rsa-cert-v01@openssh.com",
    "SSHSIG",
  ),
  fc.constantFrom("one", "two").map((name) => agent.blob(name)),
);

const anyType = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(5, 6, 11, 12, 13, 14, 27, 28) },
  { weight: 1, arbitrary: fc.nat(255) },
);

const anyMessage = fc
  .tuple(anyType, fc.array(anyValue, { maxLength: 6 }))
  .map(([byte, values]) => encodeWire([{ byte }, ...values]));

/** Messages as they should be, with some bytes changed, and some that are none. */
const anyBytes = fc.oneof(
  { weight: 5, arbitrary: anyMessage.map(frame) },
  {
    weight: 2,
    arbitrary: fc.tuple(anyMessage, fc.nat(100), fc.nat(255)).map(([message, at, byte]) => {
      const bytes = frame(message);
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) },
);

/** A side that says these bytes, in pieces of this size, and then nothing more. */
function saying(bytes: Uint8Array, size: number): Pipe & { readonly heard: Uint8Array[] } {
  const heard: Uint8Array[] = [];
  return {
    heard,
    async *read() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    },
    write: async (chunk) => void heard.push(chunk),
    close: () => {},
  };
}

/** All whole messages that were said. */
async function messagesOf(chunks: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const reader = new MessageReader(saying(Buffer.concat(chunks), 1000).read());
  const messages: Uint8Array[] = [];
  while (await reader.begins()) messages.push(await reader.next());
  return messages;
}

/** A run that fails prints its seed, with which fast-check repeats it. */
test("whatever a client says, the agent hears only what uses allowed keys, and the client whole answers", async () => {
  const allowed = fingerprintOf(agent.blob("one"));
  const answers = [
    encodeIdentities(["one", "two"].map((name) => ({ key: agent.blob(name), comment: Buffer.from(name) }))),
    encodeWire([{ byte: 14 }, "signature"]),
    encodeWire([{ byte: 6 }]),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyBytes, { maxLength: 12 }),
      fc.integer({ min: 1, max: 70 }),
      async (pieces, size) => {
        const client = saying(Buffer.concat(pieces), size);
        const asked: Uint8Array[] = [];
        const uses: KeyUse[] = [];
        await lendAgent({
          client,
          keys: new Set([allowed]),
          onUse: (use) => uses.push(use),
          connect: async () =>
            answering((bytes) => {
              asked.push(bytes);
              return frame(answers[[11, 13, 27].indexOf(bytes[4] as number)] ?? new Uint8Array(1));
            }),
        });
        for (const request of await messagesOf(asked)) {
          expect([11, 13, 27]).toContain(typeOf(request));
          if (typeOf(request) === 13)
            expect(fingerprintOf(request.subarray(5, 5 + agent.blob("one").length))).toBe(allowed);
        }
        for (const answer of await messagesOf(client.heard)) {
          expect([5, 6, 12, 14]).toContain(typeOf(answer));
          if (typeOf(answer) === 12)
            expect(parseIdentities(answer).map(({ key }) => fingerprintOf(key))).toEqual([allowed]);
        }
        expect(
          uses.filter(({ what }) => what === "signed").every(({ fingerprint }) => fingerprint === allowed),
        ).toBe(true);
      },
    ),
    { numRuns: 500 },
  );
}, 60_000);

test("whatever an agent says, the client hears whole answers, and the connection ends", async () => {
  const requests = Buffer.concat(
    [
      [{ byte: 11 }],
      [{ byte: 27 }, "session-bind@openssh.com", "key", "session", "signature", { byte: 1 }],
      [{ byte: 13 }, agent.blob("one"), "data", { uint32: 0 }],
    ].map((values) => frame(encodeWire(values as WireValue[]))),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyBytes, { maxLength: 6 }),
      fc.integer({ min: 1, max: 70 }),
      async (pieces, size) => {
        const client = saying(requests, 1000);
        await lendAgent({ client, connect: async () => saying(Buffer.concat(pieces), size) });
        for (const answer of await messagesOf(client.heard))
          expect([5, 6, 12, 14, 28]).toContain(typeOf(answer));
      },
    ),
    { numRuns: 500 },
  );
}, 60_000);
