import { afterAll, afterEach, test } from "bun:test";
import { Home } from "./home.ts";
import { inLab, slowness } from "./program.ts";

/**
 * Registers a whole-program test that runs on both engines: on qemu wherever the tests run, and on krun in the lab.
 * @param seconds limit on an ordinary machine
 */
export function onBoth(name: string, body: () => Promise<void>, seconds = 60): void {
  test(name, body, seconds * 1000 * slowness);
}

/** Registers a whole-program test that is too long for the lab, or says nothing about the engine. */
export function onQemu(name: string, body: () => Promise<void>, seconds = 60): void {
  if (!inLab) test(name, body, seconds * 1000);
}

/** A home for the tests of a file: each of them must leave it empty. */
export function useHome(): Home {
  const home = new Home();
  afterEach(
    async () => {
      try {
        await home.expectNothingLeft();
      } finally {
        home.clear(); // so that the next test does not fail for this one's reasons
      }
    },
    { timeout: 60_000 },
  );
  afterAll(() => home.remove());
  return home;
}
