import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { debianImage } from "../support/debian.ts";
import { imageWith } from "../support/images.ts";
import { useMachines } from "../support/machines.ts";
import { newerPython } from "../support/newer-python.ts";
import { collect } from "../support/process.ts";
import { program, slowness } from "../support/program.ts";

/**
 * The Python package: its own tests (`python/tests`), each of which is one here too, with the Python of Debian and, those
 * that need few machines, with a newer one. (How it is installed: test/release/release.test.ts.)
 */

const folder = `${import.meta.dir}/../../python`;
const machines = useMachines();
const work = mkdtempSync("/tmp/sv-python-");
afterAll(() => rmSync(work, { recursive: true }));

/** The whole of it, where two busy cores emulate all machines. */
const LIMIT_MS = 400_000 * slowness;

const debian = "/usr/bin/python3";

interface Outcome {
  readonly name: string;
  readonly ok: boolean;
  readonly said: string;
}

const testsOf = (file: string) =>
  [...readFileSync(`${folder}/tests/${file}`, "utf8").matchAll(/^ {4}(?:async )?def (test_\w+)/gm)].map(
    (match) => match[1] as string,
  );

const environment = async () => ({
  ...machines.env,
  SMOLVM_BIN: program,
  PYTHONPATH: `${folder}/src`,
  PYTHONDONTWRITEBYTECODE: "1",
  TEST_STUBBORN_IMAGE: await imageWith({
    Cmd: ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
  }),
  TEST_SSH_IMAGE: await debianImage(["openssh-server"]),
});

/** Runs these files of tests. What each test came to, by its name. */
async function outcomes(python: string, files: readonly string[]): Promise<Map<string, Outcome>> {
  const results = `${work}/${files.length}.jsonl`;
  const child = Bun.spawn([python, `${folder}/tests/run.py`, results, ...files], {
    env: await environment(),
    stdout: "pipe",
    stderr: "pipe",
  });
  const { exitCode, stderr } = await collect(child, `the Python tests of ${files}`, LIMIT_MS);
  if (exitCode !== 0) throw new Error(`run.py: ${exitCode}: ${stderr}`);
  const lines = readFileSync(results, "utf8").trim().split("\n");
  const known = new Map<string, Outcome>();
  for (const outcome of lines.map((line) => JSON.parse(line) as Outcome)) {
    const name = outcome.name.split(".").at(-1) as string;
    // Of the parts of a test that failed, each has a line; the first one counts.
    if (known.get(name)?.ok !== false) known.set(name, outcome);
    if (!outcome.ok && !name.startsWith("test_")) throw new Error(`${outcome.name}: ${outcome.said}`);
  }
  return known;
}

/** Declares a test for each of the files' own. */
function suite(title: string, python: () => Promise<string>, files: readonly string[]): void {
  describe(title, () => {
    let found: Promise<Map<string, Outcome>> | undefined;
    for (const name of files.flatMap(testsOf)) {
      test(
        name,
        async () => {
          found ??= python().then((path) => outcomes(path, files));
          expect((await found).get(name)).toEqual(expect.objectContaining({ ok: true, said: "" }));
        },
        LIMIT_MS,
      );
    }
  });
}

const all = readdirSync(`${folder}/tests`).filter((name) => /^test_.*\.py$/.test(name));
suite("with Debian's Python", async () => debian, all);
suite("with a newer Python", newerPython, ["test_values.py", "test_forms.py"]);
