import { namesOfStep, stepsAfter } from "../program/tree.ts";
import type { OptionSpec, Program } from "../program/types.ts";
import { NotInTable } from "./errors.ts";

/**
 * Whether an option that stands before its command has its value in the next word. A short one may have a value in one
 * command and none in another (`-t`): it then has one when the next word is neither an option nor leads to a command.
 *
 * @param next the word after it
 * @throws NotInTable when no command has it
 */
export function takesNextWord(
  program: Program,
  path: readonly string[],
  word: string,
  next: string | undefined,
): boolean {
  const mayBeValue = () =>
    next !== undefined &&
    !next.startsWith("-") &&
    !stepsAfter(program, path).some((step) => namesOfStep(step).includes(next));
  const takesWord = (name: string, isLast: boolean, matches: (spec: OptionSpec) => boolean): boolean => {
    if (name === "-h" || name === "--help") return false;
    const tables = [program.globals, ...program.commands.map((command) => command.options)];
    const options = tables.flatMap((table) => Object.values(table)).filter(matches);
    if (options.length === 0) throw new NotInTable("option", name, { path });
    const kinds = new Set(options.map(({ placeholder, optional }) => placeholder !== undefined && !optional));
    return kinds.size === 1 ? kinds.has(true) : isLast && mayBeValue();
  };
  if (word.startsWith("--")) {
    const name = word.split("=", 1)[0] as string;
    const long = name.slice(2);
    return (
      takesWord(name, true, (spec) => [spec.long, ...(spec.aliases ?? [])].includes(long)) && name === word
    );
  }
  for (let at = 1; at < word.length; at++) {
    const isLast = at === word.length - 1;
    if (takesWord(`-${word[at]}`, isLast, (spec) => spec.short === word[at])) return isLast;
  }
  return false;
}
