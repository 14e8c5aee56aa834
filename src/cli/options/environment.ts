import { environment } from "../../command-line.ts";
import { resolveVariables, type Variable } from "../values/environment.ts";

interface EnvironmentOptions {
  readonly env: readonly Variable[];
  /** Paths of files in the form of docker's `--env-file`. */
  readonly envFile: readonly string[];
}

/**
 * The variables that `--env-file` and `-e` ask for, `NAME=value`, in the order in which a later one wins: those
 * of files first. Names without a value get the one of this process.
 *
 * @throws SmolError `cli.env_file`
 */
export async function environmentOf({ env, envFile }: EnvironmentOptions): Promise<string[]> {
  const fromFiles = envFile.length === 0 ? [] : await readFiles(envFile);
  return resolveVariables([...fromFiles, ...env], environment());
}

async function readFiles(paths: readonly string[]): Promise<Variable[]> {
  const { readEnvFile } = await import("../values/env-file.ts");
  return (await Promise.all(paths.map(readEnvFile))).flat();
}
