import type { CommandSpec, GroupSpec, Program } from "../program/types.ts";
import { frame } from "./frame.ts";

const remove = async () => (await import("./machine/delete.ts")).remove;
const ls = async () => (await import("./machine/ls.ts")).ls;
const shell = async () => (await import("./machine/shell.ts")).shell;

/**
 * Commands about machines that people and scripts call many times a minute, by every name. One of these is loaded
 * without the others, of which help, completions and explanations alone have a use: a third of a command's start.
 */
export const loadedAlone: Readonly<Record<string, () => Promise<CommandSpec>>> = {
  run: async () => (await import("./machine/run.ts")).run,
  create: async () => (await import("./machine/create.ts")).create,
  start: async () => (await import("./machine/start.ts")).start,
  stop: async () => (await import("./machine/stop.ts")).stop,
  delete: remove,
  rm: remove,
  remove,
  ls,
  list: ls,
  status: async () => (await import("./machine/status.ts")).status,
  exec: async () => (await import("./machine/exec.ts")).exec,
  shell,
  sh: shell,
  logs: async () => (await import("./machine/logs.ts")).logs,
};

/** Not among the program's: nobody who reads help or completions needs what is below it. */
const SELF_CHECK: GroupSpec = {
  path: ["self-check"],
  aliases: [],
  summary: "Print what of a call has arrived in this process",
};

/**
 * A program with no command but the one that the arguments begin with; undefined where they begin otherwise. It parses
 * what is right. What is wrong only the whole program can explain.
 */
export async function programOf([group = "", name = ""]: readonly string[]): Promise<Program | undefined> {
  if (group === SELF_CHECK.path[0]) {
    const { passthrough } = await import("./system/self-check.ts");
    return { ...frame, groups: [SELF_CHECK], commands: [passthrough] };
  }
  const machine = frame.groups.find(({ path }) => path.join(" ") === "machine");
  if (machine === undefined || ![...machine.path, ...machine.aliases].includes(group)) return undefined;
  const load = Object.hasOwn(loadedAlone, name) ? loadedAlone[name] : undefined;
  return load && { ...frame, commands: [await load()] };
}
