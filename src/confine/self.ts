/** This process gives up what it will not need again. The launcher cannot do that for it: its start-up runs beside what its order takes. */
import { restrictAllThreads } from "../../ffi/landlock.ts";
import { installFilter } from "../../ffi/seccomp.ts";
import { rulesetOf } from "./landlock.ts";
import { architectureOf, filterForSelf } from "./seccomp/index.ts";
import type { HostLayers, OwnNeeds } from "./types.ts";

/**
 * Of root's: to give disks to the VM's user and to open them (CHOWN, DAC_OVERRIDE, FOWNER), and to publish ports below
 * 1024 (NET_BIND_SERVICE); linux/capability.h.
 */
const KEPT_CAPABILITIES = (1n << 0n) | (1n << 1n) | (1n << 3n) | (1n << 10n);

/**
 * Takes what the host has.
 *
 * @throws Error when the kernel refuses it
 */
export function installForSelf({ landlock, seccomp }: HostLayers, needs: OwnNeeds): void {
  const ruleset = landlock > 0 ? rulesetOf(landlock, needs.paths) : undefined;
  restrictAllThreads(needs.library, ruleset, KEPT_CAPABILITIES);
  const architecture = architectureOf();
  if (seccomp === "none" || architecture === undefined) return;
  installFilter(filterForSelf(architecture, process.pid, needs.unixSockets));
}
