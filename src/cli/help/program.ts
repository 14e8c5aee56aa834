import { commandsBelow } from "../program/tree.ts";
import type { CommandSpec, Program, Section } from "../program/types.ts";
import { declareCommand, declareProgram } from "./declare.ts";

/** `smolvm -h`: the commands and the program's own options. */
export function printOverview(program: Program): void {
  const { name } = program;
  printProgram(program, "COMMAND [OPTIONS]", program.commands, (usage, commands) => [
    title(program),
    usage,
    commands,
    globalOptions(program),
    { body: `The manual, also for coding agents: ${name} --help\nA command's help: ${name} COMMAND -h` },
  ]);
}

/** `smolvm machine --help`: the commands below a group. */
export function printGroupHelp(program: Program, path: readonly string[]): void {
  const name = path.join(" ");
  const group = program.groups.find((candidate) => candidate.path.join(" ") === name);
  const aliases = (group?.aliases ?? []).map((alias) => [...path.slice(0, -1), alias].join(" "));
  printProgram(program, `${name} COMMAND [OPTIONS]`, commandsBelow(program, path), (usage, commands) => [
    { body: `${group?.summary}${aliases.length === 0 ? "" : ` (${[name, ...aliases].join(", ")})`}.` },
    usage,
    commands,
    { body: `A command's help: ${program.name} ${name} COMMAND -h` },
  ]);
}

/** `smolvm --help`: everything that is needed to use the program, in one page. */
export async function printManual(program: Program): Promise<void> {
  const manual = await program.manual();
  printProgram(program, "COMMAND [OPTIONS]", program.commands, (usage, commands) => [
    title(program),
    ...manual.introduction,
    usage,
    commands,
    globalOptions(program),
  ]);
  // A command that is another one under a shorter name has that one's options.
  const printed = new Set<CommandSpec["options"]>();
  for (const command of program.commands) {
    if (!printed.has(command.options)) printOptions(program, command);
    printed.add(command.options);
  }
  printProgram(program, "", [], () => [...manual.rules]);
}

function printProgram(
  program: Program,
  usage: string,
  commands: readonly CommandSpec[],
  arrange: (usage: Section, commands: Section) => Section[],
): void {
  const declared = declareProgram(program, usage, ([, usageSection, commandSection]) =>
    arrange(usageSection ?? { body: "" }, commandSection ?? { body: "" }),
  );
  for (const command of commands) declareCommand(declared, command);
  declared.outputHelp();
}

/** A command's options under its usage line, for the manual; nothing for a command that has none. */
function printOptions(program: Program, spec: CommandSpec): void {
  if (Object.keys(spec.options).length === 0) return;
  const declared = declareProgram(program, "", (sections) => {
    const usage = sections[1]?.body.trim().replace("$ ", "");
    return [{ title: `\nOptions of ${usage}`, body: sections[2]?.body ?? "" }];
  });
  declareCommand(declared, spec).outputHelp();
}

function title({ name, version, summary }: Program): Section {
  return { body: `${name} ${version}: ${summary}.` };
}

function globalOptions({ globals }: Program): Section {
  const lines = globals.map(
    ({ short, long, description }) => `  -${short}, --${long}`.padEnd(19) + description,
  );
  return { title: "Options", body: lines.join("\n") };
}
