import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** The files of this project that are loaded before the first `await import()`. */
function loadedAtOnce(entries: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const queue = entries.map((entry) => resolve(import.meta.dir, entry));
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const { path, kind } of transpiler.scanImports(readFileSync(file, "utf8"))) {
      if (kind === "import-statement" && /^\..*\.ts$/.test(path)) queue.push(resolve(dirname(file), path));
    }
  }
  return seen;
}

test("what a run of a cached image loads has nothing that only a download needs", () => {
  const loaded = [...loadedAtOnce(["index.ts", "interpret.ts", "commands/run.ts", "../image/index.ts"])];
  expect(loaded.length).toBeGreaterThan(30);
  const unneeded =
    /\/cli\/(progress|format|help|explain|completion)\/|\/cli\/commands\/images\/|\/registry\/|\/image\/(pull|manage|tar)\//;
  expect(loaded.filter((file) => unneeded.test(file))).toEqual([]);
});
