import { version } from "../../version.ts";
import { COMMANDS, GLOBAL_OPTIONS, GROUPS } from "../table/index.ts";
import { commandsBelow } from "../table/tree.ts";
import type { CommandSpec } from "../table/types.ts";
import { declareCommand, declareProgram, type Section } from "./declare.ts";
import { MANUAL } from "./manual.ts";

const TITLE = `smolvm ${version}: boots any container image as a microVM from one file, without a daemon.`;

/** `smolvm -h`: the commands and the program's own options. */
export function printOverview(): void {
  printProgram("COMMAND [OPTIONS]", COMMANDS, (usage, commands) => [
    { body: TITLE },
    usage,
    commands,
    globalOptions(),
    { body: "The manual, also for coding agents: smolvm --help\nA command's help: smolvm COMMAND -h" },
  ]);
}

/** `smolvm machine --help`: the commands below a group. */
export function printGroupHelp(path: readonly string[]): void {
  const name = path.join(" ");
  const group = GROUPS.find((candidate) => candidate.path.join(" ") === name);
  const aliases = (group?.aliases ?? []).map((alias) => [...path.slice(0, -1), alias].join(" "));
  printProgram(`${name} COMMAND [OPTIONS]`, commandsBelow(path), (usage, commands) => [
    { body: `${group?.summary}${aliases.length === 0 ? "" : ` (${[name, ...aliases].join(", ")})`}.` },
    usage,
    commands,
    { body: `A command's help: smolvm ${name} COMMAND -h` },
  ]);
}

/** `smolvm --help`: everything that is needed to use the program, in one page. */
export function printManual(): void {
  printProgram("COMMAND [OPTIONS]", COMMANDS, (usage, commands) => [
    { body: TITLE },
    ...MANUAL.introduction,
    usage,
    commands,
    globalOptions(),
  ]);
  // A command that is another one under a shorter name has that one's options.
  const printed = new Set<CommandSpec["options"]>();
  for (const command of COMMANDS) {
    if (!printed.has(command.options)) printOptions(command);
    printed.add(command.options);
  }
  printProgram("", [], () => [...MANUAL.rules]);
}

function printProgram(
  usage: string,
  commands: readonly CommandSpec[],
  arrange: (usage: Section, commands: Section) => Section[],
): void {
  const program = declareProgram(usage, ([, usageSection, commandSection]) =>
    arrange(usageSection ?? { body: "" }, commandSection ?? { body: "" }),
  );
  for (const command of commands) declareCommand(program, command);
  program.outputHelp();
}

/** A command's options under its usage line, for the manual; nothing for a command that has none. */
function printOptions(spec: CommandSpec): void {
  if (Object.keys(spec.options).length === 0) return;
  const program = declareProgram("", (sections) => {
    const usage = sections[1]?.body.trim().replace("$ ", "");
    return [{ title: `\nOptions of ${usage}`, body: sections[2]?.body ?? "" }];
  });
  declareCommand(program, spec).outputHelp();
}

function globalOptions(): Section {
  const lines = GLOBAL_OPTIONS.map(
    ({ short, long, description }) => `  -${short}, --${long}`.padEnd(19) + description,
  );
  return { title: "Options", body: lines.join("\n") };
}
