/**
 * Random operations in a guest, and the same ones on a plain directory: when all changes are applied, the host's folder
 * is that directory, and nothing is left to apply. The seed is printed; SEED repeats it.
 */
import { expect, test } from "bun:test";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  applyPlain,
  applyToGuest,
  Random,
  randomOperation,
  treeOfGuest,
  treeOfHost,
} from "../layer/model.fixture.ts";
import { Guest, makePlace } from "../workspace.fixture.ts";
import { openWorkspace } from "../workspace.ts";
import { applyChanges } from "./apply.ts";
import { changesOf } from "./changes.ts";
import { discardChanges } from "./discard.ts";

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const RUNS = 20;

/** @param links whether files get more names: an apply makes separate files of them, so what comes later may differ */
function operate(random: Random, guest: Guest, plain: string, links: boolean): string[] {
  return Array.from({ length: 60 }, () => {
    const operation = randomOperation(random);
    if (operation.op === "link" && !links) return "";
    applyToGuest(guest, operation);
    return `${JSON.stringify(operation)} → ${applyPlain(plain, operation)}`;
  });
}

for (const isServed of [false, true]) {
  test(`an apply makes the host's folder what the guest has, ${isServed ? "while" : "after"} it runs (SEED=${seed})`, () => {
    for (let run = 0; run < RUNS; run++) {
      const random = new Random(seed + run);
      using place = makePlace();
      const plain = mkdtempSync(`${tmpdir()}/smolvm-plain-`);
      try {
        for (let i = 0; i < 60; i++) applyPlain(place.folder, randomOperation(random));
        cpSync(place.folder, plain, { recursive: true, verbatimSymlinks: true });
        let guest = Guest.of(place);
        for (let round = 0; round < 3; round++) {
          const log = operate(random, guest, plain, round === 2);
          if (!isServed) guest[Symbol.dispose]();
          {
            using workspace = openWorkspace(place, "change");
            expect(workspace.isServed).toBe(isServed);
            const { kept } = applyChanges(workspace);
            expect({ run, round, kept, log }).toEqual({ run, round, kept: [], log });
            expect({ run, round, tree: treeOfHost(place.folder), log }).toEqual({
              run,
              round,
              tree: treeOfHost(plain),
              log,
            });
            expect({ run, left: changesOf(workspace) }).toEqual({ run, left: [] });
          }
          if (!isServed)
            expect({ run, data: readdirSync(`${place.directory}/data`) }).toEqual({ run, data: [] });
          if (!isServed) guest = Guest.of(place);
          expect({ run, round, tree: treeOfGuest(guest) }).toEqual({ run, round, tree: treeOfHost(plain) });
        }
        guest[Symbol.dispose]();
      } finally {
        rmSync(plain, { recursive: true, force: true });
      }
    }
  }, 120_000);
}

for (const isServed of [false, true]) {
  test(`a discard gives the guest the host's folder back, ${isServed ? "while" : "after"} it runs (SEED=${seed})`, () => {
    for (let run = 0; run < RUNS; run++) {
      const random = new Random(seed + run);
      using place = makePlace();
      for (let i = 0; i < 60; i++) applyPlain(place.folder, randomOperation(random));
      const original = treeOfHost(place.folder);
      let guest = Guest.of(place);
      for (let i = 0; i < 100; i++) applyToGuest(guest, randomOperation(random));
      if (!isServed) guest[Symbol.dispose]();
      {
        using workspace = openWorkspace(place, "change");
        discardChanges(workspace);
        expect({ run, left: changesOf(workspace) }).toEqual({ run, left: [] });
      }
      if (!isServed) guest = Guest.of(place);
      expect({ run, tree: treeOfGuest(guest) }).toEqual({ run, tree: original });
      expect(treeOfHost(place.folder)).toEqual(original);
      guest[Symbol.dispose]();
    }
  }, 120_000);
}
