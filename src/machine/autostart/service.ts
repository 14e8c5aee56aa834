import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";

/** What a service manager is told about a machine that starts with the host. */
export interface Service {
  /** The machine's name. */
  readonly machine: string;
  /** Absolute path of the program that starts and stops it. */
  readonly program: string;
  /** What the program needs to find the same machines, settings and engines as whoever enabled this. */
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds that the workload may take to end. */
  readonly stopTimeoutMs: number;
}

/** Says to `machine start` and `machine stop` that the host is starting or ending, not that a user wants it. */
export const AUTOSTART_VARIABLE = "SMOLVM_AUTOSTART";

/** Where machines, settings and engines are. Not the proxies: they may contain passwords, and a start pulls nothing. */
const KEPT_VARIABLES = [
  "PATH",
  "SMOLVM_CONFIG",
  "SMOLVM_DATA_DIR",
  "SMOLVM_ENGINE",
  "SMOLVM_CONFINE",
  "SMOLVM_GPU",
  "SMOLVM_LIBKRUN",
  "SMOLVM_TEMPLATES",
  "SMOLVM_QEMU",
  "XDG_CACHE_HOME",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "XDG_RUNTIME_DIR",
] as const;

export function serviceEnvironment({ environment }: Context): Record<string, string> {
  const kept = KEPT_VARIABLES.flatMap((name) => {
    const value = environment[name];
    return value ? [[name, value]] : [];
  });
  return { ...Object.fromEntries(kept), [AUTOSTART_VARIABLE]: "1" };
}

export const startCommand = ({ program, machine }: Service) => [
  program,
  "machine",
  "start",
  "--name",
  machine,
];
export const stopCommand = ({ program, machine }: Service) => [program, "machine", "stop", "--name", machine];

/**
 * What the machine's service is called: by its name, and, where the data is not in its usual place, by that place:
 * machines of the same name in two of them never meet.
 *
 * @param home the user's home directory
 */
export function serviceName({ paths }: Context, home: string, machine: string): string {
  if (paths.data === `${home}/.local/share/smolvm`) return machine;
  return `${machine}.${Bun.hash(paths.data).toString(16).padStart(16, "0").slice(0, 8)}`;
}

/**
 * Refuses what a file of a service manager cannot say.
 *
 * @throws SmolError `autostart.bad_text`
 */
export function requireText(what: string, text: string, forbidden: RegExp): void {
  if (!forbidden.test(text) && text.isWellFormed()) return;
  throw new SmolError(
    "autostart.bad_text",
    `no service can be made with ${what}: ${JSON.stringify(text.slice(0, 200))} has characters that its file cannot have`,
    { hint: "move it to a place whose name has only ordinary characters" },
  );
}
