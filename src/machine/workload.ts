import { ExitCode, SmolError } from "../errors.ts";
import type { ExecRequest } from "../protocol/index.ts";
import { mergeEnvironment } from "./model/environment.ts";
import type { RunRequest } from "./request.ts";

export { mergeEnvironment };

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

/** What a command is made from. */
export type WorkloadRequest = Pick<
  RunRequest,
  "command" | "entrypoint" | "init" | "env" | "workdir" | "user" | "rlimits" | "tty" | "interactive"
>;

type Words = Pick<WorkloadRequest, "command" | "entrypoint" | "tty" | "interactive">;

/**
 * Fails when there will be nothing to run, whatever the image says: before anything is started or downloaded.
 *
 * @throws SmolError `run.no_command`
 */
export function requireCommand(request: Words & Pick<RunRequest, "image">): void {
  const imageDecides = request.image !== undefined && request.entrypoint === undefined;
  if (!imageDecides) argumentsOf(request, { entrypoint: [], cmd: [] });
}

/**
 * The program and its arguments, by docker's rules: trailing words replace CMD, `--entrypoint` replaces ENTRYPOINT
 * and drops CMD, and an ENTRYPOINT of one empty word is none. With nothing to run, a session (`-i`, `-t`) is a shell.
 *
 * @throws SmolError `run.no_command`; `exec.not_found` for a program without a name
 */
export function argumentsOf(
  request: Words,
  image: Pick<WorkloadDefaults, "entrypoint" | "cmd">,
): readonly string[] {
  const overridden = request.entrypoint !== undefined;
  const given = request.entrypoint === undefined ? image.entrypoint : [request.entrypoint];
  const entrypoint = given.length === 1 && given[0] === "" ? [] : given;
  const cmd = request.command.length > 0 || overridden ? request.command : image.cmd;
  const words = [...entrypoint, ...cmd];
  if (words.length === 0) {
    if (request.interactive || request.tty) return SHELL;
    throw new SmolError("run.no_command", "no command specified", {
      hint: "add one after --, e.g. `smolvm machine run -- echo hello`, or use -it for a shell",
      exitCode: ExitCode.failure,
    });
  }
  if (words[0] === "") {
    throw new SmolError("exec.not_found", 'the command "" is not found: its name is empty', {
      exitCode: ExitCode.notFound,
    });
  }
  return words;
}

/**
 * Combines an image's defaults with what the user asked for. Later environment entries win; an empty working directory
 * or user is the image's, as in docker.
 *
 * @throws SmolError as `argumentsOf`; `run.bad_workdir` when the working directory is not absolute.
 */
export function planWorkload(
  request: WorkloadRequest,
  image: WorkloadDefaults,
  hostname: string,
): Omit<ExecRequest, "tty"> {
  const cwd = request.workdir || image.workdir || "/";
  if (!cwd.startsWith("/")) {
    throw new SmolError("run.bad_workdir", `the working directory must be absolute: ${cwd}`);
  }
  const terminal = request.tty ? [DEFAULT_TERM] : [];
  return {
    argv: argumentsOf(request, image),
    env: mergeEnvironment([DEFAULT_PATH, `HOSTNAME=${hostname}`, ...terminal], image.env, request.env),
    cwd,
    user: request.user || image.user,
    stdin: request.interactive,
    rlimits: request.rlimits,
    init: request.init ? "reaper" : "none",
  };
}
