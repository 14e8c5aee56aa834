import type { CommandSpec, Example } from "../table/types.ts";
import { declareCommand, declareProgram, type Section } from "./declare.ts";

/** Prints a command's page: usage and options; with `long` also what it does and examples. */
export async function printCommandHelp(spec: CommandSpec, long: boolean): Promise<void> {
  const details = await spec.details();
  const arrange = (sections: readonly Section[]) => {
    const [, usage, ...rest] = sections;
    const middle = long ? [{ body: details.text }] : [];
    const last = long
      ? [{ title: "Examples", body: details.examples.map(exampleLine).join("\n") }]
      : [{ body: `More, with examples: smolvm ${spec.path.join(" ")} --help` }];
    return [
      { body: `${spec.summary}.${alsoCalled(spec)}` },
      ...(usage ? [usage] : []),
      ...middle,
      ...rest,
      ...last,
    ];
  };
  declareCommand(declareProgram("", arrange), spec).outputHelp();
}

function alsoCalled({ path, aliases }: CommandSpec): string {
  const names = aliases.map((alias) => [...path.slice(0, -1), alias].join(" "));
  return names.length === 0 ? "" : ` Also called ${names.join(", ")}.`;
}

function exampleLine({ command, comment }: Example): string {
  return comment === undefined ? `  ${command}` : `  ${command}   # ${comment}`;
}
