import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { pack, TestVolume } from "./files.fixture.ts";
import { REPLAY_GID } from "./replay/answer.ts";
import { Watches } from "./replay/watches.ts";
import { IN_HEADER, Opcode } from "./wire/opcodes.ts";
import { RequestError, RequestReader } from "./wire/request.ts";

/**
 * A guest that says anything. Each request gets one reply of its own or none, nothing is thrown, and nothing beside
 * the folder changes. A failure prints the seed and the path of the case.
 */

const opcodes = Object.values(Opcode).filter((opcode) => opcode !== Opcode.init);
const names = ["a", "d", "link", "..", ".", "", "d/x", "../outside/new", "x".repeat(300), "\xff\n"];

const number64 = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 6n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);
const part = fc.oneof(
  { weight: 4, arbitrary: number64 },
  { weight: 4, arbitrary: fc.oneof(fc.nat(8), fc.nat(2 ** 32 - 1)) },
  { weight: 4, arbitrary: fc.constantFrom(...names) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }) },
);
const request = fc.record({
  opcode: fc.oneof(fc.constantFrom(...opcodes), fc.nat(60)),
  node: number64,
  parts: fc.array(part, { maxLength: 8 }),
  gid: fc.constantFrom(0, REPLAY_GID),
});

test("requests of any kind with any words", () => {
  const place = mkdtempSync(`${tmpdir()}/smolvm-fuzz-`);
  mkdirSync(`${place}/outside`);
  writeFileSync(`${place}/outside/secret`, "secret");
  try {
    const watches = new Watches(10);
    fc.assert(
      fc.property(fc.boolean(), fc.array(request, { maxLength: 40 }), (readOnly, requests) => {
        rmSync(`${place}/shared`, { recursive: true, force: true });
        mkdirSync(`${place}/shared/d`, { recursive: true });
        writeFileSync(`${place}/shared/a`, "text");
        const v = new TestVolume({ path: `${place}/shared`, readOnly, handles: 8, watches });
        v.get(Opcode.lookup, 1, "a");
        v.get(Opcode.lookup, 1, "d");
        for (const { opcode, node, parts, gid } of requests) {
          v.gid = gid;
          v.ask(opcode, node, ...parts);
        }
        v.stop();
        expect(readdirSync(place).sort()).toEqual(["outside", "shared"]);
        expect(readdirSync(`${place}/outside`)).toEqual(["secret"]);
        if (readOnly) expect(readdirSync(`${place}/shared`).sort()).toEqual(["a", "d"]);
      }),
      { numRuns: 300 },
    );
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}, 120_000);

test("a stream of requests, cut anywhere, is the same requests", () => {
  const whole = fc
    .uint8Array({ maxLength: 300 })
    .map((body) => pack(IN_HEADER + body.length, new Uint8Array(36), body));
  fc.assert(
    fc.property(fc.array(whole, { maxLength: 8 }), fc.array(fc.nat(400)), (requests, cuts) => {
      const bytes = Buffer.concat(requests);
      const seen: Buffer[] = [];
      const reader = new RequestReader();
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        for (const one of reader.read(bytes.subarray(at, at + cut))) seen.push(Buffer.from(one));
        at += cut;
      }
      expect(Buffer.concat(seen).equals(bytes)).toBe(true);
      expect(seen.length).toBe(requests.length);
    }),
  );
});

test.each([0, 39, 1_000_000])("a request of %i bytes ends the stream", (size) => {
  expect(() => [...new RequestReader().read(pack(size, 0n, 0n))]).toThrow(RequestError);
});
