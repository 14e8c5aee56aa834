/** Confinement of the processes that run guests: what this host has, and the order that starts a program so. */
import { messageOf, SmolError } from "../errors.ts";
import type { LayersOptions } from "./layers.ts";
import { requireLayers } from "./report.ts";
import type { Starter } from "./starter.ts";
import { type ConfineMode, type Confinement, confineModes, type OwnNeeds } from "./types.ts";

export { sweepCgroups } from "./cgroup.ts";
export { failureLine, takeFailureLine } from "./failure-line.ts";
export { type ChildDescriptor, type Launched, startLauncher } from "./launch.ts";
export type { LaunchOrder } from "./order.ts";
export { planLaunch, planServer } from "./plan.ts";
export { planRemoval, type Removal } from "./removal.ts";
export {
  hasSandbox,
  type LayerReport,
  type ProcessReport,
  reportLayers,
  reportProcesses,
  summarizeLayers,
} from "./report.ts";
export { seatbeltProfile } from "./seatbelt.ts";
export { architectureOf, nameOfCall } from "./seccomp/index.ts";
export { PROGRAM_FD, type Started, Starter } from "./starter.ts";
export type {
  AllowedPath,
  ConfinedProgram,
  ConfinedServer,
  ConfineMode,
  Confinement,
  HostLayers,
  OwnNeeds,
} from "./types.ts";
export { confineModes } from "./types.ts";
export { confineAsUser, lendFiles, type OwnUser } from "./user.ts";

export interface ConfineOptions {
  /** The user's wish for this start; default: SMOLVM_CONFINE, else what the settings say. */
  readonly mode?: ConfineMode | undefined;
  /** Reads the user's lasting wish; asked only where the start has none of its own. */
  readonly settings: () => Promise<ConfineMode>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The launcher's file; undefined where there is none (macOS). */
  readonly launcher: string | undefined;
  readonly cacheDir: string;
}

/**
 * How a machine is confined on this host.
 *
 * @throws SmolError `confine.missing` when everything is required and something is not there; `confine.bad_mode`
 */
export async function chooseConfinement({
  env,
  mode: wish = modeFrom(env),
  settings,
  launcher,
  cacheDir,
}: ConfineOptions): Promise<Confinement> {
  const mode = wish ?? (await settings());
  const host = mode === "off" || launcher === undefined ? null : await layersOf({ launcher, cacheDir });
  const confinement: Confinement = { mode, host };
  requireLayers(confinement);
  return confinement;
}

/**
 * From here on this process, with all its threads, starts no program and no process, neither traces nor signals others,
 * and opens only the files that it needs, whatever code runs in it; its starter starts for it what it has learned before.
 * Does nothing where confinement is off, and less where the host has less.
 *
 * @throws SmolError `confine.failed` when the kernel refuses it
 */
export async function confineSelf(
  confinement: Confinement,
  starter: Pick<Starter, "seal">,
  needs: () => OwnNeeds,
): Promise<void> {
  if (confinement.mode === "off" || confinement.host === null) return;
  const { installForSelf } = await import("./self.ts");
  starter.seal();
  try {
    installForSelf(confinement.host, needs());
  } catch (error) {
    throw new SmolError("confine.failed", `cannot confine the machine's process: ${messageOf(error)}`, {
      hint: "--confine off starts without",
    });
  }
}

const layersOf = async (options: LayersOptions) => (await import("./layers.ts")).findLayers(options);

/** @throws SmolError `confine.bad_mode` */
function modeFrom({ SMOLVM_CONFINE: given }: ConfineOptions["env"]): ConfineMode | undefined {
  if (!given) return undefined;
  const mode = confineModes.find((name) => name === given);
  if (mode !== undefined) return mode;
  const words = confineModes.join(", ");
  throw new SmolError("confine.bad_mode", `SMOLVM_CONFINE must be one of ${words}, not ${quoted(given)}`);
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 80));
