/** Filters of system calls: what passes is in profiles.ts. */
import type { ProfileName } from "../types.ts";
import { Action, assemble, type Rule } from "./bpf.ts";
import { machineProfile } from "./own-profiles.ts";
import { type Entry, type Profile, profileOf } from "./profiles.ts";
import { names as arm64 } from "./syscalls-arm64.ts";
import { names as x64 } from "./syscalls-x64.ts";

type Architecture = "x64" | "arm64";

const architectures: Record<Architecture, { readonly audit: number; readonly names: string }> = {
  x64: { audit: 0xc000003e, names: x64 },
  arm64: { audit: 0xc00000b7, names: arm64 },
};

/** Undefined: no list was made for this processor. */
export function architectureOf(arch: NodeJS.Architecture = process.arch): Architecture | undefined {
  return arch === "x64" || arch === "arm64" ? arch : undefined;
}

/**
 * The filter of a profile.
 *
 * @param watched a warden hears of calls that are not in the list; without one they end the process
 */
export function filterOf(profile: ProfileName, architecture: Architecture, watched: boolean): Buffer {
  const numbers = numbersOf(architecture);
  const listed = profileOf(profile, architecture);
  const rules = rulesOf(listed, numbers);
  // The launcher's own, of which the warden lets one pass; without a warden Landlock says what can be executed.
  const execve = numbers.get("execve");
  const forbidden = watched ? Action.notify : Action.killProcess;
  if (execve !== undefined) rules.push({ number: execve, refused: watched, otherwise: forbidden });
  return assembled(architecture, rules, listed.othersPass ? Action.allow : forbidden);
}

/** The filter of a machine's process that starts nothing any more; see `machineProfile`. */
export function filterForSelf(architecture: Architecture, ownProcess: number, unixSockets: boolean): Buffer {
  const rules = rulesOf(machineProfile(ownProcess, unixSockets), numbersOf(architecture));
  return assembled(architecture, rules, Action.allow);
}

const numbersOf = (architecture: Architecture): Map<string, number> =>
  new Map(namesOf(architecture).map((name, number) => [name, number]));

function rulesOf({ allowed, refused }: Profile, numbers: ReadonlyMap<string, number>): Rule[] {
  const entries: (Entry & object)[] = allowed.map((entry) =>
    typeof entry === "string" ? { name: entry, checks: [] } : entry,
  );
  const rules: Rule[] = [];
  for (const { name, checks, errno, orNext } of entries) {
    const number = numbers.get(name);
    // arm64 has no open, stat, poll and others: there they are openat, fstatat, ppoll.
    if (number === undefined) continue;
    rules.push({ number, checks, orNext, otherwise: errno === undefined ? undefined : Action.errno(errno) });
  }
  for (const [name, errno] of Object.entries(refused)) {
    const number = numbers.get(name);
    if (number !== undefined) rules.push({ number, refused: true, otherwise: Action.errno(errno) });
  }
  return rules;
}

function assembled(architecture: Architecture, rules: readonly Rule[], otherwise: number): Buffer {
  return assemble({
    architecture: architectures[architecture].audit,
    rules,
    otherwise,
    unknownFrom: namesOf(architecture).length,
  });
}

/** Name of a system call; `system call N` for one that has none here. */
export function nameOfCall(number: number, architecture: Architecture): string {
  const name = namesOf(architecture)[number];
  return name === undefined || name === "-" ? `system call ${number}` : name;
}

function namesOf(architecture: Architecture): string[] {
  return architectures[architecture].names.trim().split(/\s+/);
}
