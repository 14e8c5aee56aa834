import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { program } from "../commands/index.ts";
import { SHELLS } from "../commands/system/completion.ts";
import { globals } from "../options/globals.ts";
import type { CommandSpec } from "../program/types.ts";
import { namesOf } from "./candidates.ts";
import { complete, type Shell } from "./completion.fixture.ts";

const IN_MACHINE = program.commands.filter(({ path }) => path[0] === "machine");
/** A group's name once. */
const MACHINE_COMMANDS = [...new Set(IN_MACHINE.map(({ path }) => path[1] as string))].sort();

/** What is typed before Tab, and the words that every shell offers for it. */
const LINES: readonly [string, readonly string[]][] = [
  [
    "smolvm ",
    [
      "completion",
      "config",
      "container",
      "cp",
      "docker",
      "doctor",
      "help",
      "images",
      "keygen",
      "licences",
      "machine",
      "mcp",
      "pack",
      "pull",
      "self-update",
      "serve",
      "smolfile",
      "version",
      "volume",
    ],
  ],
  ["smolvm m", ["machine", "mcp"]],
  ["smolvm -", ["--error-format", "--help", "--version", "-V", "-h"]],
  ["smolvm machine ", MACHINE_COMMANDS],
  ["smolvm machine u", ["update"]],
  ["smolvm image ", ["inspect", "ls", "prune", "pull", "rm", "save"]],
  ["smolvm images rm --fo", ["--force"]],
  ["smolvm machine run --pull ", ["always", "missing", "never"]],
  ["smolvm vm r", ["resize", "run"]],
  ["smolvm help machine ", MACHINE_COMMANDS],
  ["smolvm machine run --eng", ["--engine"]],
  ["smolvm vm run --im", ["--image"]],
  ["smolvm machine list --j", ["--json"]],
  ["smolvm machine run --engine ", ["krun", "qemu"]],
  ["smolvm machine run -it --engine q", ["qemu"]],
  ["smolvm machine run -e SMOLVM_TEST", ["SMOLVM_TEST_VARIABLE"]],
  // A value, whatever it looks like, is no command.
  ["smolvm machine run -u a:b --cpu", ["--cpus"]],
  ["smolvm machine run --user=a:b --cpu", ["--cpus"]],
  ["smolvm machine run --name machine --cpu", ["--cpus"]],
  // What runs in the guest is none of our business.
  ["smolvm machine run -- --", []],
  ["smolvm machine run echo --", []],
  ["smolvm machine run -it sh r", []],
  ["smolvm completion ", ["bash", "fish", "zsh"]],
  ["smolvm machine exec --name ", ["box", "web-1"]],
  ["smolvm machine exec b", ["box"]],
  ["smolvm machine images -n w", ["web-1"]],
  ["smolvm machine cp we", ["web-1:"]],
  ["smolvm machine stop ", ["box", "web-1"]],
  ["smolvm machine rm -f box ", ["box", "web-1"]],
  ["smolvm machine status box ", []],
  ["smolvm machine update box -- ", []],
  ["smolvm machine kill -s ", []],
  ["smolvm machine wait --until h", ["healthy"]],
  ["smolvm --error-format ", ["json", "text"]],
];

const { help, errorFormat } = globals;
const optionsOf = ({ options }: CommandSpec) => [...Object.values(options), help, errorFormat];

/** Where shells differ in what they call the word to insert. */
const AFTER_EQUALS: Record<Shell, (option: string, word: string) => string> = {
  bash: (_, word) => word,
  zsh: (_, word) => word,
  fish: (option, word) => `${option}=${word}`,
};

/** Shells start the program at each Tab, on machines that are busy with other tests. */
setDefaultTimeout(120_000);

describe.each(SHELLS.map((shell) => [shell]))("%s", (shell) => {
  test("offers what may come next", async () => {
    const offered = await complete(
      shell,
      LINES.map(([line]) => line),
    );
    expect(Object.fromEntries(LINES.map(([line], index) => [line, offered[index]]))).toEqual(
      Object.fromEntries(LINES.map(([line, words]) => [line, [...words]])),
    );
  });

  test("offers every option of every command", async () => {
    const commands = program.commands.filter(({ path }) => path[0] !== "help");
    const offered = await complete(
      shell,
      commands.map(({ path }) => `smolvm ${path.join(" ")} --`),
    );
    const long = (name: string) => name.startsWith("--");
    for (const [index, command] of commands.entries()) {
      // Some shells list --timings, some --timings=, and fish both.
      const words = offered[index]?.map((word) => word.replace(/=$/, "")).filter(long);
      expect([...new Set(words)].sort()).toEqual(optionsOf(command).flatMap(namesOf).filter(long).sort());
    }
  });

  test("offers values behind =", async () => {
    const offered = await complete(shell, ["smolvm machine run --engine=q", "smolvm vm run --timings="]);
    const spelt = AFTER_EQUALS[shell];
    expect(offered).toEqual([
      [spelt("--engine", "qemu")],
      [spelt("--timings", "json"), spelt("--timings", "text")],
    ]);
  });

  test("offers files for images", async () => {
    const [words] = await complete(shell, ["smolvm machine run --image an"]);
    expect(words?.map((word) => word.replaceAll("\\", ""))).toEqual(["an image.tar"]);
  });
});
