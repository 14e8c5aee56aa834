/** What the person who starts the server allows: no call of a tool gets beyond it. */
import { SmolError } from "../errors.ts";
import { BadRule, contains, parseHostRule, type Rule } from "../net/policy/index.ts";
import { quote } from "../values/index.ts";
import type { ImageCeiling } from "./images.ts";

export interface Ceilings extends ImageCeiling {
  /** Machines at once. */
  readonly maxMachines: number;
  /** MiB of memory of all machines together. */
  readonly maxMemoryMib: number;
  /** GiB of the disks of all machines together. */
  readonly maxDiskGib: number;
  /** Virtual CPUs of one machine. */
  readonly maxCpus: number;
  /** Milliseconds after which a machine ends, whatever it does; undefined: none. */
  readonly ttlMs: number | undefined;
  /** Milliseconds without use after which a machine ends. */
  readonly idleTimeoutMs: number;
  /** What machines may reach; none: no network. As `--allow-host` of machines. */
  readonly allowHosts: readonly string[];
  /** Directories of the host that `copy` may read and write. Resolved. */
  readonly mountRoots: readonly string[];
  /** Bytes of files that one copy moves. */
  readonly maxCopyBytes: number;
  /** Bytes of output that one result holds. */
  readonly maxOutputBytes: number;
}

/** What a machine has when nobody says more, in a server that has as much. */
const USUAL_MEMORY_MIB = 2048;
const USUAL_CPUS = 2;

/** The least that machines have. */
const LEAST_MEMORY_MIB = 64;

/** So much that as many machines as there may be fit. */
export const usualMemoryMib = ({ maxMemoryMib, maxMachines }: Ceilings): number =>
  Math.max(LEAST_MEMORY_MIB, Math.min(USUAL_MEMORY_MIB, Math.floor(maxMemoryMib / maxMachines)));

/** GiB of the two disks of a machine: what its image's files become, and `/storage`. */
const USUAL_OVERLAY_GIB = 10;
const USUAL_STORAGE_GIB = 20;

/** Both together: what a machine has when nobody says less, and the least. */
export const USUAL_DISK_GIB = USUAL_OVERLAY_GIB + USUAL_STORAGE_GIB;
export const LEAST_DISK_GIB = 2;

/** What each machine has of the disks; no call says anything about it. */
export function disksOf({ maxDiskGib, maxMachines }: Ceilings): { overlayGb: number; storageGb: number } {
  const share = Math.max(LEAST_DISK_GIB, Math.floor(maxDiskGib / maxMachines));
  const overlayGb = Math.min(USUAL_OVERLAY_GIB, Math.floor(share / 2));
  return { overlayGb, storageGb: Math.min(USUAL_STORAGE_GIB, share - overlayGb) };
}

export const usualCpus = ({ maxCpus }: Ceilings): number => Math.min(USUAL_CPUS, maxCpus);

/**
 * @param asked undefined: all that is allowed
 * @returns rules for a machine; undefined: no network
 * @throws SmolError `mcp.not_allowed`, `mcp.bad_arguments`
 */
export function allowedHosts(
  asked: readonly string[] | undefined,
  { allowHosts }: Ceilings,
): readonly string[] | undefined {
  const rules = asked ?? allowHosts;
  if (rules.length === 0) return undefined;
  const allowed = allowHosts.map(parseHostRule);
  for (const rule of asked ?? []) {
    const parsed = ruleOf(rule);
    if (allowed.some((one) => includes(one, parsed))) continue;
    const hint =
      allowHosts.length === 0 ? "machines have no network" : `allowed are ${allowHosts.join(", ")}`;
    throw notAllowed(`the network to ${quote(rule)}`, hint);
  }
  return rules;
}

function ruleOf(text: string): Rule {
  try {
    return parseHostRule(text);
  } catch (error) {
    if (error instanceof BadRule) throw new SmolError("mcp.bad_arguments", `network: ${error.message}`);
    throw error;
  }
}

/** Whether all that one rule lets through another one does too. */
export function includes(wide: Rule, narrow: Rule): boolean {
  if (wide.port !== undefined && wide.port !== narrow.port) return false;
  if (wide.protocol !== undefined && wide.protocol !== narrow.protocol) return false;
  if (wide.kind === "range" || narrow.kind === "range")
    return wide.kind === "range" && narrow.kind === "range" && contains(wide.range, narrow.range);
  if (narrow.name === wide.name) return wide.below === "also" || narrow.below === "only";
  return narrow.name.endsWith(`.${wide.name}`);
}

export const notAllowed = (what: string, hint: string) =>
  new SmolError("mcp.not_allowed", `this server does not allow ${what}`, { hint });
