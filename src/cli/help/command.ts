import type { CommandSpec, Example, Program, Section } from "../program/types.ts";
import { declareCommand, declareProgram } from "./declare.ts";

/** Prints a command's page: usage and options; with `long` also what it does and examples. */
export function printCommandHelp(program: Program, spec: CommandSpec, long: boolean): void {
  const arrange = (sections: readonly Section[]) => {
    const [, usage, ...rest] = sections;
    const middle = long ? [{ body: spec.text }] : [];
    const last = long
      ? [{ title: "Examples", body: spec.examples.map(exampleLine).join("\n") }]
      : [{ body: `More, with examples: ${program.name} ${spec.path.join(" ")} --help` }];
    return [
      { body: `${spec.summary}.${alsoCalled(spec)}` },
      ...(usage ? [usage] : []),
      ...middle,
      ...rest,
      ...last,
    ];
  };
  declareCommand(declareProgram(program, "", arrange), spec).outputHelp();
}

function alsoCalled({ path, aliases }: CommandSpec): string {
  const names = aliases.map((alias) => [...path.slice(0, -1), alias].join(" "));
  return names.length === 0 ? "" : ` Also called ${names.join(", ")}.`;
}

function exampleLine({ command, comment }: Example): string {
  return comment === undefined ? `  ${command}` : `  ${command}   # ${comment}`;
}
