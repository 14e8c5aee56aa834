import type { CommandSpec, Example, Program, Section } from "../program/types.ts";
import { optionSections, usageOf } from "./page.ts";

/** A command's page: usage and options; with `long` also what it does and examples. */
export function commandPage({ name }: Program, spec: CommandSpec, long: boolean): Section[] {
  const options = Object.values(spec.options);
  return [
    { body: `${spec.summary}.${alsoCalled(spec)}` },
    { title: "Usage", body: `  ${name} ${usageOf(spec)}` },
    ...(long ? [{ body: spec.text }] : []),
    ...optionSections(options),
    long
      ? { title: "Examples", body: spec.examples.map(exampleLine).join("\n") }
      : { body: `More, with examples: ${name} ${spec.path.join(" ")} --help` },
  ];
}

function alsoCalled({ path, aliases }: CommandSpec): string {
  const names = aliases.map((alias) => [...path.slice(0, -1), alias].join(" "));
  return names.length === 0 ? "" : ` Also called ${names.join(", ")}.`;
}

function exampleLine({ command, comment }: Example): string {
  return comment === undefined ? `  ${command}` : `  ${command}   # ${comment}`;
}
