import { commandsBelow } from "../program/tree.ts";
import type { CommandSpec, Example, GroupSpec, OptionSpec, Program, Section } from "../program/types.ts";
import { described, namesWithValue, titledOptions, usageOf } from "./page.ts";

/**
 * The manual as man pages (man(7)): `smolvm.1`, and one for each command and each group. Made from the same table as
 * `--help`, so that neither says what the other does not.
 */

export interface ManPage {
  /** `smolvm-machine-run.1` */
  readonly name: string;
  readonly text: string;
}

/** @param date of the release, `2025-01-01`: what makes pages shows nothing of when they were made. */
export async function manPages(program: Program, date: string): Promise<ManPage[]> {
  return [
    await programPage(program, date),
    ...program.groups.map((group) => groupPage(program, group, date)),
    ...program.commands.map((command) => commandPage(program, command, date)),
  ];
}

async function programPage(program: Program, date: string): Promise<ManPage> {
  const { introduction, rules } = await program.manual();
  return page(program, [], program.summary, date, [
    heading("SYNOPSIS", `.B ${text(program.name)}\n.I COMMAND\n[\\fIOPTIONS\\fR]`),
    heading("DESCRIPTION", introduction.map(sectionBody).join("\n.PP\n")),
    heading("COMMANDS", commandList(program, program.commands)),
    heading("OPTIONS", optionList(Object.values(program.globals))),
    ...rules.map(({ title = "", body }) => heading(title.toUpperCase(), prose(body))),
  ]);
}

function groupPage(program: Program, group: GroupSpec, date: string): ManPage {
  return page(program, group.path, group.summary, date, [
    heading("SYNOPSIS", `.B ${text([program.name, ...group.path].join(" "))}\n.I COMMAND\n[\\fIOPTIONS\\fR]`),
    heading("COMMANDS", commandList(program, commandsBelow(program, group.path))),
    seeAlso([program.name]),
  ]);
}

function commandPage(program: Program, command: CommandSpec, date: string): ManPage {
  const { path, aliases, summary, options, text: body, examples } = command;
  const also = aliases.map((alias) => [...path.slice(0, -1), alias].join(" "));
  const called = also.length === 0 ? "" : `\n.PP\nAlso called ${text(also.join(", "))}.`;
  return page(program, path, summary, date, [
    heading("SYNOPSIS", `.B ${text(`${program.name} ${usageOf(command)}`)}`),
    heading("DESCRIPTION", prose(body) + called),
    ...titledOptions(Object.values(options)).map(({ title, options: own }) =>
      heading(title.toUpperCase(), optionList(own)),
    ),
    heading("EXAMPLES", verbatim(examples.map(exampleLine).join("\n"))),
    seeAlso([program.name, ...groupsOf(program, path)]),
  ]);
}

/** The pages of the groups that a command is in. */
function groupsOf({ name, groups }: Program, path: readonly string[]): string[] {
  return groups
    .filter((group) => group.path.every((word, index) => path[index] === word))
    .map((group) => [name, ...group.path].join("-"));
}

function page(
  program: Program,
  path: readonly string[],
  summary: string,
  date: string,
  headings: readonly string[],
): ManPage {
  const name = [program.name, ...path].join("-");
  const title = `.TH ${name.toUpperCase()} 1 ${date} "${program.name} ${program.version}" "${program.name} manual"`;
  const purpose = `.SH NAME\n${name.replaceAll("-", "\\-")} \\- ${text(summary)}`;
  return { name: `${name}.1`, text: `${[title, purpose, ...headings].join("\n")}\n` };
}

const heading = (title: string, body: string) => `.SH ${quoted(title)}\n${body}`;

const seeAlso = (names: readonly string[]) =>
  heading("SEE ALSO", names.map((name) => `.BR ${text(name)} (1)`).join(",\n"));

function sectionBody({ title, body }: Section): string {
  return title === undefined ? prose(body) : `.B ${text(title)}\n.PP\n${prose(body)}`;
}

function commandList({ name }: Program, commands: readonly CommandSpec[]): string {
  return commands
    .map(({ path, summary }) => `.TP\n.BR ${text([name, ...path].join("-"))} (1)\n${text(summary)}.`)
    .join("\n");
}

function optionList(options: readonly OptionSpec[]): string {
  return options
    .map((option) => `.TP\n.B ${text(namesWithValue(option).trimStart())}\n${text(described(option))}.`)
    .join("\n");
}

const exampleLine = ({ command, comment }: Example) =>
  comment === undefined ? command : `# ${comment}\n${command}`;

/** Paragraphs; one with an indented line is a table or a list, whose lines stay as they are. */
function prose(body: string): string {
  return body
    .split("\n\n")
    .map((paragraph) => (/^ /m.test(paragraph) ? verbatim(paragraph) : lines(paragraph)))
    .join("\n.PP\n");
}

const verbatim = (body: string) => `.nf\n${lines(body)}\n.fi`;

const lines = (body: string) => body.split("\n").map(text).join("\n");

/** A line of text: what roff would take for an escape, a request or a typographic dash is itself. */
function text(line: string): string {
  const escaped = line
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replace(/"/g, "\\(dq");
  return /^['.]/.test(escaped) ? `\\&${escaped}` : escaped;
}

const quoted = (title: string) => `"${text(title)}"`;
