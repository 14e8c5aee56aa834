import { loadSettings, resolvePaths } from "../../config/index.ts";
import { openCredentials } from "../../registry/credentials/index.ts";
import { parseReference, type Reference, type RegistryOptions } from "../../registry/index.ts";
import { warn } from "../output.ts";
import { DEFAULT_REGISTRY } from "../show/registries.ts";

/** A pack in a registry, as a command names it, and how it is reached. */
export interface NamedPack {
  readonly reference: Reference;
  readonly registry: RegistryOptions;
}

interface Choices {
  readonly proxy: string | undefined;
  readonly noProxy: string | undefined;
}

/** Names without a registry are at the one for packs, see `[machines]` of config.toml. @throws SmolError `registry.bad_reference`, `config.*` */
export async function namePack(
  name: string,
  { proxy, noProxy }: Choices,
  signal: AbortSignal,
): Promise<NamedPack> {
  const settings = await loadSettings(resolvePaths());
  for (const note of settings.notes) warn(note);
  const { machines, pull } = settings;
  const reference = parseReference(name, { registry: machines.defaultRegistry ?? DEFAULT_REGISTRY.machines });
  return {
    reference,
    registry: {
      settings: machines,
      credentials: openCredentials(machines),
      stallMs: pull.stallSeconds * 1000,
      attempts: pull.attempts,
      proxy: { url: proxy, noProxy },
      onRetry: ({ what, reason }) => warn(`${what}: ${reason}; trying again`),
      signal,
    },
  };
}
