import type { CommandSpec, OptionSpec, Section } from "../program/types.ts";

/** What a left and a right column have between them. */
const GAP = "  ";

/** Sections under each other, a blank line between them, with a final newline; no line ends with a blank. */
export function formatPage(sections: readonly Section[]): string {
  const texts = sections.map(({ title, body }) => (title === undefined ? body : `${title}:\n${body}`));
  return `${texts.join("\n\n")}\n`;
}

/** Lines of two columns, indented. @param least width of the left column */
export function formatRows(rows: readonly (readonly [left: string, right: string])[], least = 0): string {
  const width = Math.max(least, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `${GAP}${left.padEnd(width)}${GAP}${right}`.trimEnd()).join("\n");
}

/** `machine run [OPTIONS] [--] [COMMAND...]` */
export function usageOf({ path, options, arguments: expected }: CommandSpec): string {
  const parts: string[] = [...path];
  if (Object.keys(options).length > 0) parts.push("[OPTIONS]");
  if (expected.kind === "command") {
    parts.push(expected.named ? "[[NAME] --]" : "[--]", expected.required ? "COMMAND..." : "[COMMAND...]");
  }
  if (expected.kind === "words")
    parts.push(expected.placeholder, ...(expected.command ? ["[-- COMMAND...]"] : []));
  return parts.join(" ");
}

/** A line for each option: its names, and what it does. */
export function formatOptions(options: readonly OptionSpec[], width = 0): string {
  return formatRows(
    options.map((option) => [namesWithValue(option), described(option)] as const),
    width,
  );
}

/** The same, those that have a section together under its title; the others come first. */
export function optionSections(options: readonly OptionSpec[]): Section[] {
  const width = Math.max(0, ...options.map((option) => namesWithValue(option).length));
  return titledOptions(options).map(({ title, options: own }) => ({
    title,
    body: formatOptions(own, width),
  }));
}

/** Options by the title of their section; those without one come first, as "Options". */
export function titledOptions(
  options: readonly OptionSpec[],
): { readonly title: string; readonly options: readonly OptionSpec[] }[] {
  const titles = new Set([undefined, ...options.map(({ section }) => section)]);
  return [...titles].flatMap((title) => {
    const own = options.filter(({ section }) => section === title);
    return own.length === 0 ? [] : [{ title: title ?? "Options", options: own }];
  });
}

/** `-e, --env <NAME[=VALUE]>`, `    --timings[=FORMAT]` */
export function namesWithValue({ short, long, placeholder, optional }: OptionSpec): string {
  const names = `${short === undefined ? "    " : `-${short}, `}--${long}`;
  if (placeholder === undefined) return names;
  return optional ? `${names}[=${placeholder}]` : `${names} <${placeholder}>`;
}

/** What an option does, and what is so without it. */
export function described({ description, defaultText }: OptionSpec): string {
  return defaultText === undefined ? description : `${description} (default: ${defaultText})`;
}
