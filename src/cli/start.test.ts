import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** What is loaded before the first `await import()`: files of this project, and modules of the runtime. */
function loadedAtOnce(entries: readonly string[]): { files: string[]; modules: string[] } {
  const files = new Set<string>();
  const modules = new Set<string>();
  const queue = entries.map((entry) => resolve(import.meta.dir, entry));
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const { path, kind } of transpiler.scanImports(readFileSync(file, "utf8"))) {
      if (kind !== "import-statement") continue;
      if (/^\..*\.ts$/.test(path)) queue.push(resolve(dirname(file), path));
      else modules.add(path);
    }
  }
  return { files: [...files], modules: [...modules] };
}

test("what every command loads has nothing that only some need", () => {
  const { files: loaded, modules } = loadedAtOnce([
    "index.ts",
    "interpret.ts",
    "commands/alone.ts",
    "commands/index.ts",
  ]);
  expect(loaded.length).toBeGreaterThan(30);
  // Others take milliseconds: node:tty brings sockets and streams along.
  expect(modules.sort()).toEqual(["../package.json", "node:fs", "node:os"]);
  const light = /\/src\/(cli\/(commands|options|parse|program|values)\/|cli\/[\w-]+\.ts$|values\/|\w+\.ts$)/;
  // Files that load next to nothing themselves.
  const known = [
    "confine/types.ts",
    "engine/types.ts",
    "image/source-kind.ts",
    "machine/root/stop-signal.ts",
  ];
  const others = loaded.filter((file) => !light.test(file)).map((file) => file.replace(/.*\/src\//, ""));
  expect(others.sort()).toEqual(known);
});

test("--version loads no module of the runtime: node:fs takes as long as half of the runtime's own start", () => {
  const { files, modules } = loadedAtOnce(["../main.ts", "index.ts"]);
  expect(modules).toEqual(["../package.json"]);
  expect(files.length).toBeLessThan(16);
});

test("a frequent command is loaded without the others", () => {
  const entries = ["index.ts", "interpret.ts", "commands/alone.ts", "commands/machine/exec.ts"];
  const commands = loadedAtOnce(entries).files.filter((file) => /\/cli\/commands\/\w+\//.test(file));
  expect(commands.map((file) => file.replace(/.*\/commands\//, ""))).toEqual(["machine/exec.ts"]);
});

test("what a command about machines loads has no module of the runtime that takes milliseconds", () => {
  const client = ["../machine/client/connect.ts", "../machine/client/secrets.ts"];
  const lazy = ["../machine/index.ts", "context.ts", "work/exec.ts", "terminal/index.ts", ...client];
  const { modules } = loadedAtOnce(["index.ts", "interpret.ts", "commands/machine/exec.ts", ...lazy]);
  // node:util takes three or more, node:fs/promises two.
  expect(modules.sort()).toEqual(["../package.json", "bun:ffi", "node:fs", "node:path"]);
});

test("what a run of a cached image loads has nothing that only a download needs", () => {
  const lazy = [
    "../machine/index.ts",
    "options/run-request.ts",
    "progress/pull-report.ts",
    "../image/index.ts",
  ];
  const { files: loaded } = loadedAtOnce([
    "index.ts",
    "interpret.ts",
    "commands/alone.ts",
    "commands/machine/run.ts",
    ...lazy,
  ]);
  expect(loaded.length).toBeGreaterThan(60);
  const unneeded =
    /\/cli\/(format|help|explain|completion|show)\/|\/cli\/progress\/(?!pull-report)|\/registry\/|\/image\/(pull|manage|tar)\//;
  expect(loaded.filter((file) => unneeded.test(file))).toEqual([]);
});

test("what asks how a machine is planned loads no engine: only a start needs one", () => {
  const { files: loaded } = loadedAtOnce([
    "../machine/plan/index.ts",
    "../machine/client/policy.ts",
    "../machine/client/update.ts",
    "../machine/client/containers.ts",
  ]);
  expect(loaded.length).toBeGreaterThan(60);
  // The user's own libkrun is looked for with the files; the names of engines are checked everywhere.
  const engine = loaded.filter((file) => /\/src\/engine\//.test(file));
  expect(engine.map((file) => file.replace(/.*\/engine\//, "")).sort()).toEqual([
    "krun/library.ts",
    "types.ts",
  ]);
});
