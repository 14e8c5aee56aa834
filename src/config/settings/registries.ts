import type { TomlTable } from "../../toml/table.ts";
import { quote } from "../../values/index.ts";
import { registryHost } from "./host.ts";
import type { RegistryEntry, RegistrySettings } from "./types.ts";

/** What reading a file has found beside its values. */
export interface Findings {
  /** Keys without effect in this release. */
  readonly unused: string[];
  /** The file holds a password or a token. */
  hasSecret: boolean;
}

/** Reads `[images]`, `[machines]` or the whole of a `registries.toml`; `directory` is where relative paths begin. */
export function readRegistries(section: TomlTable, directory: string, findings: Findings): RegistrySettings {
  const defaultRegistry = readDefault(section);
  const registries = new Map<string, RegistryEntry>();
  const table = section.table("registries");
  for (const key of table?.keys() ?? []) {
    const entry = table?.table(key);
    if (table === undefined || entry === undefined) continue;
    const host = hostOf(table, key);
    if (registries.has(host)) throw table.failure(key, `the registry ${host} is configured twice`);
    registries.set(host, readEntry(entry, directory, findings));
  }
  section.finish();
  return { defaultRegistry, registries };
}

/** `default_registry`, or upstream's `defaults.registry`. */
function readDefault(section: TomlTable): string | undefined {
  const short = section.text("default_registry");
  const defaults = section.table("defaults");
  const long = defaults?.text("registry");
  defaults?.finish();
  if (short !== undefined && long !== undefined && short !== long) {
    throw section.failure("default_registry", "default_registry and defaults.registry contradict each other");
  }
  const table = short === undefined ? defaults : section;
  const key = short === undefined ? "registry" : "default_registry";
  const text = short ?? long;
  return text === undefined || table === undefined ? undefined : checkHost(table, key, text);
}

function hostOf(registries: TomlTable, key: string): string {
  if (key.toLowerCase().startsWith("http://")) {
    throw registries.failure(
      key,
      `${registries.nameOf(key)}: a registry is named without http://`,
      `write ${quote(key.slice("http://".length).replace(/\/.*$/, ""))}, with insecure = true in it`,
    );
  }
  return checkHost(registries, key, key);
}

function checkHost(table: TomlTable, key: string, text: string): string {
  const host = registryHost(text);
  if (host !== undefined) return host;
  throw table.failure(key, `not the name of a registry: ${quote(text)}`, "write HOST or HOST:PORT");
}

function readEntry(entry: TomlTable, directory: string, findings: Findings): RegistryEntry {
  const username = entry.text("username");
  const password = entry.text("password");
  const passwordEnv = entry.text("password_env");
  const identityToken = entry.text("identity_token");
  const mirrors = readMirrors(entry);
  const caFile = entry.text("ca_file");
  const insecure = entry.flag("insecure") ?? false;
  const refreshToken = entry.text("refresh_token");
  entry.count("expires_at", 0, Number.MAX_SAFE_INTEGER);
  entry.finish();
  if (username?.includes(":")) throw entry.failure("username", "a username cannot contain a colon");
  if (username === undefined && (password ?? passwordEnv) !== undefined) {
    const key = password === undefined ? "password_env" : "password";
    throw entry.failure(key, `${entry.nameOf(key)} needs a username beside it`);
  }
  if (passwordEnv?.includes("=")) {
    throw entry.failure("password_env", "password_env is the name of an environment variable, without =");
  }
  if ((password ?? identityToken ?? refreshToken) !== undefined) findings.hasSecret = true;
  const unused = ["refresh_token", "expires_at"].filter((key) => entry.has(key));
  findings.unused.push(...unused.map((key) => entry.nameOf(key)));
  return {
    username,
    password,
    passwordEnv,
    identityToken,
    mirrors,
    insecure,
    caFile: caFile === undefined ? undefined : absolute(entry, caFile, directory),
  };
}

/** `mirror = "…"` (upstream) and `mirrors = […]`, in this order, each once. */
function readMirrors(entry: TomlTable): string[] {
  const one = entry.text("mirror");
  const many = entry.texts("mirrors") ?? [];
  const checked = [
    ...(one === undefined ? [] : [checkMirror(entry, "mirror", one)]),
    ...many.map((text) => checkMirror(entry, "mirrors", text)),
  ];
  return [...new Set(checked)];
}

/** `[http://|https://]host[:port]`; slashes at the end are dropped. */
function checkMirror(entry: TomlTable, key: string, text: string): string {
  const [, scheme = "", host = ""] = /^(https?:\/\/)?([^/]*)\/*$/i.exec(text) ?? [];
  const known = registryHost(host);
  if (known !== undefined) return scheme.toLowerCase() + known;
  // The text is not shown: people write passwords into addresses.
  throw entry.failure(key, `${entry.nameOf(key)} is not the address of a registry`, MIRROR_HINT);
}

const MIRROR_HINT = "write HOST, HOST:PORT or http://HOST:PORT, without a path and without a password";

function absolute(entry: TomlTable, path: string, directory: string): string {
  if (path.startsWith("~")) {
    throw entry.failure(
      "ca_file",
      "~ is not expanded in ca_file",
      "write the whole path, or one from the directory of this file",
    );
  }
  return path.startsWith("/") ? path : `${directory}/${path}`;
}
