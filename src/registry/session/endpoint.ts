import { type RegistryEntry, registryHost } from "../../config/index.ts";
import { isLoopback } from "../http/index.ts";
import type { Reference, RegistryOptions } from "../types.ts";

/** A server that has a repository: the registry itself, or a mirror of it. */
export interface Endpoint {
  /** For messages, credentials and directories of certificates. */
  readonly registry: string;
  /** Host and port to connect to. */
  readonly host: string;
  /** Undefined: to be found out. */
  readonly scheme: "http" | "https" | undefined;
  readonly isMirror: boolean;
  /** Declared insecure by the user. */
  readonly insecure: boolean;
  readonly caFile: string | undefined;
}

/** Docker Hub's registry has another name than its images. */
const hosts: Readonly<Record<string, string>> = { "docker.io": "registry-1.docker.io" };

/** Mirrors in the order of the settings, then the registry itself. Each has settings and credentials of its own. */
export function endpointsOf(reference: Reference, { settings }: RegistryOptions): Endpoint[] {
  const entry = settings.registries.get(keyOf(reference.registry));
  const mirrors = (entry?.mirrors ?? []).map((mirror) => mirrorEndpoint(mirror, settings.registries));
  return [...mirrors, endpoint(reference.registry, entry, false)];
}

function mirrorEndpoint(mirror: string, registries: ReadonlyMap<string, RegistryEntry>): Endpoint {
  const match = /^(?:(https?):\/\/)?([^/]+)\/?$/i.exec(mirror);
  const host = match?.[2] ?? mirror;
  const found = endpoint(host, registries.get(keyOf(host)), true);
  const scheme = match?.[1]?.toLowerCase();
  if (scheme !== "http" && scheme !== "https") return found;
  return { ...found, scheme };
}

function endpoint(registry: string, entry: RegistryEntry | undefined, isMirror: boolean): Endpoint {
  const host = hosts[registry] ?? registry;
  const insecure = entry?.insecure ?? false;
  const mayBeHttp = insecure || isLoopback(new URL(`http://${host}/`).hostname);
  return {
    registry,
    host,
    scheme: mayBeHttp ? undefined : "https",
    isMirror,
    insecure,
    caFile: entry?.caFile,
  };
}

/** As settings spell it: `index.docker.io` and `Docker.io` are docker.io there. */
const keyOf = (registry: string) => registryHost(registry) ?? registry;
