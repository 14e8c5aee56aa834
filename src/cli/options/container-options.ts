import type { ContainerVolume } from "../../machine/index.ts";
import { type Arguments, list } from "../program/types.ts";
import { badValue, usageError } from "../usage.ts";
import { quote } from "../values/size.ts";

const hint = { kind: "machine" } as const;

/** More than a machine can have. */
const MAX_IDS = 1000;

/** A machine. */
export const vmWord = { kind: "words", placeholder: "VM", min: 1, max: 1, hint } as const satisfies Arguments;

/** A machine, and a container of it. */
export const containerWords = { ...vmWord, placeholder: "VM ID", min: 2, max: 2 } as const;

/** A machine, and containers of it. */
export const containersWords = { ...containerWords, placeholder: "VM ID...", max: 1 + MAX_IDS } as const;

/** What a container sees of its machine. */
export const containerVolumes = list({
  long: "volume",
  short: "v",
  placeholder: "SRC:DIR[:ro]",
  description: "Show a directory below /storage or /workspace of the machine",
  parse: parseContainerVolume,
});

/**
 * `/storage/data:/data`, `/workspace:/src:ro`.
 *
 * @throws SmolError `cli.bad_value`
 */
export function parseContainerVolume(text: string): ContainerVolume {
  const [source = "", target = "", mode = "rw", ...rest] = text.split(":");
  if (rest.length > 0 || source === "" || target === "" || (mode !== "rw" && mode !== "ro")) {
    throw badValue(
      `not a volume: ${quote(text)}`,
      "write for example /storage/data:/data or /workspace:/src:ro",
    );
  }
  return { source, target, readOnly: mode === "ro" };
}

/** The words of `VM ID…`: parsing has made sure that they are there. */
export function machineAndContainers(words: readonly string[]): { machine: string; ids: readonly string[] } {
  const [machine = "", ...ids] = words;
  return { machine, ids: [...new Set(ids)] };
}

/**
 * What `container exec` runs: with nothing said, a session is a shell.
 *
 * @throws SmolError `cli.missing_word`
 */
export function execCommand(workload: readonly string[], session: boolean): readonly string[] {
  if (workload.length > 0) return workload;
  if (session) return ["/bin/sh"];
  throw usageError(
    "cli.missing_word",
    "container exec needs a command",
    "add one after --, e.g. `smolvm container exec VM ID -- ls`, or use -it for a shell",
  );
}
