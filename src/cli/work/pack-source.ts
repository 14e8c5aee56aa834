import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { type BootableImage, openImage } from "../../image/index.ts";
import { inspectMachine, type MachineSpec } from "../../machine/index.ts";
import type { SpecLayer } from "../../machine/model/index.ts";
import { warn } from "../output.ts";

/** What a machine that is packed says about the pack: all but what its host lends it. */
export function layerOfMachine(context: Context, name: string): SpecLayer {
  const { record } = inspectMachine(context, name);
  if (record === undefined)
    throw new SmolError("machine.damaged", `the record of machine '${name}' cannot be read`);
  const lent = [
    ...(record.secrets.length > 0 ? ["secrets"] : []),
    ...(record.volumes.length > 0 ? ["volumes"] : []),
    ...(record.ports.length > 0 ? ["ports"] : []),
  ];
  for (const what of lent) warn(`the machine's ${what} are not packed: whoever runs the pack gives them`);
  const { name: _, ephemeral: __, imageId: ___, ...settings }: MachineSpec = record;
  return {
    ...settings,
    engine: undefined,
    // What it was asked to be for; it has its image.
    platform: undefined,
    ports: undefined,
    secrets: undefined,
    sshAgent: undefined,
    sshAgentKeys: undefined,
    mountSockets: undefined,
    exposeSockets: undefined,
    volumes: undefined,
    tmpfs: undefined,
    ttlMs: undefined,
    idleTimeoutMs: undefined,
    onTimeout: undefined,
  };
}

/** An image of a machine that does not run: the layers of its image, and its changes as one more. */
export async function imageOfMachine(
  context: Context,
  name: string,
  options: { readonly signal: AbortSignal },
): Promise<BootableImage> {
  const { commitMachine } = await import("../../machine/index.ts");
  const committed = await commitMachine(context, name, options);
  if (committed.skipped > 0) warn(`${committed.skipped} sockets are not packed: only programs make them`);
  try {
    return await openCached(context, committed.id, options.signal);
  } finally {
    committed.release();
  }
}

async function openCached(context: Context, id: string, signal: AbortSignal): Promise<BootableImage> {
  return await openImage(id, {
    cacheDir: context.paths.cache,
    signal,
    loadSettings: async () => (await import("../../config/index.ts")).loadSettings(context.paths),
  });
}
