/**
 * What a machine's process is told at its start: one way for machines of one command and for those that last, so that
 * neither can leave out what the other has.
 */
import type { ConfineMode } from "../../confine/index.ts";
import type { Context } from "../../context.ts";
import type { EngineName } from "../../engine/index.ts";
import type { MachineRecord, MachineSpec } from "../model/index.ts";
import {
  type OwnerPolicy,
  planConfinement,
  planEngine,
  planGpu,
  planNetwork,
  planTemplates,
  proxyAuthorities,
  proxyVariables,
  type ResolvedImage,
  resolveFiles,
  type StartOrder,
} from "../plan/index.ts";
import { planVolumes } from "../volumes/index.ts";
import { lend } from "./lend.ts";

/** What the host gives a machine, whatever its image. */
export type HostPart = Pick<StartOrder, "lent" | "engine" | "gpu">;

/**
 * Decides what can be refused before anything is downloaded or booted.
 *
 * @param engine where the machine leaves it open; default: the best one that works
 */
export async function planHostPart(
  context: Context,
  spec: MachineSpec,
  engine?: EngineName,
): Promise<HostPart> {
  const lent = await lend(context, spec);
  const chosen = await planEngine(context, spec.engine ?? engine);
  return { lent, engine: chosen, gpu: await planGpu(context, spec, chosen) };
}

/** How this start differs from others of the same machine. */
export interface StartVariant {
  /** How its processes are confined; default: by all that the host has. */
  readonly confine?: ConfineMode | undefined;
  readonly terminal: boolean;
  readonly owner?: OwnerPolicy | undefined;
}

/** Everything that the machine's process needs to know. */
export async function makeStartOrder(
  context: Context,
  record: MachineRecord,
  image: ResolvedImage,
  host: HostPart,
  { confine, terminal, owner }: StartVariant,
): Promise<StartOrder> {
  const { paths, environment: env } = context;
  const files = await resolveFiles(host.engine, image, record, context);
  const confinement = await planConfinement(context, confine, files.launcher);
  const templates = await planTemplates(context, host.engine);
  const { facts } = image;
  const authorities = proxyAuthorities(record, env);
  return {
    ...host,
    record,
    paths,
    files,
    confinement,
    templates,
    // Weaker than what image and record say.
    image: { ...facts, env: [...proxyVariables(record, env), ...authorities.variables, ...facts.env] },
    network: planNetwork(record),
    terminal,
    owner,
    volumes: [...planVolumes(paths, record), ...authorities.volumes],
  };
}
