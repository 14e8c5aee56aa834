import { expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { SmolError } from "../../errors.ts";
import { program } from "../commands/index.ts";
import { parseOrExplain } from "../interpret.ts";
import { runOptions } from "../options/run-options.ts";
import type { Invocation } from "../program/types.ts";

const options = program.commands.flatMap((command) => Object.values(command.options));
const KNOWN_WORDS = [
  ...program.commands.flatMap(({ path, aliases }) => [...path, ...aliases]),
  ...options.flatMap(({ long, short }) => [`--${long}`, `--${long}=`, `-${short ?? "x"}`, `--${long}=1`]),
  ...[
    "--",
    "-",
    "",
    "-h",
    "--help",
    "-V",
    "-it",
    "-ith",
    "-e=A=1",
    "1",
    "qemu",
    "json",
    "A=1",
    "/x",
    "=",
    "--=",
    "--net",
  ],
];
const anyWord = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...KNOWN_WORDS) },
  fc.string({ unit: "grapheme" }),
);
const anyArgv = fc
  .tuple(
    fc.constantFrom([], ["machine", "run"], ["machine", "ls"], ["images", "rm"], ["images", "pull"], ["vm"]),
    fc.array(anyWord, { maxLength: 12 }),
  )
  .map(([start, rest]) => [...start, ...rest]);

/** The invocation, or undefined when the arguments are refused or ask for something else. */
async function accepted(argv: readonly string[]): Promise<Invocation | undefined> {
  try {
    const parsed = await parseOrExplain(program, argv);
    return parsed.kind === "command" ? parsed.invocation : undefined;
  } catch (error) {
    if (error instanceof SmolError) return undefined;
    throw error;
  }
}

/** These are many runs, on machines that are busy with other tests. */
setDefaultTimeout(120_000);

test("any arguments are understood, or refused as wrong usage in one line", async () => {
  await fc.assert(
    fc.asyncProperty(anyArgv, async (argv) => {
      try {
        await parseOrExplain(program, argv);
      } catch (error) {
        expect(error).toBeInstanceOf(SmolError);
        expect((error as SmolError).exitCode).toBe(2);
        expect((error as SmolError).message).not.toBe("");
      }
    }),
    { numRuns: 3000 },
  );
});

test("no argument is without effect: leaving any one out changes what is asked for", async () => {
  const flags = options.filter(({ placeholder }) => placeholder === undefined);
  const letters = flags.map(({ short = "" }) => short).join("");
  const long = flags.map((option) => `--${option.long}`);
  const isFlag = (word: string) => new RegExp(`^-[${letters}]+$`).test(word) || long.includes(word);
  await fc.assert(
    fc.asyncProperty(anyArgv, async (argv) => {
      // An option without a value may be repeated, and then one of the two is without effect.
      fc.pre(argv.filter(isFlag).length < 2);
      const whole = await accepted(argv);
      fc.pre(whole !== undefined);
      for (const index of argv.keys()) {
        const rest = await accepted(argv.toSpliced(index, 1));
        expect(rest).not.toEqual(whole as Invocation);
      }
    }),
    { numRuns: 2000 },
  );
});

/** Ways to write options down, with the values that they must come out as. */
const writtenOption = fc.oneof(
  fc
    .string({ minLength: 1 })
    .map((text) => ({ words: [`--entrypoint=${text}`], key: "entrypoint", value: text })),
  fc.nat({ max: 254 }).map((n) => ({ words: ["--cpus", `${n + 1}`], key: "cpus", value: n + 1 })),
  fc.integer({ min: 64, max: 1 << 20 }).map((n) => ({ words: [`--mem=${n}M`], key: "memory", value: n })),
  fc.constant({ words: ["-it"], key: "tty", value: true }),
  fc
    .tuple(fc.stringMatching(/^[A-Z_]{1,8}$/), fc.string())
    .map(([name, value]) => ({ words: [`-e${name}=${value}`], key: "env", value: [{ name, value }] })),
  fc.stringMatching(/^\/[ -~]{0,20}$/).map((path) => ({ words: ["-w", path], key: "workdir", value: path })),
  fc
    .constantFrom("krun", "qemu")
    .map((engine) => ({ words: ["--engine", engine], key: "engine", value: engine })),
);

test("what is written is what comes out, in any order and spelling; the command is untouched", async () => {
  const distinct = fc.uniqueArray(writtenOption, { selector: ({ key }) => key });
  await fc.assert(
    fc.asyncProperty(distinct, fc.nat({ max: 7 }), fc.array(fc.string()), async (written, early, command) => {
      // Some of the options stand before the command's name.
      const words = written.map((option) => option.words);
      const argv = [
        ...words.slice(0, early).flat(),
        "machine",
        "run",
        ...words.slice(early).flat(),
        "--",
        ...command,
      ];
      const invocation = await accepted(argv);
      expect(invocation?.workload).toEqual(command);
      const expected = Object.fromEntries(written.map(({ key, value }) => [key, value]));
      const defaults = Object.fromEntries(
        Object.entries(runOptions).map(([key, spec]) => [key, spec.read([])]),
      );
      const both = "tty" in expected ? { interactive: true } : {};
      expect(invocation?.values).toEqual({ ...defaults, ...expected, ...both });
    }),
    { numRuns: 1000 },
  );
});
