import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

const directory = mkdtempSync(`${tmpdir()}/smolvm-words-`);
afterAll(() => rmSync(directory, { recursive: true }));

const program = `${directory}/program.ts`;
writeFileSync(
  program,
  `import { commandLineWords, environment } from "${import.meta.dir}/command-line.ts";
   process.env.CHANGED = "\\ufffd new";
   const { PLAIN, RAW, CHANGED } = environment();
   console.log(JSON.stringify({ words: commandLineWords(), PLAIN, RAW, CHANGED }));`,
);

/** Runs the program by a shell, which passes on any bytes. */
function run(words: string, variables: string): unknown {
  const line = `env ${variables} "$0" "$1" ${words}`;
  const result = Bun.spawnSync(["sh", "-c", line, process.execPath, program], { stdin: "ignore" });
  expect(`${result.exitCode} ${result.stderr}`).toBe("0 ");
  return JSON.parse(result.stdout.toString());
}

test("words and variables that are text are as they are", () => {
  expect(run("a é ''", "PLAIN=é")).toEqual({ words: ["a", "é", ""], PLAIN: "é", CHANGED: "\ufffd new" });
});

test("bytes that are not UTF-8 are lone surrogates; what the program itself has set stays", () => {
  const raw = "$(printf 'x\\377\\303')";
  expect(run(`a "${raw}" '' $(printf '\\357\\277\\275')`, `PLAIN=é RAW="${raw}" CHANGED=old`)).toEqual({
    words: ["a", "x\udcff\udcc3", "", "\ufffd"],
    PLAIN: "é",
    RAW: "x\udcff\udcc3",
    CHANGED: "\ufffd new",
  });
});
