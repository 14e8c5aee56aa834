import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { withDirectory, withRecorder } from "../image.fixture.ts";
import { readRootDirectory } from "./root-directory.ts";

/** So many take longer than the program may be deaf. */
const FILES = 20_000;

test("a directory of small files can be given up while it is read", async () => {
  await withDirectory(async (directory) => {
    for (let at = 0; at < FILES; at++) {
      const folder = `${directory}/d${at % 10}`;
      if (at < 10) mkdirSync(folder);
      writeFileSync(`${folder}/f${at}`, "x");
    }
    const stop = new AbortController();
    const reading = withRecorder((recorder) =>
      readRootDirectory(directory, recorder, { signal: stop.signal }),
    );
    // Fires only if the reader lets anything else happen.
    setTimeout(() => stop.abort(new Error("stop")), 1);
    await expect(reading).rejects.toThrow("stop");
  });
}, 60_000);
