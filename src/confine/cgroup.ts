/**
 * Where each VM gets a cgroup of its own (cgroup v2): the nearest above this process that is this user's to divide, and
 * that hands memory and processes down. Systemd makes such for the programs of a user's session.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname } from "node:path";
import { messageOf } from "../errors.ts";
import { namesIn } from "../host/index.ts";
import type { ConfinedProgram } from "./types.ts";

/** Before the random end of a name. */
const NAME = "smolvm-";

const CONTROLLERS = ["memory", "pids"] as const;

/** Of this process's VM, of which it has one at a time: the order that starts it is the same each time. */
const OWN_NAME = `${NAME}${crypto.randomUUID()}`;

export const cgroupIn = (parent: string): string => `${parent}/${OWN_NAME}`;

/**
 * The kernel counts here what limits of the process do not know: its own memory for the process's sockets and tables,
 * and the page cache, which it gives up before it ends anything.
 */
export function cgroupLimits({
  addressSpaceBytes,
  threads,
}: ConfinedProgram): [file: string, text: string][] {
  return [
    ["memory.max", String(addressSpaceBytes)],
    ["pids.max", String(threads)],
  ];
}

/** The directory, or why there is none. */
export function findCgroups(): { parent: string | null; reason: string } {
  const own = ownCgroup();
  if (own === undefined) return { parent: null, reason: "cgroup v2 is not mounted" };
  let reason = "";
  for (let at = own.path; ; at = dirname(at)) {
    try {
      tryIn(at);
      return { parent: at, reason: "" };
    } catch (error) {
      // Of the nearest: what is above belongs to others.
      reason ||= messageOf(error);
    }
    if (at === own.top) return { parent: null, reason };
  }
}

/** @throws Error when no VM can have a cgroup there */
function tryIn(parent: string): void {
  const handed = readFileSync(`${parent}/cgroup.subtree_control`, "utf8").trim().split(" ");
  const missing = CONTROLLERS.filter((name) => !handed.includes(name));
  if (missing.length > 0) throw new Error(`${parent} does not hand down ${missing.join(" and ")}`);
  // A process is moved by whoever may move it out of the cgroup that is above both.
  accessSync(`${parent}/cgroup.procs`, constants.W_OK);
  const path = cgroupIn(parent);
  mkdirSync(path);
  try {
    if (!existsSync(`${path}/memory.max`) || !existsSync(`${path}/pids.max`))
      throw new Error(`${parent} has no limits`);
  } finally {
    rmdirSync(path);
  }
}

/** Removes what wardens that were killed have left; one that has a process stays. */
export function sweepCgroups(parent: string): void {
  for (const name of namesIn(parent)) {
    if (!name.startsWith(NAME)) continue;
    try {
      rmdirSync(`${parent}/${name}`);
    } catch {
      // In use, or gone.
    }
  }
}

/** This process's cgroup and the highest that can be seen from here, as directories. */
function ownCgroup(): { path: string; top: string } | undefined {
  const [, name] = /^0::(\/.*)$/m.exec(told("cgroup")) ?? [];
  const mounts = told("mountinfo");
  // proc_pid_mountinfo(5): number, parent, device, root, place, options, fields up to a dash, filesystem.
  const [, root, top] = /^\S+ \S+ \S+ (\S+) (\S+) [^\n]* - cgroup2 /m.exec(mounts) ?? [];
  if (name === undefined || root === undefined || top === undefined) return undefined;
  const below =
    root === "/" ? name : name.startsWith(`${root}/`) || name === root ? name.slice(root.length) : "";
  // `/../…`: outside of what this process's cgroup namespace shows.
  if (name.startsWith("/..")) return undefined;
  const path = `${top}${below}`.replace(/\/$/, "");
  return { path, top };
}

/** What the kernel says of this process; nothing where it has no such file, as one without cgroups. */
function told(name: string): string {
  try {
    return readFileSync(`/proc/self/${name}`, "utf8");
  } catch {
    return "";
  }
}
