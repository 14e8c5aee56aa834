import { describe, expect, test } from "bun:test";
import { SmolError } from "../../errors.ts";
import { namesOf } from "../completion/candidates.ts";
import { parseOrExplain } from "../interpret.ts";
import { commandsBelow, namesOfStep, stepsAfter } from "../program/tree.ts";
import { program } from "./index.ts";

const { commands, groups } = program;

const refusalOf = async (line: string): Promise<string> => {
  try {
    await parseOrExplain(program, line.split(" "));
  } catch (error) {
    if (error instanceof SmolError) return `${error.message} | ${error.hint}`;
    throw error;
  }
  throw new Error(`was not refused: ${line}`);
};

test("every word leads somewhere: each command and group is reached from the one above it", () => {
  const all = [...commands, ...groups];
  for (const { path } of all) {
    for (let length = 0; length < path.length; length++) {
      const word = path[length] ?? "";
      expect(stepsAfter(program, path.slice(0, length)).map(({ path: next }) => next.at(-1))).toContain(word);
    }
    expect(path.length).toBeLessThanOrEqual(3);
  }
  for (const { path } of groups) expect(commandsBelow(program, path).length).toBeGreaterThan(0);
});

test("no two steps have the same name in the same place", () => {
  for (const path of [[], ...groups.map((group) => group.path)]) {
    const names = stepsAfter(program, path).flatMap(namesOfStep);
    expect(names).toEqual([...new Set(names)]);
  }
});

test("short options that take a value in some commands only may stand before the command", async () => {
  const invocationOf = async (line: string) => {
    const parsed = await parseOrExplain(program, line.split(" "));
    return parsed.kind === "command" ? parsed.invocation : undefined;
  };
  for (const line of ["-t 5 machine stop web", "machine -t 5 stop web", "machine stop -t 5 web"]) {
    expect(await invocationOf(line)).toMatchObject({ values: { time: 5000 }, words: ["web"] });
  }
  for (const line of ["-t machine run ls", "-it machine run ls", "-ti machine run ls"]) {
    expect(await invocationOf(line)).toMatchObject({ values: { tty: true }, workload: ["ls"] });
  }
});

test("long options take a value in all commands or in none", () => {
  const kinds = new Map<string, boolean>();
  // The program's own --version is only looked for before the first word.
  const { version: _, ...globals } = program.globals;
  const tables = [globals, ...commands.map(({ options }) => options)];
  for (const option of tables.flatMap((table) => Object.values(table))) {
    const takesWord = option.placeholder !== undefined && !option.optional;
    for (const name of namesOf(option).filter((word) => word.startsWith("--"))) {
      expect([name, kinds.get(name) ?? takesWord]).toEqual([name, takesWord]);
      kinds.set(name, takesWord);
    }
  }
});

test("the program's options have no name or key of a command's", () => {
  const { version: _, ...globals } = program.globals;
  for (const { options } of commands) {
    const keys = [...Object.keys(globals), ...Object.keys(options)];
    const names = [...Object.values(globals), ...Object.values(options)].flatMap(namesOf);
    expect([keys, names]).toEqual([[...new Set(keys)], [...new Set(names)]]);
  }
});

describe("commands of three words", () => {
  test.each([
    ["config registries path", "config registries path"],
    ["config registries show --json", "config registries show"],
    ["config --json registries show", "config registries show"],
    ["--json config registries show", "config registries show"],
  ])("%s", async (line, path) => {
    const parsed = await parseOrExplain(program, line.split(" "));
    expect(parsed.kind === "command" && parsed.invocation.command.path.join(" ")).toBe(path);
  });

  test.each([
    ["config -h", { kind: "help", topic: ["config"], form: "short" }],
    ["config registries --help", { kind: "help", topic: ["config", "registries"], form: "long" }],
    ["-h config registries path", { kind: "help", topic: ["config", "registries", "path"], form: "short" }],
    ["config", { kind: "incomplete", topic: ["config"] }],
    ["config registries", { kind: "incomplete", topic: ["config", "registries"] }],
  ])("%s", async (line, parsed) => {
    expect(await parseOrExplain(program, line.split(" "))).toEqual(parsed as never);
  });

  test.each([
    [
      "config registries pth",
      "unknown command `config registries pth` | did you mean `smolvm config registries path`?",
    ],
    ["config regitsries", "unknown command `config regitsries` | did you mean `smolvm config registries`?"],
    ["config path", "unknown command `config path` | did you mean `smolvm config registries path`?"],
    [
      "config registries nonsense",
      "unknown command `config registries nonsense` | see `smolvm config registries -h`",
    ],
    ["registries", "unknown command `registries` | see `smolvm -h`"],
    ["config registries path x", "unexpected argument: x | see `smolvm config registries path -h`"],
    [
      "config registries path --json",
      "unknown option --json | --json is an option of `smolvm config registries show`",
    ],
    [
      "config registries list",
      "unknown command `config registries list` | did you mean `smolvm config registries show`?",
    ],
    [
      "config registries ls",
      "unknown command `config registries ls` | did you mean `smolvm config registries show`?",
    ],
    ["config list", "unknown command `config list` | did you mean `smolvm config show`?"],
    ["images rm --all x", "unknown option --all | --all is an option of `smolvm images prune`"],
    ["images ls --name x", "unknown option --name | did you mean --names?"],
    ["machine exec --all x", "unknown option --all | --all is an option of `smolvm machine prune`"],
    ["images --nams ls", "unknown option --nams | did you mean --names?"],
    ["machine --nams ls", "unknown option --nams | did you mean --name?"],
  ])("%s is refused", async (line, refusal) => {
    expect(await refusalOf(line)).toBe(refusal);
  });
});
