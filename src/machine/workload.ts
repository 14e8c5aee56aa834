import { SmolError } from "../errors.ts";
import type { ExecRequest } from "../protocol/index.ts";
import type { RunRequest } from "./request.ts";

/** What an image says about how to run it (OCI image-spec, config, section "config"). */
export interface WorkloadDefaults {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workdir: string;
  readonly user: string;
}

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const DEFAULT_TERM = "TERM=xterm-256color";
const SHELL = ["/bin/sh"];

/** Fails before anything is started when there is nothing to run and nobody to talk to. */
export function requireCommand(request: RunRequest): void {
  if (request.command.length > 0 || request.interactive || request.tty || request.entrypoint) return;
  throw new SmolError("run.no_command", "no command specified", {
    hint: "add one after --, e.g. `smolvm machine run -- echo hello`, or use -it for the image's own command or a shell",
    exitCode: 2,
  });
}

/**
 * Combines an image's defaults with what the user asked for, by docker's rules: trailing words replace CMD,
 * `--entrypoint` replaces ENTRYPOINT and drops CMD, later environment entries win.
 *
 * @throws SmolError `run.bad_workdir` when the working directory is not absolute.
 */
export function planWorkload(
  request: Pick<
    RunRequest,
    "command" | "entrypoint" | "env" | "workdir" | "user" | "rlimits" | "tty" | "interactive"
  >,
  image: WorkloadDefaults,
  hostname: string,
): Omit<ExecRequest, "tty"> {
  const overridden = request.entrypoint !== undefined;
  const entrypoint = overridden ? [request.entrypoint].filter((word) => word !== "") : image.entrypoint;
  const cmd = request.command.length > 0 || overridden ? request.command : image.cmd;
  const argv = [...entrypoint, ...cmd] as string[];
  const cwd = request.workdir ?? (image.workdir || "/");
  if (!cwd.startsWith("/")) {
    throw new SmolError("run.bad_workdir", `the working directory must be absolute: ${cwd}`);
  }
  const terminal = request.tty ? [DEFAULT_TERM] : [];
  return {
    argv: argv.length > 0 ? argv : SHELL,
    env: mergeEnvironment([DEFAULT_PATH, `HOSTNAME=${hostname}`, ...terminal], image.env, request.env),
    cwd,
    user: request.user ?? image.user,
    stdin: request.interactive,
    rlimits: request.rlimits,
  };
}

/** Joins lists of `NAME=value`; a later entry replaces an earlier one of the same name, in its place. */
export function mergeEnvironment(...lists: (readonly string[])[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of lists.flat()) {
    const name = entry.split("=", 1)[0] as string;
    if (name !== "") merged.set(name, entry);
  }
  return [...merged.values()];
}
