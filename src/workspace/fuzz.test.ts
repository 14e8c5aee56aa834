import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { type Part, pack } from "../files/files.fixture.ts";
import { HandleBudget } from "../files/folder/handles.ts";
import { Session } from "../files/index.ts";
import { IN_HEADER, Opcode } from "../files/wire/opcodes.ts";
import { applyChanges, changesOf, discardChanges, openWorkspace, serveWorkspace } from "./index.ts";
import { treeOfGuest, treeOfHost } from "./layer/model.fixture.ts";
import { Guest, makePlace, USER } from "./workspace.fixture.ts";

/**
 * A guest that says anything to the server of a workspace. Nothing is thrown, the host's folder stays as it is, and
 * what is left can be listed, applied and discarded. A failure prints the seed and the path of the case.
 */

/** Of which the guest would be told EIO. */
const unforeseen = (error: unknown): never => {
  throw error;
};

const opcodes = Object.values(Opcode).filter((opcode) => opcode !== Opcode.init);
const names = ["a", "d", "link", "e", "..", ".", "", "d/x", "../outside/new", "x".repeat(300), "\xff\n"];

const number64 = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 0n, max: 8n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) },
);
const part = fc.oneof(
  { weight: 4, arbitrary: number64 },
  { weight: 4, arbitrary: fc.oneof(fc.nat(8), fc.nat(2 ** 32 - 1)) },
  { weight: 4, arbitrary: fc.constantFrom(...names) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }) },
);
const anything = fc.record({
  opcode: fc.oneof(fc.constantFrom(...opcodes), fc.nat(60)),
  node: number64,
  parts: fc.array<Part>(part, { maxLength: 8 }),
});

/** Requests that have the right shape, about names and numbers of any kind. */
const name = fc.constantFrom("a", "d", "e", "f", "link", "x");
const node = fc.bigInt({ min: 1n, max: 8n });
const shaped = fc.oneof(
  fc.record({
    opcode: fc.constantFrom(Opcode.lookup, Opcode.unlink, Opcode.rmdir),
    node,
    parts: fc.tuple(name),
  }),
  fc.record({
    opcode: fc.constant(Opcode.mkdir),
    node,
    parts: fc.tuple(fc.constant(0o755), fc.constant(0), name),
  }),
  fc.record({ opcode: fc.constant(Opcode.rename), node, parts: fc.tuple(node, name, name) }),
  fc.record({ opcode: fc.constant(Opcode.link), node, parts: fc.tuple(node, name) }),
  fc.record({
    opcode: fc.constant(Opcode.symlink),
    node,
    parts: fc.tuple(name, fc.constantFrom("/etc", "../..")),
  }),
  fc.record({
    opcode: fc.constant(Opcode.create),
    node,
    parts: fc.tuple(fc.constant(0o102), fc.constant(0o644), fc.constant(0), fc.constant(0), name),
  }),
);

test("requests of any kind with any words", () => {
  using place = makePlace("/dev/shm");
  let unique = 0n;
  mkdirSync(`${place.root}/outside`);
  writeFileSync(`${place.root}/outside/secret`, "secret");
  mkdirSync(`${place.folder}/d`);
  writeFileSync(`${place.folder}/a`, "text");
  writeFileSync(`${place.folder}/d/x`, "x");
  symlinkSync("../outside", `${place.folder}/link`);
  const before = treeOfHost(place.folder);
  let round = 0;
  fc.assert(
    fc.property(
      fc.array(fc.oneof({ weight: 3, arbitrary: shaped }, anything), { maxLength: 60 }),
      (requests) => {
        round += 1;
        const paths = { folder: place.folder, directory: `${place.root}/machine/${round}` };
        const files = serveWorkspace(paths, USER, new HandleBudget(8192));
        const session = new Session(files, { readOnly: false, onError: unforeseen });
        for (const { opcode, node: number, parts } of requests) {
          const body = pack(...(parts as readonly Part[]));
          const head = pack(IN_HEADER + body.length, opcode, ++unique, number, 0, 0, 1, 0);
          session.answer(Buffer.concat([head, body]));
        }
        expect(treeOfHost(place.folder)).toEqual(before);
        files.close();
        using workspace = openWorkspace(paths, "change");
        changesOf(workspace);
        discardChanges(workspace);
        expect(changesOf(workspace)).toEqual([]);
        applyChanges(workspace);
        expect(treeOfHost(place.folder)).toEqual(before);
      },
    ),
    { numRuns: 600 },
  );
  expect(readdirSync(`${place.root}/outside`)).toEqual(["secret"]);
  expect(readFileSync(`${place.root}/outside/secret`, "utf8")).toBe("secret");
}, 120_000);

test("whatever requests have made of it, an apply makes of the folder what the guest has", () => {
  fc.assert(
    fc.property(fc.array(shaped, { maxLength: 60 }), (requests) => {
      using place = makePlace("/dev/shm");
      mkdirSync(`${place.folder}/d/e`, { recursive: true });
      writeFileSync(`${place.folder}/a`, "text");
      writeFileSync(`${place.folder}/d/x`, "x");
      symlinkSync("d", `${place.folder}/link`);
      const files = serveWorkspace(place, USER, new HandleBudget(8192));
      const session = new Session(files, { readOnly: false, onError: unforeseen });
      let unique = 0n;
      for (const { opcode, node: number, parts } of requests) {
        const body = pack(...(parts as readonly Part[]));
        session.answer(
          Buffer.concat([pack(IN_HEADER + body.length, opcode, ++unique, number, 0, 0, 1, 0), body]),
        );
      }
      const tree = treeOfGuest(new Guest(files));
      files.close();
      {
        using again = Guest.of(place);
        expect(treeOfGuest(again)).toEqual(tree);
      }
      using workspace = openWorkspace(place, "change");
      expect(applyChanges(workspace).kept).toEqual([]);
      expect(treeOfHost(place.folder)).toEqual(tree);
      expect(changesOf(workspace)).toEqual([]);
    }),
    { numRuns: 300 },
  );
}, 120_000);
