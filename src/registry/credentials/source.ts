import type { Environment, RegistrySettings } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";
import { decodeEntry } from "./entry.ts";
import { authFiles } from "./files.ts";
import { askHelper } from "./helper.ts";
import { scopesOf, serverOf } from "./keys.ts";
import { type AuthConfig, readAuthFile } from "./read.ts";
import { fromSettings } from "./settings.ts";
import type { CredentialSource, Credentials } from "./types.ts";

/**
 * Credentials from `config.toml`, docker's and podman's files, and the helpers that these name; the first that has
 * any wins. Nothing is read before it is asked for, each file once, each answer of a helper is kept.
 */
export function openCredentials(
  settings: RegistrySettings,
  env: Environment = process.env,
): CredentialSource {
  return new Credentialing(settings, env);
}

class Credentialing implements CredentialSource {
  readonly #files = new Map<string, Promise<AuthConfig | undefined>>();
  readonly #answers = new Map<string, Promise<Credentials | undefined>>();

  #unread: string | undefined;

  constructor(
    readonly settings: RegistrySettings,
    readonly env: Environment,
  ) {}

  get unread(): string | undefined {
    return this.#unread;
  }

  async find(registry: string, repository?: string): Promise<Credentials | undefined> {
    const configured = fromSettings(this.settings, registry, this.env);
    if (configured !== undefined) return configured;
    for (const file of authFiles(this.env)) {
      const config = await once(this.#files, file.path, () => readAuthFile(file));
      const found = config && (await this.#findIn(config, registry, repository));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** In a file, helpers come before what the file itself says, as in docker. */
  async #findIn(config: AuthConfig, registry: string, repository?: string): Promise<Credentials | undefined> {
    const scopes = scopesOf(registry, repository);
    const host = scopes.at(-1) ?? registry;
    const own = config.helpers.get(host);
    for (const helper of new Set([own, config.store])) {
      const found = helper === undefined ? undefined : await this.#tryHelper(config, helper, host);
      if (found !== undefined) return found;
    }
    for (const scope of scopes) {
      for (const { entry } of config.auths.get(scope) ?? []) {
        const found = decodeEntry(entry, { path: config.path, scope });
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /**
   * Asks a helper; one that does not work is as good as none, as with docker, and `unread` tells of it: images that
   * everybody may pull need no credentials, and docker's installers name helpers that are not there over ssh or in WSL.
   */
  async #tryHelper(config: AuthConfig, name: string, host: string): Promise<Credentials | undefined> {
    try {
      return await this.#ask(config, name, host);
    } catch (error) {
      if (!(error instanceof SmolError) || !error.code.startsWith("credentials.")) throw error;
      const { message, hint } = error;
      this.#unread ??= `credentials could not be read: ${message}${hint === undefined ? "" : `; ${hint}`}`;
      return undefined;
    }
  }

  /** Helpers know a registry by the name that was used to log in, which docker leaves as a key in `auths`. */
  async #ask(config: AuthConfig, name: string, host: string): Promise<Credentials | undefined> {
    const keys = (config.auths.get(host) ?? []).map(({ key }) => key);
    for (const server of new Set([serverOf(host), ...keys.slice(0, MAX_SERVERS)])) {
      const found = await once(this.#answers, `${name}\n${server}`, () =>
        askHelper({ name, file: config.path }, server, this.env),
      );
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** Other spellings of a registry's name under which a helper is asked. */
const MAX_SERVERS = 3;

/** What was made for a key before, or is made now. */
function once<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const known = made.get(key) ?? make();
  made.set(key, known);
  return known;
}
