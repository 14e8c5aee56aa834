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
 * What an image's name means, which may be a pack's, too: one without a registry is at the one for images, see `[images]`
 * of config.toml.
 *
 * @throws SmolError `registry.bad_reference`
 */
export const nameImage = (name: string, { images, pull }: Settings, options: NamePackOptions): NamedPack =>
  reached(parseReference(name, { registry: images.defaultRegistry }), images, pull, options);

/**
 * What a pack's name means: one without a registry is at the one for packs, see `[machines]` of config.toml.
 *
 * @throws SmolError `registry.bad_reference`
 */
export function namePack(name: string, { machines, pull }: Settings, options: NamePackOptions): NamedPack {
  const reference = parseReference(name, { registry: machines.defaultRegistry ?? DEFAULT_REGISTRY.machines });
  return reached(reference, machines, pull, options);
}

function reached(
  reference: Reference,
  settings: Settings["images" | "machines"],
  pull: Settings["pull"],
  { credentials, ...options }: NamePackOptions,
): NamedPack {
  const own = openCredentials(settings);
  return {
    reference,
    registry: {
      settings,
      credentials: credentials ? givenCredentials(reference.registry, credentials, own) : own,
      stallMs: pull.stallSeconds * 1000,
      attempts: pull.attempts,
      ...options,
    },
  };
}
