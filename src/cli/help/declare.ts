import { type CAC, type Command, cac } from "cac";
import type { CommandSpec, OptionSpec, Program, Section } from "../program/types.ts";

/** Changes what cac is about to print. */
export type Arrange = (sections: readonly Section[]) => Section[];

/** A cac program whose pages go through `arrange`, with the program's own options but no commands yet. */
export function declareProgram({ name }: Program, usage: string, arrange: Arrange): CAC {
  const program = cac(name);
  program.usage(usage);
  program.help((sections) => tidy(arrange(sections)) as typeof sections);
  // cac words its own two options; ours are in the table like all others.
  program.globalCommand.options = [];
  return program;
}

/** Declares a command of the table to cac. */
export function declareCommand(program: CAC, spec: CommandSpec): Command {
  const command = program.command(spec.path.join(" "), spec.summary);
  command.usage([...spec.path, usageOfArguments(spec)].filter((word) => word !== "").join(" "));
  for (const option of Object.values(spec.options)) {
    const config = option.defaultText === undefined ? {} : { default: option.defaultText };
    command.option(rawNameOf(option), option.description, config);
    // cac takes --no-proxy for the negation of an option --proxy that is on by default.
    const declared = command.options.at(-1);
    if (declared !== undefined && option.defaultText === undefined) delete declared.config.default;
  }
  return command;
}

/** `-e, --env <NAME[=VALUE]>`, `    --timings[=FORMAT]` */
function rawNameOf({ short, long, placeholder, optional }: OptionSpec): string {
  const names = `${short === undefined ? "    " : `-${short}, `}--${long}`;
  if (placeholder === undefined) return names;
  return optional ? `${names}[=${placeholder}]` : `${names} <${placeholder}>`;
}

function usageOfArguments({ options, arguments: expected }: CommandSpec): string {
  const parts = Object.keys(options).length > 0 ? ["[OPTIONS]"] : [];
  if (expected.kind === "command") parts.push("[--]", expected.required ? "COMMAND..." : "[COMMAND...]");
  if (expected.kind === "words") parts.push(expected.placeholder);
  return parts.join(" ");
}

/** cac pads and indents with spaces that nobody needs: no line ends with one. */
function tidy(sections: readonly Section[]): Section[] {
  return sections.map((section) => ({
    ...section,
    body: section.body.replace(/ +$/gm, "").replace(/^ {2}\$ /gm, "  "),
  }));
}
