/** This process gives up what it will not need again. The launcher cannot do that for it: its start-up runs beside what its order takes. */
import { installFilter } from "../../ffi/seccomp.ts";
import { architectureOf, filterForSelf } from "./seccomp/index.ts";
import type { HostLayers } from "./types.ts";

/**
 * Does nothing where the host has no filters.
 *
 * @throws Error when the kernel refuses the filter
 */
export function installForSelf({ seccomp }: HostLayers): void {
  const architecture = architectureOf();
  if (seccomp === "none" || architecture === undefined) return;
  installFilter(filterForSelf(architecture, process.pid));
}
