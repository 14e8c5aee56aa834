import { SmolError } from "../../errors.ts";
import type { Invocation, OptionSpec } from "../program/types.ts";

/**
 * Options that say something about a machine. Others (`--env`, `--name`, `--timeout`, `--user` …) are common in
 * workloads, so a note on them would be wrong more often than right.
 */
const OURS = [
  "--image",
  "--mem",
  "--cpus",
  "--storage",
  "--overlay",
  "--oci-platform",
  "--pull",
  "--max-image-size",
  "--engine",
  "--timings",
];
const LATER_FLAGS = ["--net", "--ssh-agent", "--gpu"];
const LATER_WITH_VALUE = ["--smolfile", "--allow-host", "--allow-cidr", "--volume"];

/** Programs whose own options have these names. */
const RUNS_MACHINES =
  /^(?:.*\/)?(?:docker|docker-compose|podman|podman-compose|buildah|nerdctl|kubectl|limactl|virsh|smolvm|srun|sbatch)$/;

/**
 * Notices `machine run -- echo hi --mem 512`: an option that went to the command and was most likely meant for the
 * machine. It is one when all of this holds:
 * - it stands at the end, with nothing but such options after it;
 * - its name is one that machines have and programs rarely do, and its value is one it can take;
 * - it was not given in the right place as well;
 * - the command is not itself a program that runs machines or containers.
 *
 * The command gets its words unchanged in any case.
 *
 * @returns one sentence for each
 */
export function findMisplaced({ command, workload, given }: Invocation): string[] {
  const [program = "", ...rest] = workload;
  if (RUNS_MACHINES.test(program)) return [];
  const options = Object.entries(command.options);
  const found: string[] = [];
  while (rest.length > 0) {
    const length = optionAtEnd(
      rest,
      options.map(([, option]) => option),
    );
    if (length === 0) break;
    const [word = ""] = rest.splice(rest.length - length);
    found.unshift(word.split("=", 1)[0] as string);
  }
  const elsewhere = (name: string) =>
    options.some(([key, { long }]) => `--${long}` === name && given.has(key));
  return found
    .filter((name) => !elsewhere(name))
    .map((name) => `${name} was passed to ${program}: options for the machine go before the command`);
}

/** How many of the last words are one option for a machine: `--net`, `--mem=512`, `--mem 512`; 0 when they are not. */
function optionAtEnd(words: readonly string[], options: readonly OptionSpec[]): 0 | 1 | 2 {
  const last = words.at(-1) ?? "";
  const equals = last.indexOf("=");
  const takes = (name: string | undefined, text: string) =>
    name !== undefined && takesValue(name, text, options);
  if (equals > 0 && takes(last.slice(0, equals), last.slice(equals + 1))) return 1;
  if (LATER_FLAGS.includes(last) || last === "--timings") return 1;
  return !last.startsWith("-") && takes(words.at(-2), last) ? 2 : 0;
}

function takesValue(name: string, text: string, options: readonly OptionSpec[]): boolean {
  if (text === "") return false;
  if (LATER_WITH_VALUE.includes(name)) return true;
  const option = OURS.includes(name) ? options.find(({ long }) => `--${long}` === name) : undefined;
  if (option === undefined) return false;
  try {
    option.read([text]);
    return true;
  } catch (error) {
    if (error instanceof SmolError) return false;
    throw error;
  }
}

/**
 * The long options of a command that makes or changes a machine among the words of its workload, which stand behind
 * `--`: scripts of upstream look for this note. Short ones are the workload's own.
 *
 * @returns undefined when there is none
 */
export function cameAfterDashes({ command, workload }: Invocation): string | undefined {
  const names = Object.values(command.options).map(({ long }) => `--${long}`);
  const known = [...names, ...LATER_FLAGS, ...LATER_WITH_VALUE];
  const found = new Set(
    workload.map((word) => word.split("=", 1)[0] as string).filter((word) => known.includes(word)),
  );
  if (found.size === 0) return undefined;
  return `${[...found].join(", ")} came after \`--\`: passed to the command, and no option of the machine`;
}
