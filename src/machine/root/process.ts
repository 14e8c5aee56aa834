import type { ResourceLimit } from "../../protocol/index.ts";

const UNLIMITED = -1;

/**
 * What a process may use when nobody says otherwise: those of a machine of one's own, which its memory and
 * its cgroup limit anyway.
 *
 * - Open files: as systemd has it for services. The soft limit is low because select(2) breaks above 1024
 *   and because some programs close every number up to it; whoever needs more raises it to the hard one.
 * - Processes: the root's cgroup counts them all (`pidsMax`). This limit would count those of a user in the
 *   whole machine.
 * - Locked memory (io_uring, databases, BPF): counted as memory of the workload like any other.
 * - Core dumps: none, and files in nobody's way, until a user's shell asks for them.
 */
const defaultLimits: readonly ResourceLimit[] = [
  { name: "nofile", soft: 1024, hard: 524_288 },
  { name: "nproc", soft: UNLIMITED, hard: UNLIMITED },
  { name: "memlock", soft: UNLIMITED, hard: UNLIMITED },
  { name: "core", soft: 0, hard: UNLIMITED },
];

/** The defaults, with those replaced that a user set. */
export function withDefaultLimits(asked: readonly ResourceLimit[]): ResourceLimit[] {
  const names = new Set(asked.map(({ name }) => name.toLowerCase()));
  return [...defaultLimits.filter(({ name }) => !names.has(name)), ...asked];
}
