import { ExitCode, SmolError } from "../../errors.ts";
import { mergeEnvironment } from "../model/environment.ts";
import { type MachineSpec, SSH_AGENT_SOCKET } from "../model/index.ts";
import { hostnameOf, initEnvironment, isInitSystem } from "../root/index.ts";
import type { StartOrder } from "./order.ts";

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

/** What a machine's command is made from. */
export type Words = Pick<MachineSpec, "entrypoint" | "cmd">;

type ImageWords = Pick<WorkloadDefaults, "entrypoint" | "cmd">;

/**
 * The program and its arguments, by docker's rules: trailing words replace CMD, `--entrypoint` replaces ENTRYPOINT
 * and drops CMD, and an ENTRYPOINT of one empty word is none. Empty when nobody says what to run.
 *
 * @throws SmolError `exec.not_found` for a program without a name
 */
export function argumentsOf(words: Words, image: ImageWords): readonly string[] {
  const overridden = words.entrypoint !== null;
  const given = words.entrypoint ?? image.entrypoint;
  const entrypoint = given.length === 1 && given[0] === "" ? [] : given;
  const cmd = words.cmd.length > 0 || overridden ? words.cmd : image.cmd;
  return checkProgram([...entrypoint, ...cmd]);
}

function checkProgram(words: readonly string[]): readonly string[] {
  if (words[0] !== "") return words;
  throw new SmolError("exec.not_found", 'the command "" is not found: its name is empty', {
    exitCode: ExitCode.notFound,
  });
}

/**
 * As `argumentsOf`, for a machine that lives as long as its command: with nothing to run, a session is a shell.
 *
 * @param session whether somebody sits in front of it (`-i`, `-t`)
 * @throws SmolError `run.no_command`
 */
export function requireArguments(words: Words, session: boolean, image: ImageWords): readonly string[] {
  const argv = argumentsOf(words, image);
  if (argv.length > 0) return argv;
  if (session) return SHELL;
  throw new SmolError("run.no_command", "no command specified", {
    hint: "add one after --, e.g. `smolvm machine run -- echo hello`, or use -it for a shell",
    exitCode: ExitCode.failure,
  });
}

/**
 * Fails when there will be nothing to run, whatever the image says: before anything is started or downloaded.
 *
 * @throws SmolError `run.no_command`
 */
export function requireCommand(spec: Words & Pick<MachineSpec, "image">, session: boolean): void {
  const imageDecides = spec.image !== null && spec.entrypoint === null;
  if (!imageDecides) requireArguments(spec, session, { entrypoint: [], cmd: [] });
}

/** What else a process is asked to have. */
export interface ProcessOptions {
  /** `NAME=value`; wins over the machine's. */
  readonly env?: readonly string[] | undefined;
  /** Absolute; absent: the machine's. */
  readonly workdir?: string | undefined;
  readonly user?: string | undefined;
  readonly tty: boolean;
  readonly stdin: boolean;
}

/** A process of which everything is decided but its terminal and limits. */
export interface PlannedProcess {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly stdin: boolean;
}

/**
 * What every process of the machine has around it: image < agent < record < secrets.
 *
 * @param whose `clients`: without secrets, which clients look up themselves
 */
export function surroundingsOf(
  { record, lent }: Pick<StartOrder, "record" | "lent">,
  whose: "own" | "clients" = "own",
): Surroundings {
  const { name, workdir, user } = record;
  const agent = lent.sshAgent === null ? [] : [`SSH_AUTH_SOCK=${SSH_AGENT_SOCKET}`];
  const secrets = whose === "own" ? lent.secrets : [];
  return { name, workdir, user, env: mergeEnvironment(agent, record.env, secrets) };
}

type Surroundings = Pick<MachineSpec, "name" | "env" | "workdir" | "user">;

/**
 * A process of the machine: the image's surroundings, the machine's over them, and what this process was asked to
 * have over both. An empty working directory or user is the image's, as in docker.
 *
 * @throws SmolError `run.bad_workdir` when the working directory is not absolute; `exec.not_found` for a program without
 * a name
 */
export function processIn(
  machine: Surroundings,
  image: Pick<WorkloadDefaults, "env" | "workdir" | "user">,
  argv: readonly string[],
  options: ProcessOptions,
): PlannedProcess {
  const cwd = options.workdir || machine.workdir || image.workdir || "/";
  if (!cwd.startsWith("/")) {
    throw new SmolError("run.bad_workdir", `the working directory must be absolute: ${cwd}`);
  }
  const own = [DEFAULT_PATH, `HOSTNAME=${hostnameOf(machine.name)}`, ...(options.tty ? [DEFAULT_TERM] : [])];
  return {
    argv: checkProgram(argv),
    env: mergeEnvironment(own, image.env, machine.env, options.env ?? []),
    cwd,
    user: options.user || machine.user || image.user,
    stdin: options.stdin,
  };
}

/** The machine's own command, in its surroundings. */
export function workloadOf(
  spec: Surroundings,
  image: Pick<WorkloadDefaults, "env" | "workdir" | "user">,
  argv: readonly string[],
  session: { readonly tty: boolean; readonly stdin: boolean },
): PlannedProcess {
  const process = processIn(spec, image, argv, session);
  const env = isInitSystem(argv) ? mergeEnvironment(initEnvironment, process.env) : process.env;
  return { ...process, env };
}
