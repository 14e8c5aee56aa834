import { ExitCode } from "../../errors.ts";
import { commandsBelow } from "../program/tree.ts";
import type { CommandSpec, OptionSpec, Program } from "../program/types.ts";
import type { HelpDocument, HelpMethod } from "./document-schema.ts";
import { described, usageOf } from "./page.ts";

/** What a caller should reckon with; the words are those that adapters use. */
const DURATION_CLASSES = {
  fast: "below a second",
  med: "a few seconds",
  slow: "as long as a program in a machine, a download or a boot takes",
} as const;

const USUAL_EXITS = {
  "0": "done",
  "1": "failed: the error is on stderr",
  "2": "wrong arguments: nothing was done",
};

/** Those of a command that runs another one in a machine. */
const WORKLOAD_EXITS = {
  "0": "done, or the command's own code",
  "1-255": "the command's own code; 128+N when signal N ended it",
  "2": "wrong arguments: nothing was done",
  [ExitCode.timeout]: "--timeout was reached",
  [ExitCode.beforeCommand]: "smolvm failed: the error is on stderr",
  [ExitCode.notExecutable]: "the command cannot be executed",
  [ExitCode.notFound]: "there is no such command in the machine",
};

/** The commands whose words begin with `topic`, and how to call them, for programs. */
export function helpDocument(program: Program, topic: readonly string[]): HelpDocument {
  return {
    schema: 1,
    app: program.name,
    version: program.version,
    description: program.summary,
    duration_classes: DURATION_CLASSES,
    methods: commandsBelow(program, topic).map((command) => methodOf(program, command)),
  };
}

function methodOf({ name, globals }: Program, command: CommandSpec): HelpMethod {
  const { path, aliases, kind, summary, duration, interactive, arguments: expected } = command;
  const { help: _, version: __, ...ofProgram } = globals;
  const options = { ...command.options, ...ofProgram };
  const runsAnother = command.failureCode === ExitCode.beforeCommand;
  return {
    method: path.join(" "),
    argv: [...path],
    aliases: aliases.map((alias) => [...path.slice(0, -1), alias].join(" ")),
    kind,
    summary,
    usage: `${name} ${usageOf(command)}`,
    duration,
    params: Object.fromEntries(Object.values(options).map((option) => [`--${option.long}`, paramOf(option)])),
    passthrough: expected.kind === "command" || (expected.kind === "words" && expected.command === true),
    interactive,
    json: "json" in options,
    exit: runsAnother ? WORKLOAD_EXITS : USUAL_EXITS,
    examples: command.examples.map((example) => example.command),
  };
}

function paramOf(option: OptionSpec): string {
  const { placeholder, optional } = option;
  const shown = placeholder === undefined ? "" : optional ? `[=${placeholder}] ` : `<${placeholder}> `;
  return shown + described(option);
}
