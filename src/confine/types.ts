/** What confines a process, and what of it a host has; docs/design/confinement.md. */

/** `auto`: all that the host has. `require`: everything, or no start. `off`: only what costs nothing and breaks nothing. */
export const confineModes = ["auto", "require", "off"] as const;
export type ConfineMode = (typeof confineModes)[number];

/** In the order in which people are told. */
export const linuxLayers = ["landlock", "seccomp", "namespaces", "user", "cgroup"] as const;
/** macOS has one. */
export const layerNames = [...linuxLayers, "sandbox"] as const;
export type LinuxLayer = (typeof linuxLayers)[number];
export type LayerName = (typeof layerNames)[number];

/** Of a machine, beside its VMM: the one that runs it, and the one that serves folders of the host to it. */
export const processNames = ["machine", "files"] as const;
export type ProcessName = (typeof processNames)[number];

/** What this host has, found out by trying; kept until something that it depends on changes. */
export interface HostLayers {
  /** Version of Landlock's interface; 0: there is none. */
  readonly landlock: number;
  /** `watched`: a forbidden call is told by name. `plain`: it only ends the process (before Linux 5.5). */
  readonly seccomp: "watched" | "plain" | "none";
  /** `root`: also a root directory of its own. `bare`: namespaces without rights in them, as Ubuntu's AppArmor leaves them. */
  readonly namespaces: "root" | "bare" | "none";
  /** `own`: each of root's VMs runs as a user of its own. `unneeded`: who starts VMs is not root. */
  readonly user: "own" | "none" | "unneeded";
  /** Directory in which each VM gets a cgroup of its own; null: none is this user's. */
  readonly cgroup: string | null;
  /** Why a layer is missing or weaker, for people. */
  readonly reasons: Readonly<Partial<Record<LayerName, string>>>;
}

export const NO_LAYERS: HostLayers = {
  ...{ landlock: 0, seccomp: "none", namespaces: "none", user: "none", cgroup: null },
  reasons: {},
};

/** How a machine is to be confined: decided by who starts it. */
export interface Confinement {
  readonly mode: ConfineMode;
  /** Null: nothing was looked for, because it is off, or this system has no launcher (macOS). */
  readonly host: HostLayers | null;
  /** As whom root's VM runs; nobody else does (`confineAsUser`). Default: as who starts it. */
  readonly user?: number | undefined;
}

/** What may be done with a file or directory, and what is below it. */
export type Rights = "read" | "write" | "library" | "execute" | "device" | "share" | "writableShare";

export interface AllowedPath {
  readonly path: string;
  readonly rights: Rights;
  /** It may be missing. */
  readonly optional?: boolean | undefined;
}

/** A path whose links have been followed. */
export interface ResolvedPath extends AllowedPath {
  /** Where the file is, whatever name the program has for it. */
  readonly source: string;
}

/** A process that is to run an untrusted guest. */
export interface ConfinedProgram {
  /** The list of system calls. */
  readonly profile: VmmProfile;
  /** Absolute path, then arguments. */
  readonly command: readonly [string, ...string[]];
  readonly environment: readonly string[];
  /** All that it opens by name. */
  readonly paths: readonly AllowedPath[];
  /** Devices that are opened for it, for reading and writing, by the descriptor at which it finds them; from 4 on. */
  readonly devices?: readonly { readonly path: string; readonly fd: number }[] | undefined;
  /** Unix sockets that are connected for it, likewise. */
  readonly sockets: readonly { readonly path: string; readonly fd: number }[];
  /** Other descriptors that it keeps. */
  readonly descriptors?: readonly number[] | undefined;
  /** Bytes of address space beyond which it gets no memory. */
  readonly addressSpaceBytes: number;
  /** Bytes of the largest file that it may write. */
  readonly fileBytes: number;
  /** As many as it may have at a time, the first one included. */
  readonly threads: number;
}

/** What the process of a machine keeps, which carries its guest's connections. */
export interface OwnNeeds {
  /** The library by which all its threads are held to that (launcher/threads/). */
  readonly library: string;
  /** All that it opens by name. */
  readonly paths: readonly AllowedPath[];
  /** It connects to sockets of the host, which its user has named. */
  readonly unixSockets: boolean;
}

/** The server of files: a process of ours that reads what a guest asks for. */
export interface ConfinedServer {
  /** The program's file, open for reading at this descriptor. Its name may have gone to another version meanwhile. */
  readonly programFd: number;
  /** What it is called, then its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly environment: readonly string[];
  /** All that it opens by name beside its program. */
  readonly paths: readonly AllowedPath[];
  /** The other descriptors that it keeps; from 4 on. */
  readonly descriptors: readonly number[];
}

/** Those with a GPU also ask the driver of the host's. */
export const vmmProfiles = ["qemu", "krun", "qemu-gpu", "krun-gpu"] as const;
export type VmmProfile = (typeof vmmProfiles)[number];
export type ProfileName = VmmProfile | "files";
