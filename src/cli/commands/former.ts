import { sortWords } from "../parse/index.ts";
import type { CommandSpec, Program, Renamed } from "../program/types.ts";

/**
 * The command sets of smolvm 0.1, `sandbox` and `microvm`, in the words of today: the same commands of machines, but
 * that `run` and `create` had the image as a word.
 *
 * @param argv begins with the former name
 * @throws SmolError, NotInTable for options that the command of today does not have
 */
export function rename(program: Program, argv: readonly string[]): Renamed {
  const [former = "", name = "", ...words] = argv;
  if (former === "serve" || former === "mcp") return { argv: startOf(program, argv), note: undefined };
  const command = program.commands.find(({ path, aliases }) => {
    const [group, last = "", ...more] = path;
    return group === "machine" && more.length === 0 && [last, ...aliases].includes(name);
  });
  if (command === undefined) return { argv: ["machine", ...argv.slice(1)], note: undefined };
  const [, today = ""] = command.path;
  const rewrite = { run: imageFirst, exec: dashesFirst, create: imageBehindName }[today];
  const rewritten = rewrite?.(program, command, words) ?? words;
  return {
    argv: ["machine", today, ...rewritten],
    note: isQuiet(today, rewritten)
      ? undefined
      : `\`smolvm ${former} ${name}\` is called \`smolvm machine ${today}\` now`,
  };
}

/** `serve [OPTIONS]` is `serve start [OPTIONS]`, and so with `mcp`. */
function startOf({ commands }: Program, argv: readonly string[]): readonly string[] {
  const [group = "", second = "", ...rest] = argv;
  const isCommand = commands.some(({ path }) => path[0] === group && path[1] === second);
  const isHelp = rest.length === 0 && (second === "-h" || second === "--help");
  return isCommand || isHelp ? argv : [group, "start", ...argv.slice(1)];
}

/** exec writes nothing of its own; who wants JSON, help or silence wants nothing beside it. */
function isQuiet(command: string, words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const options = end < 0 ? words : words.slice(0, end);
  return command === "exec" || options.some((word) => /^(--json|--help|-h|--quiet|-q)$/.test(word));
}

type Rewrite = (program: Program, command: CommandSpec, words: readonly string[]) => readonly string[];

const sort = ({ globals }: Program, command: CommandSpec, words: readonly string[]) => {
  const { version: _, help: __, ...options } = globals;
  return sortWords(command, options, words);
};

/** `run [OPTIONS] IMAGE [--] [COMMAND...]` */
const imageFirst: Rewrite = (program, command, words) => {
  const { workload, explicit, help, texts } = sort(program, command, words);
  const [image, ...rest] = workload;
  if (help !== undefined || image === undefined || texts.has("image")) return words;
  const options = words.slice(0, words.length - workload.length - (explicit ? 1 : 0));
  const given = rest[0] === "--" ? rest.slice(1) : rest;
  return [...options, `--image=${image}`, "--", ...given];
};

/** `exec [OPTIONS] COMMAND...`: no word before `--` is a machine's name. */
const dashesFirst: Rewrite = (program, command, words) => {
  const { words: names, workload, explicit, help } = sort(program, command, words);
  if (help !== undefined || (explicit && names.length === 0)) return words;
  const guest = [...names, ...(names.length > 0 ? ["--"] : []), ...workload];
  return [...words.slice(0, words.length - guest.length), "--", ...guest];
};

/** `create NAME [IMAGE]`, `create --name NAME [IMAGE]` */
const imageBehindName: Rewrite = (program, command, words) => {
  const { words: names, wordsAt, help, texts } = sort(program, command, words);
  const expected = texts.has("name") ? 1 : 2;
  const at = wordsAt.at(-1);
  if (help !== undefined || at === undefined || names.length !== expected || texts.has("image")) return words;
  return words.toSpliced(at, 1, `--image=${words[at]}`);
};
