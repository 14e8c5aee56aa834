import type { Environment, RegistryEntry, RegistrySettings } from "../../config/index.ts";
import { DEFAULT_REGISTRY } from "../../registry/index.ts";
import { oneLine } from "../output.ts";

/** A registry as `--json` shows it: everything but secrets. */
export interface RegistryJson {
  readonly host: string;
  readonly username: string | null;
  readonly auth: string;
  readonly password_env: string | null;
  /** null when no variable is named. */
  readonly password_env_set: boolean | null;
  readonly mirrors: readonly string[];
  readonly insecure: boolean;
  readonly ca_file: string | null;
}

export interface RegistriesJson {
  readonly default_registry: string;
  readonly registries: readonly RegistryJson[];
}

/** A section of the settings, without its secrets. */
export function registriesJson(
  section: RegistrySettings,
  kind: keyof typeof DEFAULT_REGISTRY,
  env: Environment,
): RegistriesJson {
  return {
    default_registry: section.defaultRegistry ?? DEFAULT_REGISTRY[kind],
    registries: [...section.registries].map(([host, entry]) => registryJson(host, entry, env)),
  };
}

function registryJson(host: string, entry: RegistryEntry, env: Environment): RegistryJson {
  const { username, passwordEnv, mirrors, insecure, caFile } = entry;
  return {
    host,
    username: username ?? null,
    auth: authOf(entry),
    password_env: passwordEnv ?? null,
    password_env_set: passwordEnv === undefined ? null : Boolean(env[passwordEnv]),
    mirrors,
    insecure,
    ca_file: caFile ?? null,
  };
}

/** How smolvm proves to the registry who the user is, in upstream's words. */
function authOf({ username, password, passwordEnv, identityToken }: RegistryEntry): string {
  if (identityToken !== undefined) return "auth (token)";
  if (username === undefined) return "no auth";
  if (passwordEnv !== undefined) return "auth (env var)";
  return password === undefined ? "no password" : "auth (direct)";
}

/** One line about a registry: `ghcr.io: auth (env var) -> mirror.example.com`. */
export function registryLine({ host, auth, mirrors, insecure }: RegistryJson): string {
  const facts = insecure ? `${auth}, insecure` : auth;
  return oneLine(`${host}: ${facts}${mirrors.length === 0 ? "" : ` -> ${mirrors.join(", ")}`}`);
}

/** Everything about a registry, a line each, for people. */
export function registryBlock(host: string, entry: RegistryEntry, env: Environment): string[] {
  const { username, password, passwordEnv, identityToken, mirrors, insecure, caFile } = entry;
  const state = passwordEnv !== undefined && env[passwordEnv] ? "set" : "NOT SET";
  const facts: [string, string | undefined][] = [
    ["username", username],
    ["password_env", passwordEnv && `${passwordEnv} (${state})`],
    ["password", password && "set"],
    ["identity_token", identityToken && "set"],
    ["mirrors", mirrors.length === 0 ? undefined : mirrors.join(", ")],
    ["ca_file", caFile],
    ["insecure", insecure ? "true" : undefined],
  ];
  const lines = facts.flatMap(([name, value]) =>
    value === undefined ? [] : [`  ${name}: ${oneLine(value)}`],
  );
  return [`[${host}]`, ...lines];
}

/** What a file has that this release does not use, as a sentence; nothing when it uses all of it. */
export function unusedLines(unused: readonly string[]): string[] {
  return unused.length === 0 ? [] : ["", `Without effect in this release: ${oneLine(unused.join(", "))}`];
}
