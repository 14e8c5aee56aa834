import { SmolError } from "../../errors.ts";
import type { Paths } from "../paths.ts";
import type { Environment } from "./types.ts";

/**
 * Absolute path of the settings file: `SMOLVM_CONFIG` (taken from the working directory when it is relative), else
 * `config.toml` in the configuration directory.
 *
 * @throws SmolError `config.bad_environment` when SMOLVM_CONFIG is set and empty
 */
export function settingsPath(paths: Pick<Paths, "config">, env: Environment): string {
  const given = env.SMOLVM_CONFIG;
  if (given === undefined) return `${paths.config}/config.toml`;
  if (given === "" || given.includes("\0")) {
    throw new SmolError("config.bad_environment", "SMOLVM_CONFIG is set, but not to a path", {
      hint: "set it to the path of a file, or unset it",
    });
  }
  return given.startsWith("/") ? given : `${process.cwd()}/${given}`.replaceAll("/./", "/");
}

/** `registries.toml`, where releases of upstream before 1.0 kept what is `[images]` now. */
export function legacyPath(path: string): string {
  return `${path.slice(0, path.lastIndexOf("/"))}/registries.toml`;
}
