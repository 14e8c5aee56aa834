import type { GenericSchema } from "valibot";
import { nearest } from "../values/index.ts";
import { belowOf, keysOf } from "../values/schema-tree.ts";

/** What other tools, and the options of ours, call a key. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  command: "cmd",
  args: "cmd",
  environment: "env",
  mem: "memory",
  ram: "memory",
  cpu: "cpus",
  vcpus: "cpus",
  disk: "storage",
  port: "ports",
  volume: "volumes",
  mounts: "volumes",
  working_dir: "workdir",
  cwd: "workdir",
  platform: "oci_platform",
  label: "labels",
  pids_limit: "pids",
  stop_grace_period: "stop_timeout",
  test: "exec",
  start_period: "startup_grace",
  start: "init",
  setup: "init_once",
};

/** What a machine has and no file says. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  name: "a machine's name is given on the command line: --name NAME",
  hostname: "a machine is named after its --name",
  engine: "what can run a machine depends on the host: --engine ENGINE on the command line",
};

/** A list of more keys helps nobody. */
const MOST_LISTED = 12;

/**
 * What an unknown key was probably meant to be.
 *
 * @param root of the whole file
 * @param path of the table where the key stands
 */
export function suggest(root: GenericSchema, path: readonly string[], key: string): string | undefined {
  const table = path.reduce<GenericSchema | undefined>(
    (schema, part) => schema && belowOf(schema, part),
    root,
  );
  const known = keysOf(table);
  const other = Object.hasOwn(OTHER_NAMES, key) ? OTHER_NAMES[key] : undefined;
  if (other !== undefined && known.includes(other)) return `did you mean ${other}?`;
  // What stands below a [section] belongs to it: the commonest mistake in TOML.
  if (path.length > 0 && belowOf(root, key) !== undefined && !hasKeys(root, key))
    return `${key} belongs at the top of the file, before any [section]`;
  const close = nearest(key, known);
  if (close !== undefined)
    return `did you mean ${path.length === 0 && hasKeys(root, close) ? `[${close}]` : close}?`;
  const sections = keysOf(root).filter(
    (name) => name !== path[0] && keysOf(belowOf(root, name)).includes(key),
  );
  if (sections.length > 0) return `${key} belongs in ${sections.map((name) => `[${name}]`).join(" or ")}`;
  if (path.length === 0 && Object.hasOwn(ELSEWHERE, key)) return ELSEWHERE[key];
  return known.length > 0 && known.length <= MOST_LISTED ? `known here: ${known.join(", ")}` : undefined;
}

/** Whether a key of the file is a section. */
function hasKeys(root: GenericSchema, key: string): boolean {
  return keysOf(belowOf(root, key)).length > 0;
}
