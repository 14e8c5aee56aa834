import { type Environment, type RegistrySettings, registryHost } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";
import type { Credentials } from "./types.ts";

/**
 * What `config.toml` has for a registry.
 *
 * @throws SmolError `config.password_env` when the variable that should hold the password is not set
 */
export function fromSettings(
  { registries }: RegistrySettings,
  registry: string,
  env: Environment,
): Credentials | undefined {
  const host = registryHost(registry) ?? registry;
  const { username, password, passwordEnv, identityToken } = registries.get(host) ?? {};
  if (identityToken !== undefined) {
    return username === undefined ? { identityToken } : { identityToken, username };
  }
  if (username === undefined) return undefined;
  const found = (passwordEnv === undefined ? undefined : env[passwordEnv]) || password;
  if (found !== undefined) return { username, password: found };
  if (passwordEnv === undefined) return undefined;
  throw new SmolError(
    "config.password_env",
    `the password for ${host} is expected in the environment variable ${passwordEnv}, which is not set`,
    { hint: "set it, or change password_env: smolvm config registries edit" },
  );
}
