/** Services on the host's disk: made, removed, looked for. Nothing is printed; reports say what is left to do. */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import type { Context } from "../../context.ts";
import { errnoOf, messageOf, SmolError } from "../../errors.ts";
import { endsWithin } from "../../within.ts";
import { AGENT_MARK, launchdAgent } from "./launchd.ts";
import { type Service, serviceEnvironment, serviceName } from "./service.ts";
import { systemdUnit, UNIT_MARK } from "./systemd.ts";

export type Manager = "systemd" | "launchd";

/** Of this host. */
const MANAGER: Manager = process.platform === "darwin" ? "launchd" : "systemd";

export interface AutostartReport {
  readonly manager: Manager;
  /** As the manager calls it. */
  readonly service: string;
  /** The file that was written, or removed. */
  readonly path: string;
  /** What the user has to know or do; sentences. */
  readonly advice: readonly string[];
}

export interface EnableOptions extends Pick<Service, "program" | "stopTimeoutMs"> {
  /** The machine's name; it is there. */
  readonly name: string;
}

/**
 * Has the machine started with the host. Enabling once more writes the file anew, for another program or other
 * variables. The machine itself is neither started nor stopped.
 *
 * @throws SmolError `autostart.bad_text`, `autostart.foreign_file`, `autostart.unwritable`, `config.no_home`
 */
export async function enableAutostart(
  context: Context,
  options: EnableOptions,
  manager: Manager = MANAGER,
): Promise<AutostartReport> {
  const place = placeOf(context, options.name, manager);
  const { program, stopTimeoutMs, name: machine } = options;
  const service = { machine, program, stopTimeoutMs, environment: serviceEnvironment(context) };
  const isLaunchd = place.manager === "launchd";
  const text = isLaunchd ? launchdAgent(service, place.service) : systemdUnit(service);
  if (isForeign(place))
    throw new SmolError("autostart.foreign_file", `${place.path} exists, and smolvm has not written it`, {
      hint: "remove it or give it another name",
    });
  try {
    writeWhole(place.path, text);
    if (place.link !== undefined) makeLink(place.link, `../${place.service}`);
  } catch (error) {
    throw unwritable(place.path, error);
  }
  if (isLaunchd) return report(place, ["the machine starts when you log in, and not before"]);
  const untold = await reload(context);
  return report(place, untold === NO_SYSTEMD ? [untold] : [untold, lingering()]);
}

/**
 * The machine is no longer started with the host; one that runs goes on running.
 *
 * @returns undefined when it was not enabled: certainly not where there is no home directory
 * @throws SmolError `autostart.unwritable`
 */
export async function disableAutostart(
  context: Context,
  name: string,
  manager: Manager = MANAGER,
): Promise<AutostartReport | undefined> {
  if (homeOf(context) === undefined) return undefined;
  const place = placeOf(context, name, manager);
  if (!existsSync(place.path) || isForeign(place)) return undefined;
  try {
    // In this order: a link without a unit would be an error at each start.
    if (place.link !== undefined) rmSync(place.link, { force: true });
    rmSync(place.path, { force: true });
  } catch (error) {
    throw unwritable(place.path, error);
  }
  return report(place, place.manager === "launchd" ? [] : [await reload(context)]);
}

/** Whether the machine starts with the host. Two looks at files. @throws SmolError `config.no_home` */
export function isAutostarted(context: Context, name: string, manager: Manager = MANAGER): boolean {
  const place = placeOf(context, name, manager);
  const link = place.link === undefined || isThere(place.link);
  return link && existsSync(place.path) && !isForeign(place);
}

interface Place {
  readonly manager: Manager;
  readonly service: string;
  readonly path: string;
  /** What makes systemd start the unit. */
  readonly link?: string | undefined;
}

function homeOf({ environment: { HOME } }: Context): string | undefined {
  return HOME?.startsWith("/") ? HOME : undefined;
}

function placeOf(context: Context, name: string, manager: Manager): Place {
  const home = homeOf(context);
  if (home === undefined)
    throw new SmolError("config.no_home", "HOME is not set, or not an absolute path", {
      hint: "services are files in the user's home directory",
    });
  const base = serviceName(context, home, name);
  if (manager === "launchd") {
    const service = `smolvm.${base}`;
    return { manager, service, path: `${home}/Library/LaunchAgents/${service}.plist` };
  }
  const configured = context.environment.XDG_CONFIG_HOME;
  const directory = `${configured?.startsWith("/") ? configured : `${home}/.config`}/systemd/user`;
  const service = `smolvm-${base}.service`;
  // What `systemctl --user enable` would make, and also without a manager that runs.
  const link = `${directory}/default.target.wants/${service}`;
  return { manager, service, path: `${directory}/${service}`, link };
}

function report({ manager, service, path }: Place, advice: (string | undefined)[]): AutostartReport {
  return { manager, service, path, advice: advice.filter((text) => text !== undefined) };
}

function isForeign({ path, manager }: Place): boolean {
  try {
    return !readFileSync(path, "utf8").includes(manager === "launchd" ? AGENT_MARK : UNIT_MARK);
  } catch (error) {
    return !["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "");
  }
}

function writeWhole(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const fresh = `${path}.new`;
  writeFileSync(fresh, text);
  renameSync(fresh, path);
}

function makeLink(path: string, target: string): void {
  mkdirSync(dirname(path), { recursive: true });
  if (!isThere(path)) symlinkSync(target, path);
}

/** Also a link that leads nowhere. */
function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function unwritable(path: string, error: unknown): SmolError {
  return new SmolError("autostart.unwritable", `cannot change ${path}: ${messageOf(error)}`, {
    cause: error,
  });
}

const NO_SYSTEMD = "this host has no systemd: nothing will start the machine";

/** A manager answers in milliseconds; one that does not is as good as none. */
const RELOAD_LIMIT_MS = 10_000;

/** Tells the running manager of the user that files have changed. @returns advice, when that was not possible */
async function reload({ environment }: Context): Promise<string | undefined> {
  const systemctl = Bun.which("systemctl", { PATH: environment.PATH ?? "" });
  if (systemctl === null) return NO_SYSTEMD;
  const manager = Bun.spawn([systemctl, "--user", "daemon-reload"], {
    env: environment,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = new Response(manager.stderr).text();
  if (!(await endsWithin(manager.exited, RELOAD_LIMIT_MS))) manager.kill("SIGKILL");
  if ((await manager.exited) === 0) return undefined;
  const why = (await said).trim().split("\n").at(-1);
  return `systemd's manager for your user was not told${why ? ` (${why})` : ""}: it looks at its next start`;
}

/** Advice for a user whose manager runs only while they are logged in. */
function lingering(): string | undefined {
  // Of logind: a file for each user whose manager starts with the host (loginctl(1)).
  const name = userName();
  if (name !== undefined && existsSync(`/var/lib/systemd/linger/${name}`)) return undefined;
  return "the machine starts when you log in; to have it start with the host: loginctl enable-linger";
}

function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    // A number without an entry in passwd(5).
    return undefined;
  }
}
