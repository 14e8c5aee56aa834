import { errnoOf, messageOf, SmolError } from "../../errors.ts";
import type { AuthFile } from "./files.ts";
import { scopeOfKey } from "./keys.ts";

/** docker's and podman's files are small, but docker's also keeps what its plugins like to remember. */
const MAX_BYTES = 4 << 20;

/** An entry of `auths`, not yet decoded. */
export type AuthEntry = Readonly<Record<string, unknown>>;

/** The parts of an auth file that are about credentials. */
export interface AuthConfig {
  readonly path: string;
  /** Entries with their keys as they stand in the file, under what the keys stand for. */
  readonly auths: ReadonlyMap<string, readonly { readonly key: string; readonly entry: AuthEntry }[]>;
  /** Names of helpers by registry. */
  readonly helpers: ReadonlyMap<string, string>;
  /** The helper for all registries that have none of their own. */
  readonly store: string | undefined;
}

/**
 * Reads docker's `config.json` or podman's `auth.json`.
 *
 * @returns undefined when there is no such file
 * @throws SmolError `credentials.unreadable`, `credentials.bad_file`; no message has a part of the content in it
 */
export async function readAuthFile({ path, required }: AuthFile): Promise<AuthConfig | undefined> {
  const text = await readText(path, required);
  return text === undefined ? undefined : parseAuthFile(path, text);
}

async function readText(path: string, required: boolean): Promise<string | undefined> {
  try {
    // One byte more than allowed tells a file that is too large, also one whose size is unknown (a pipe).
    const bytes = await Bun.file(path)
      .slice(0, MAX_BYTES + 1)
      .bytes();
    if (bytes.length > MAX_BYTES) throw badFile(path, "it is larger than 4 MiB");
    return new TextDecoder().decode(bytes);
  } catch (error) {
    if (error instanceof SmolError) throw error;
    const errno = errnoOf(error);
    if (!required && (errno === "ENOENT" || errno === "ENOTDIR")) return undefined;
    throw new SmolError(
      "credentials.unreadable",
      `cannot read credentials from ${path}: ${errno ?? messageOf(error)}`,
      { cause: error, hint: required ? "REGISTRY_AUTH_FILE names it" : undefined },
    );
  }
}

/** The credentials in the text of such a file. */
export function parseAuthFile(path: string, text: string): AuthConfig {
  // An empty file is what `touch` and some installers leave.
  const content = text.trim() === "" ? {} : parseJson(path, text);
  if (!isObject(content)) throw badFile(path, "it is not a JSON object");
  return {
    path,
    auths: readAuths(path, content.auths ?? {}),
    helpers: readHelpers(path, content.credHelpers ?? {}),
    store: readStore(path, content.credsStore),
  };
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's message is dropped, because it quotes the text.
    throw badFile(path, "it is not JSON");
  }
}

function readAuths(path: string, auths: unknown): AuthConfig["auths"] {
  if (!isObject(auths)) throw badFile(path, "auths is not an object");
  const byScope = new Map<string, { key: string; entry: AuthEntry }[]>();
  for (const [key, entry] of Object.entries(auths)) {
    const scope = scopeOfKey(key);
    if (scope === undefined || entry === null) continue;
    if (!isObject(entry)) throw badFile(path, `its entry for ${scope} is not an object`);
    const known = byScope.get(scope) ?? [];
    known.push({ key, entry });
    byScope.set(scope, known);
  }
  return byScope;
}

function readHelpers(path: string, helpers: unknown): AuthConfig["helpers"] {
  if (!isObject(helpers)) throw badFile(path, "credHelpers is not an object");
  const byHost = new Map<string, string>();
  for (const [key, name] of Object.entries(helpers)) {
    const host = scopeOfKey(key);
    if (host === undefined) continue;
    if (typeof name !== "string") throw badFile(path, `its helper for ${host} is not a text`);
    // docker takes an empty name for none.
    if (name !== "") byHost.set(host, name);
  }
  return byHost;
}

function readStore(path: string, store: unknown): string | undefined {
  if (store === undefined || store === null || store === "") return undefined;
  if (typeof store === "string") return store;
  throw badFile(path, "credsStore is not a text");
}

export function badFile(path: string, reason: string): SmolError {
  return new SmolError("credentials.bad_file", `cannot take credentials from ${path}: ${reason}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
