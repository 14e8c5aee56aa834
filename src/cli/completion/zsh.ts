import { program } from "../commands/index.ts";
import type { Arguments, CommandSpec, ValueHint } from "../program/types.ts";
import { IMAGE_NAMES } from "./images.ts";
import {
  type CompletedOption,
  GROUP_PATHS,
  optionsOf,
  programOptions,
  quote,
  type Step,
  stepsFrom,
} from "./words.ts";

/** The completion script for zsh: as a file `_smolvm` in fpath, or sourced after compinit. */
export function zshScript(): string {
  return `#compdef smolvm
# zsh completion for smolvm, made by: smolvm completion zsh

_smolvm_image_names() {
  local -a names=(\${(f)"$(_call_program images smolvm ${IMAGE_NAMES} 2>/dev/null)"})
  compadd -a names
}

_smolvm_image_names_or_files() {
  _alternative 'images:image:_smolvm_image_names' 'files:file:_files'
}

_smolvm() {
${branch("", programOptions, "  ")}
}
${GROUP_PATHS.map((path) => `\n${functionOf(path)}() {\n${branch(path, optionsOf(undefined), "  ")}\n}\n`).join("")}
${program.commands.map(leaf).join("\n")}
if [[ $funcstack[1] == _smolvm ]]; then
  _smolvm "$@"
else
  compdef _smolvm smolvm
fi
`;
}

/** A function's body that completes the next word of a command's path, or hands over to that word's function. */
function branch(path: string, options: readonly CompletedOption[], indent: string): string {
  const steps = stepsFrom(path);
  const lines = [
    "local curcontext=$curcontext state line",
    "local -a commands=(",
    ...steps.map((step) => `  ${quote(describe(step))}`),
    ")",
    "_arguments -C -s -S -A '-*' \\",
    ...options.map((option) => `  ${optionSpec(option)} \\`),
    "  '1: :->command' '*:: :->rest'",
    "case $state in",
    "  command) _describe -t commands 'smolvm command' commands ;;",
    "  rest)",
    "    case $words[1] in",
    ...steps.map(
      ({ word, aliases, path: next }) => `      ${[word, ...aliases].join(" | ")}) ${functionOf(next)} ;;`,
    ),
    "    esac",
    "    ;;",
    "esac",
  ];
  return lines.map((text) => indent + text).join("\n");
}

function leaf(command: CommandSpec): string {
  const name = functionOf(command.path.join(" "));
  // `help machine run` completes like `machine run`, commands only.
  if (command.path[0] === "help") return `${name}() {\n  _smolvm\n}\n`;
  const specs = [...optionsOf(command).map(optionSpec), ...argumentSpecs(command.arguments)];
  return `${name}() {\n  _arguments -s -S -A '-*' \\\n${specs.map((spec) => `    ${spec}`).join(" \\\n")}\n}\n`;
}

function functionOf(path: string): string {
  return `_smolvm_${path.replaceAll(" ", "_")}`;
}

function describe({ word, summary }: Step): string {
  return `${word}:${summary.replaceAll(":", "\\:")}`;
}

/** `'(-I --image)'{-I+,--image=}'[text]:IMAGE:_files'` */
function optionSpec(option: CompletedOption): string {
  const { long, short, aliases = [], placeholder, optional, repeatable, hint } = option;
  const longs = [long, ...aliases].map((name) => `--${name}`);
  const names = [...(short === undefined ? [] : [`-${short}`]), ...longs];
  const marked = names.map((name) => {
    if (placeholder === undefined) return name;
    if (optional) return `${name}=-`;
    return name.startsWith("--") ? `${name}=` : `${name}+`;
  });
  const others = repeatable ? "'*'" : quote(`(${names.join(" ")})`);
  const value =
    placeholder === undefined ? "" : `${optional ? "::" : ":"}${escaped(placeholder)}:${action(hint)}`;
  const spelt = marked.length > 1 ? `{${marked.join(",")}}` : (marked[0] ?? "");
  return `${others}${spelt}${quote(`[${escaped(option.description)}]${value}`)}`;
}

function argumentSpecs(expected: Arguments): string[] {
  if (expected.kind === "none") return [];
  if (expected.kind === "command") return [quote("*::: :_message 'command to run in the machine'")];
  const position = expected.max > 1 ? "*" : "1";
  return [quote(`${position}:${escaped(expected.placeholder)}:${action(expected.hint)}`)];
}

function action(hint: ValueHint | undefined): string {
  if (hint === undefined) return " ";
  if (hint.kind === "file") return "_files";
  if (hint.kind === "image") return hint.files ? "_smolvm_image_names_or_files" : "_smolvm_image_names";
  if (hint.kind === "environment") return "_parameters -g '*export*'";
  return `(${hint.values.join(" ")})`;
}

function escaped(text: string): string {
  return text.replace(/[\\[\]:]/g, "\\$&");
}
