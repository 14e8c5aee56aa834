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
  quote,
  stepsFrom,
  takesWord,
} from "./words.ts";

/** The completion script for bash 3.2 and newer; needs nothing else. */
export function bashScript(): string {
  return `# bash completion for smolvm, made by: smolvm completion bash
_smolvm_reply() {
  local IFS=$' \\t\\n' word
  COMPREPLY=()
  while IFS='' read -r word; do COMPREPLY+=("$word"); done < <(compgen "$@")
}

_smolvm_files() {
  compopt -o filenames 2>/dev/null
  _smolvm_reply -f -- "$1"
}

# Names of images, which may contain colons: bash takes what follows the last one for the word, unless told otherwise.
_smolvm_images() {
  local name before=''
  if [[ $COMP_WORDBREAKS == *:* && $1 == *:* ]]; then before=\${1%"\${1##*:}"}; fi
  while IFS='' read -r name; do
    if [[ $name == "$1"* ]]; then COMPREPLY+=("\${name#"$before"}"); fi
  done < <("\${COMP_WORDS[0]}" ${IMAGE_NAMES} 2>/dev/null)
}

# The value of option $1 that starts with $2.
_smolvm_value() {
  case $1 in
${indent(valueCases(), 4)}
  esac
}

_smolvm() {
  local line=$COMP_LINE words=() word path='' expect='' help='' i
  # bash splits words at the = and : in COMP_WORDBREAKS: what has no blank before it belongs to the word before.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
      words+=("$word")
      line=\${line#"\${line%%[![:blank:]]*}"}
    else
      words[\${#words[@]} - 1]+=$word
    fi
    line=\${line#"$word"}
  done
  local cur=\${words[\${#words[@]} - 1]}
  COMPREPLY=()

  for ((i = 1; i < \${#words[@]} - 1; i++)); do
    word=\${words[i]}
    if [[ -n $expect ]]; then
      expect=''
      continue
    fi
    case $word in
      --) return ;;
      ${valueOptions().join(" | ")}) expect=$word ;;
      -*) ;;
      *)
        case $path/$word in
          /help) help=1 ;;
${indent(manyWordCases(), 10)}
${indent(pathCases(), 10)}
          *) return ;;
        esac
        ;;
    esac
  done

  if [[ -n $expect ]]; then
    _smolvm_value "$expect" "$cur"
  elif [[ $cur == --*=* ]]; then
    _smolvm_value "\${cur%%=*}" "\${cur#*=}"
    if [[ $COMP_WORDBREAKS != *=* ]]; then COMPREPLY=("\${COMPREPLY[@]/#/\${cur%%=*}=}"); fi
  elif [[ $cur == -* ]]; then
    [[ -n $help ]] && return
    case $path in
${indent(optionCases(), 6)}
    esac
  else
    case $path in
${indent(wordCases(), 6)}
    esac
  fi
}

complete -F _smolvm smolvm
`;
}

const everyOption: readonly CompletedOption[] = program.commands.flatMap((command) => [
  ...optionsOf(command),
]);

function valueOptions(): string[] {
  return [...new Set(everyOption.filter(takesWord).flatMap(namesOf))];
}

function valueCases(): string[] {
  const cases = new Map<string, string>();
  for (const option of everyOption) {
    if (option.hint) cases.set(namesOf(option).join(" | "), reply(option.hint));
  }
  return [...cases].map(([names, action]) => `${names}) ${action} ;;`);
}

function reply(hint: ValueHint, word = '"$2"'): string {
  if (hint.kind === "image") return `${hint.files ? `_smolvm_files ${word}; ` : ""}_smolvm_images ${word}`;
  if (hint.kind === "file") return `_smolvm_files ${word}`;
  if (hint.kind === "environment") return `_smolvm_reply -e -- ${word}`;
  return `_smolvm_reply -W ${quote(hint.values.join(" "))} -- ${word}`;
}

function manyWordCases(): string[] {
  return MANY_WORDS.map((path) => `${quote(`${path}/`)}*) ;;`);
}

function pathCases(): string[] {
  return BRANCHES.flatMap((branch) =>
    stepsFrom(branch)
      .filter(({ path }) => path !== "help")
      .map(({ word, aliases, path }) => {
        const patterns = [word, ...aliases].map((name) => `${quote(branch)}/${name}`);
        return `${patterns.join(" | ")}) path=${quote(path)} ;;`;
      }),
  );
}

function optionCases(): string[] {
  const line = (path: string, options: readonly CompletedOption[]) =>
    `${quote(path)}) _smolvm_reply -W ${quote(options.flatMap(namesOf).join(" "))} -- "$cur" ;;`;
  return [
    line("", programOptions),
    ...GROUP_PATHS.map((path) => line(path, optionsOf(undefined))),
    ...program.commands.map((command) => line(command.path.join(" "), optionsOf(command))),
  ];
}

function wordCases(): string[] {
  const line = (path: string, words: readonly string[]) =>
    `${quote(path)}) _smolvm_reply -W ${quote(words.join(" "))} -- "$cur" ;;`;
  return [
    ...BRANCHES.map((branch) =>
      line(
        branch,
        stepsFrom(branch).map(({ word }) => word),
      ),
    ),
    ...program.commands.flatMap(({ path, arguments: expected }) =>
      expected.kind === "words" && expected.hint !== undefined
        ? [`${quote(path.join(" "))}) ${reply(expected.hint, '"$cur"')} ;;`]
        : [],
    ),
  ];
}

function indent(lines: readonly string[], spaces: number): string {
  return lines.map((text) => " ".repeat(spaces) + text).join("\n");
}
