import { commandsBelow } from "../program/tree.ts";
import type { CommandSpec, OptionSpec, Program, Section } from "../program/types.ts";
import { formatOptions, formatRows, usageOf } from "./page.ts";

/** `smolvm -h`: the commands and the program's own options. */
export function overviewPage(program: Program): Section[] {
  const { name } = program;
  return [
    title(program),
    usage(program),
    commandList(program.commands),
    globalOptions(program),
    { body: `The manual, also for coding agents: ${name} --help\nA command's help: ${name} COMMAND -h` },
  ];
}

/** `smolvm machine --help`: the commands below a group. */
export function groupPage(program: Program, path: readonly string[]): Section[] {
  const words = path.join(" ");
  const group = program.groups.find((candidate) => candidate.path.join(" ") === words);
  const aliases = (group?.aliases ?? []).map((alias) => [...path.slice(0, -1), alias].join(" "));
  return [
    { body: `${group?.summary}${aliases.length === 0 ? "" : ` (${[words, ...aliases].join(", ")})`}.` },
    usage(program, path),
    commandList(commandsBelow(program, path)),
    { body: `A command's help: ${program.name} ${words} COMMAND -h` },
  ];
}

/** `smolvm --help`: everything that is needed to use the program, in one page. */
export async function manualPage(program: Program): Promise<Section[]> {
  const { introduction, rules } = await program.manual();
  return [
    title(program),
    ...introduction,
    usage(program),
    commandList(program.commands),
    globalOptions(program),
    ...optionsOfEach(program),
    ...rules,
  ];
}

/** The options of each command that has some. What several commands have is described once. */
function optionsOfEach(program: Program): Section[] {
  const described = new Set<OptionSpec>();
  return program.commands.flatMap((command) => {
    const all = Object.values(command.options);
    const added = all.filter((option) => !described.has(option));
    // A command that is another one under a shorter name has that one's options.
    if (added.length === 0) return [];
    for (const option of added) described.add(option);
    const again = all.filter((option) => !added.includes(option)).map(({ long }) => `--${long}`);
    const body = [formatOptions(added), ...(again.length > 0 ? [wrap("as above:", again)] : [])].join("\n");
    return [{ title: `Options of ${program.name} ${usageOf(command)}`, body }];
  });
}

/** Words in indented lines of at most 100 columns. */
function wrap(start: string, words: readonly string[]): string {
  const lines: string[] = [];
  let line = `  ${start}`;
  for (const word of words) {
    if (line.length + 1 + word.length > 100) {
      lines.push(line);
      line = "   ";
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\n");
}

function title({ name, version, summary }: Program): Section {
  return { body: `${name} ${version}: ${summary}.` };
}

function usage({ name }: Program, path: readonly string[] = []): Section {
  return { title: "Usage", body: `  ${[name, ...path, "COMMAND", "[OPTIONS]"].join(" ")}` };
}

function commandList(commands: readonly CommandSpec[]): Section {
  return {
    title: "Commands",
    body: formatRows(commands.map(({ path, summary }) => [path.join(" "), summary] as const)),
  };
}

function globalOptions({ globals }: Program): Section {
  return { title: "Options", body: formatOptions(Object.values(globals)) };
}
