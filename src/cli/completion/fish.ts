import { program } from "../commands/index.ts";
import type { ValueHint } from "../program/types.ts";
import { IMAGE_NAMES, MANY_WORDS } from "./images.ts";
import {
  BRANCHES,
  type CompletedOption,
  GROUP_PATHS,
  namesOf,
  optionsOf,
  programOptions,
  stepsFrom,
  takesWord,
} from "./words.ts";

/** The completion script for fish 3. */
export function fishScript(): string {
  return `# fish completion for smolvm, made by: smolvm completion fish

# Prints the command that the words before the cursor name; fails behind the start of a guest's command.
function __smolvm_path
    set -l path
    set -l expect 0
    for word in (commandline -opc)[2..-1]
        if test $expect = 1
            set expect 0
            continue
        end
        switch $word
            case --
                return 1
            case ${valueOptions().join(" ")}
                set expect 1
            case '-*'
            case '*'
                switch "$path/$word"
                    case /help
                    ${manyWordCase()}
${pathCases()
  .map((text) => `                    ${text}`)
  .join("\n")}
                    case '*'
                        return 1
                end
        end
    end
    echo -n "$path"
end

function __smolvm_at
    set -l path (__smolvm_path)
    and test "$path" = "$argv[1]"
end

complete -c smolvm -f
${[...commandLines(), ...optionLines(), ...argumentLines()].join("\n")}
`;
}

function valueOptions(): string[] {
  return [
    ...new Set(program.commands.flatMap((command) => optionsOf(command).filter(takesWord).flatMap(namesOf))),
  ];
}

function manyWordCase(): string {
  return `case ${MANY_WORDS.map((path) => quote(`${path}/*`)).join(" ")}`;
}

function pathCases(): string[] {
  return BRANCHES.flatMap((branch) =>
    stepsFrom(branch)
      .filter(({ path }) => path !== "help")
      .flatMap(({ word, aliases, path }) => [
        `case ${[word, ...aliases].map((name) => quote(`${branch}/${name}`)).join(" ")}`,
        `    set path ${quote(path)}`,
      ]),
  );
}

function commandLines(): string[] {
  return BRANCHES.flatMap((branch) =>
    stepsFrom(branch).map(({ word, summary }) => `${at(branch)} -a ${word} -d ${quote(summary)}`),
  );
}

function optionLines(): string[] {
  const lines = (path: string, options: readonly CompletedOption[]) =>
    options.map((option) => `${at(path)} ${optionArguments(option)}`);
  return [
    ...lines("", programOptions),
    ...GROUP_PATHS.flatMap((path) => lines(path, optionsOf(undefined))),
    ...program.commands
      .filter(({ path }) => path[0] !== "help")
      .flatMap((command) => lines(command.path.join(" "), optionsOf(command))),
  ];
}

function argumentLines(): string[] {
  return program.commands.flatMap(({ path, arguments: expected }) =>
    expected.kind === "words" && expected.hint ? [`${at(path.join(" "))} ${values(expected.hint)}`] : [],
  );
}

function optionArguments(option: CompletedOption): string {
  const { long, short, aliases = [], description, hint } = option;
  const names = [
    ...(short === undefined ? [] : [`-s ${short}`]),
    ...[long, ...aliases].map((name) => `-l ${name}`),
  ];
  const required = takesWord(option) && hint === undefined ? ["-x"] : [];
  const offered = hint === undefined ? [] : [values(hint), ...(takesWord(option) ? ["-r"] : [])];
  return [...names, ...required, ...offered, "-d", quote(description)].join(" ");
}

function values(hint: ValueHint): string {
  if (hint.kind === "file") return "-F";
  if (hint.kind === "image") {
    return `${hint.files ? "-F" : "-f"} -a '(smolvm ${IMAGE_NAMES} 2>/dev/null)'`;
  }
  if (hint.kind === "environment") return "-f -a '(set -nx)'";
  return `-f -a ${quote(hint.values.join(" "))}`;
}

function at(path: string): string {
  return `complete -c smolvm -n ${quote(`__smolvm_at ${path === "" ? '""' : `"${path}"`}`)}`;
}

/** Text as one word of fish, whose only escapes inside single quotes are \\' and \\\\. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
