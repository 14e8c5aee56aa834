/** What is in force and what is missing, for people and for JSON. */
import { SmolError } from "../errors.ts";
import { MOVES_BETWEEN_DIRECTORIES } from "./landlock.ts";
import {
  type Confinement,
  type HostLayers,
  type LayerName,
  type LinuxLayer,
  linuxLayers,
  type ProcessName,
  processNames,
} from "./types.ts";

export interface LayerReport {
  readonly name: LayerName;
  readonly inForce: boolean;
  /** `Landlock 7`; or why it is missing, or weaker. */
  readonly detail: string;
  /** What to do about it; null when nothing need or can be done. */
  readonly fix: string | null;
}

/** A process of a machine's beside its VMM: the one that runs it, or the one that serves folders of the host to it. */
export interface ProcessReport {
  readonly name: ProcessName;
  readonly inForce: boolean;
  /** What confines it; or what is missing. */
  readonly detail: string;
  readonly fix: string | null;
}

/** Where nothing is confined at all. */
const none = <Name>(name: Name, { mode }: Confinement) => ({
  name,
  inForce: false,
  detail: mode === "off" ? "switched off" : `smolvm cannot confine processes on ${process.platform}`,
  fix: null,
});

/** macOS's own: the VM's process confines itself (seatbelt.ts). */
export const hasSandbox = ({ mode }: Confinement, platform = process.platform): boolean =>
  platform === "darwin" && mode !== "off";

/** Each layer of a confinement that whoever starts the machine can have. */
export function reportLayers(confinement: Confinement, platform = process.platform): LayerReport[] {
  const { mode, host } = confinement;
  if (platform === "darwin") return [sandbox(confinement)];
  const names = linuxLayers.filter((name) => isThere(name, mode === "off" ? null : host));
  return names.map((name) =>
    host === null || mode === "off" ? none(name, confinement) : describe[name](host),
  );
}

/** What confines the processes of a machine beside its VMM, of which the layers of `reportLayers` are. */
export function reportProcesses(confinement: Confinement): ProcessReport[] {
  const { mode, host } = confinement;
  if (host === null || mode === "off") return processNames.map((name) => none(name, confinement));
  const [landlock, seccomp] = [describe.landlock(host), describe.seccomp(host)];
  const ofFiles = host.landlock < MOVES_BETWEEN_DIRECTORIES ? tooOld(landlock) : landlock;
  return [
    ofProcess("machine", [landlock, seccomp], "it opens its machine's files, and starts no program"),
    ofProcess("files", [ofFiles, seccomp], "it reaches the folders that are lent, and no network"),
  ];
}

/** @param layers those that it needs; @param means what they come to */
function ofProcess(name: ProcessName, layers: readonly LayerReport[], means: string): ProcessReport {
  const missing = layers.find(({ inForce }) => !inForce);
  if (missing === undefined)
    return { name, inForce: true, detail: `Landlock and seccomp: ${means}`, fix: null };
  return { name, inForce: false, detail: `${missing.name}: ${missing.detail}`, fix: missing.fix };
}

function tooOld(landlock: LayerReport): LayerReport {
  if (!landlock.inForce) return landlock;
  return {
    ...landlock,
    inForce: false,
    detail: `${landlock.detail} does not let guests move files between directories`,
    fix: "Linux 5.19 or newer",
  };
}

function sandbox(confinement: Confinement): LayerReport {
  if (!hasSandbox(confinement, "darwin")) return none("sandbox", confinement);
  const detail = "a profile of its own for each VM, which no test of smolvm runs";
  return { name: "sandbox", inForce: true, detail, fix: null };
}

/** Ordinary users need no other user, and where nothing was looked for these two are not missed. */
function isThere(name: LinuxLayer, host: HostLayers | null): boolean {
  if (name === "user") return host !== null && host.user !== "unneeded";
  return name !== "cgroup" || host !== null;
}

/** The same in a line: `landlock, seccomp, namespaces (auto)`, `landlock; without seccomp, namespaces (auto)`. */
export function summarizeLayers(confinement: Confinement): string {
  const layers = reportLayers(confinement);
  const names = (inForce: boolean) => layers.filter((one) => one.inForce === inForce).map(({ name }) => name);
  const [present, absent] = [names(true), names(false)];
  const missing = absent.length === 0 ? "" : `; without ${absent.join(", ")}`;
  return `${present.join(", ") || "no layer"}${missing} (${confinement.mode})`;
}

const describe: Record<LinuxLayer, (host: HostLayers) => LayerReport> = {
  landlock: ({ landlock, reasons }) => ({
    name: "landlock",
    inForce: landlock > 0,
    detail: landlock > 0 ? `version ${landlock}` : missing(reasons.landlock),
    fix:
      landlock > 0
        ? null
        : "Linux 5.13 or newer with Landlock on (`lsm=landlock,…` on the kernel's command line)",
  }),
  seccomp: ({ seccomp, reasons }) => ({
    name: "seccomp",
    inForce: seccomp !== "none",
    detail:
      seccomp === "watched"
        ? "forbidden calls are named"
        : seccomp === "plain"
          ? "forbidden calls end the process, and only the kernel's log names them"
          : missing(reasons.seccomp),
    fix: seccomp === "none" ? "a kernel with CONFIG_SECCOMP_FILTER, for x86-64 or arm64" : null,
  }),
  namespaces: ({ namespaces, reasons }) => ({
    name: "namespaces",
    inForce: namespaces === "root",
    detail:
      namespaces === "root"
        ? "user, mount, pid, network, ipc, uts and cgroup; a root directory of its own"
        : namespaces === "bare"
          ? `without a root directory of its own: ${reasons.namespaces ?? ""}`
          : missing(reasons.namespaces),
    fix: namespaces === "root" ? null : namespaceFix(),
  }),
  user: ({ user, reasons }) => ({
    name: "user",
    inForce: user === "own",
    detail: user === "own" ? "each VM of root's is a user of its own" : missing(reasons.user),
    fix: user === "own" ? null : "start machines as an ordinary user",
  }),
  cgroup: ({ cgroup, reasons }) => ({
    name: "cgroup",
    inForce: cgroup !== null,
    detail: cgroup !== null ? `memory and threads are limited, in ${cgroup}` : missing(reasons.cgroup),
    fix: cgroup !== null ? null : cgroupFix,
  }),
};

const cgroupFix =
  "start machines from a service of systemd's for a user (`systemd-run --user --scope`, a graphical session's terminal), " +
  "or as root on a host with cgroup v2 whose memory and pids are handed down";

const missing = (reason: string | undefined): string => `missing: ${reason ?? "it does not work here"}`;

function namespaceFix(): string {
  return (
    "let users have namespaces: `sysctl user.max_user_namespaces` above 0, `kernel.unprivileged_userns_clone=1` on Debian, " +
    "`kernel.apparmor_restrict_unprivileged_userns=0` on Ubuntu; in a container, from outside it"
  );
}

/**
 * Refuses a start that is to be confined by everything where something is missing.
 *
 * @throws SmolError `confine.missing`
 */
export function requireLayers(confinement: Confinement): void {
  if (confinement.mode !== "require") return;
  // A cgroup is there where somebody has delegated one: nothing that a host has or lacks.
  const layers = reportLayers(confinement).filter(({ name }) => name !== "cgroup");
  const isMissing = ({ inForce }: { inForce: boolean }) => !inForce;
  const missingLayers = layers.filter(isMissing);
  // Processes lack what their host lacks; by themselves they are named where that is not enough.
  const absent = missingLayers.length > 0 ? missingLayers : reportProcesses(confinement).filter(isMissing);
  if (absent.length === 0) return;
  const list = absent.map(({ name, detail }) => `${name} (${detail})`).join(", ");
  throw new SmolError("confine.missing", `this host cannot confine the machine as required: ${list}`, {
    hint: absent[0]?.fix ?? "--confine auto takes what there is",
  });
}
