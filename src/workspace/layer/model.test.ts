/**
 * Random operations through the file server's interface, and the same ones on a plain directory: the trees must be the
 * same after each run, and after the workspace has been opened again. The seed is printed; SEED repeats it.
 */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { Guest, makePlace } from "../workspace.fixture.ts";
import {
  applyPlain,
  applyToGuest,
  Random,
  randomOperation,
  treeOfGuest,
  treeOfHost,
} from "./model.fixture.ts";

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const RUNS = 25;
const OPERATIONS = 120;

test(`a workspace is like a plain directory (SEED=${seed})`, () => {
  for (let run = 0; run < RUNS; run++) {
    const random = new Random(seed + run);
    using place = makePlace();
    const plain = mkdtempSync(`${tmpdir()}/smolvm-plain-`);
    try {
      for (let i = 0; i < 40; i++) applyPlain(place.folder, randomOperation(random));
      cpSync(place.folder, plain, { recursive: true, verbatimSymlinks: true });
      const original = treeOfHost(place.folder);
      const log: string[] = [];
      for (let session = 0; session < 2; session++) {
        using guest = Guest.of(place);
        for (let i = 0; i < OPERATIONS; i++) {
          const operation = randomOperation(random);
          const expected = applyPlain(plain, operation);
          const actual = applyToGuest(guest, operation);
          log.push(`${JSON.stringify(operation)} → ${expected}`);
          if (actual !== expected)
            throw new Error(`run ${run}: ${log.slice(-12).join("\n")}\nbut the guest got ${actual}`);
        }
        expect({ run, tree: treeOfGuest(guest) }).toEqual({ run, tree: treeOfHost(plain) });
      }
      using guest = Guest.of(place);
      expect({ run, tree: treeOfGuest(guest) }).toEqual({ run, tree: treeOfHost(plain) });
      expect(treeOfHost(place.folder)).toEqual(original);
    } finally {
      rmSync(plain, { recursive: true, force: true });
    }
  }
}, 120_000);
