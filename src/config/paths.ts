import { SmolError } from "../errors.ts";

/** Where smolvm keeps its files (XDG base directory specification 0.8). All paths are absolute. */
export interface Paths {
  /** `machines/NAME/`: records, locks, disks. */
  readonly data: string;
  /** `images/`, `runtime/`: everything that can be made again. */
  readonly cache: string;
  /** `config.toml`. */
  readonly config: string;
  /**
   * Sockets; mode 0700, there while a machine runs. Short enough for a sockaddr_un (107 bytes) with a
   * socket's name.
   */
  readonly runtime: string;
}

type Environment = Record<string, string | undefined>;

/**
 * Computes the directories from the environment; creates nothing.
 * `SMOLVM_DATA_DIR` moves all of them below one directory.
 *
 * @throws SmolError `config.no_home` when neither HOME nor an override says where to put files.
 */
export function resolvePaths(env: Environment = process.env, uid = process.getuid?.() ?? 0): Paths {
  const root = env.SMOLVM_DATA_DIR;
  if (root) {
    const base = requireAbsolute("SMOLVM_DATA_DIR", root);
    return {
      data: base,
      cache: `${base}/cache`,
      config: `${base}/config`,
      runtime: runtimeDirectory(env, uid, base),
    };
  }
  const home = (variable: string, below: string) => {
    const value = env[variable];
    // The specification says that a relative path is to be ignored.
    if (value?.startsWith("/")) return `${value}/smolvm`;
    return `${homeDirectory(env)}/${below}/smolvm`;
  };
  const data = home("XDG_DATA_HOME", ".local/share");
  return {
    data,
    cache: home("XDG_CACHE_HOME", ".cache"),
    config: home("XDG_CONFIG_HOME", ".config"),
    runtime: runtimeDirectory(env, uid, data),
  };
}

function homeDirectory(env: Environment): string {
  const home = env.HOME;
  if (home?.startsWith("/")) return home.replace(/(?!^)\/+$/, "");
  throw new SmolError("config.no_home", home ? `HOME is not an absolute path: ${home}` : "HOME is not set", {
    hint: "set HOME, or SMOLVM_DATA_DIR to a directory that smolvm may use",
  });
}

/**
 * Sockets go to XDG_RUNTIME_DIR, which is private to the user and short; without one, to /tmp, where the directory is
 * checked for owner and mode when it is made. Each data directory has a socket directory of its own, so that machines
 * of the same name in two of them never meet.
 */
function runtimeDirectory(env: Environment, uid: number, data: string): string {
  const suffix = Bun.hash(data).toString(16).padStart(16, "0").slice(0, 8);
  const base = env.XDG_RUNTIME_DIR;
  const usable = base?.startsWith("/") && base.length <= MAX_RUNTIME_BASE;
  return usable ? `${base}/smolvm-${suffix}` : `/tmp/smolvm-${uid}-${suffix}`;
}

/**
 * With `/smolvm-`, 8 digits, `/`, 16 digits for the machine and `.agent`, a path of this length still fits into a
 * sockaddr_un of 107 bytes.
 */
const MAX_RUNTIME_BASE = 68;

function requireAbsolute(name: string, value: string): string {
  if (value.startsWith("/")) return value.replace(/(?!^)\/+$/, "");
  throw new SmolError("config.relative_path", `${name} is not an absolute path: ${value}`);
}
