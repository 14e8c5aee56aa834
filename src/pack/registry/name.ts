import type { Settings } from "../../config/index.ts";
import { givenCredentials, openCredentials } from "../../registry/credentials/index.ts";
import {
  type Credentials,
  DEFAULT_REGISTRY,
  parseReference,
  type Reference,
  type RegistryOptions,
} from "../../registry/index.ts";

/** A pack in a registry, and how that is reached. */
export interface NamedPack {
  readonly reference: Reference;
  readonly registry: RegistryOptions;
}

export interface NamePackOptions extends Pick<RegistryOptions, "proxy" | "onRetry" | "signal"> {
  /** For the registry that the name has; default: what the user has for it. */
  readonly credentials?: Credentials | undefined;
}

/**
 * What a pack's name means: one without a registry is at the one for packs, see `[machines]` of config.toml.
 *
 * @throws SmolError `registry.bad_reference`
 */
export function namePack(
  name: string,
  { machines, pull }: Settings,
  { credentials, ...options }: NamePackOptions,
): NamedPack {
  const reference = parseReference(name, { registry: machines.defaultRegistry ?? DEFAULT_REGISTRY.machines });
  const own = openCredentials(machines);
  return {
    reference,
    registry: {
      settings: machines,
      credentials: credentials ? givenCredentials(reference.registry, credentials, own) : own,
      stallMs: pull.stallSeconds * 1000,
      attempts: pull.attempts,
      ...options,
    },
  };
}
