import type { Environment } from "../../config/index.ts";

/** A file that may hold credentials. */
export interface AuthFile {
  readonly path: string;
  /** The user named this very file, so that it has to be there. */
  readonly required: boolean;
}

/**
 * Where docker and podman keep credentials, in the order in which they are asked: `REGISTRY_AUTH_FILE`, docker's
 * `config.json`, podman's `auth.json` of this session and of the user (containers-auth.json(5)).
 */
export function authFiles(env: Environment, uid = process.getuid?.() ?? 0): AuthFile[] {
  const named = env.REGISTRY_AUTH_FILE;
  const home = absolute(env.HOME);
  const docker = env.DOCKER_CONFIG ? env.DOCKER_CONFIG : below(home, ".docker");
  // Without a session directory, which root often does not have, podman has one of its own.
  const session = env.XDG_RUNTIME_DIR
    ? below(absolute(env.XDG_RUNTIME_DIR), "containers")
    : `/run/containers/${uid}`;
  const config = absolute(env.XDG_CONFIG_HOME) ?? below(home, ".config");
  const usual = [
    below(docker, "config.json"),
    below(session, "auth.json"),
    below(config, "containers/auth.json"),
  ];
  return [
    ...(named ? [{ path: named, required: true }] : []),
    ...usual.flatMap((path) => (path === undefined ? [] : [{ path, required: false }])),
  ];
}

/** Relative paths in these variables are to be ignored (XDG base directory specification). */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith("/") ? path : undefined;
}

function below(directory: string | undefined, name: string): string | undefined {
  return directory === undefined ? undefined : `${directory.replace(/(?!^)\/+$/, "")}/${name}`;
}
