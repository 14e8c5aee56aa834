/** Commands of upstream that this release does not have: what they would need. */
const FORK = "running machines are not copied; `smolvm machine clone` copies one that is stopped";
const UPLOAD = "images are only downloaded";

export interface UnavailableCommand {
  /** As typed after `smolvm`. */
  readonly names: readonly string[];
  /** Completes "… is not available in this release: ". */
  readonly reason: string;
}

const below = (group: string, ...names: string[]): string[] => names.map((name) => `${group} ${name}`);

export const LATER_COMMANDS: readonly UnavailableCommand[] = [
  { names: below("machine", "fork", "fork-release", "branch", "branch-release"), reason: FORK },
  { names: below("machine", "pause", "resume"), reason: "a machine runs or is stopped" },
  {
    names: below("machine", "checkpoint", "checkpoint-warm", "checkpoint-prune", "checkpoint-log"),
    reason: "memory is not saved; `smolvm machine clone` copies the disks of a stopped machine",
  },
  { names: ["machine sync"], reason: "`smolvm machine cp` copies files and directories" },
  {
    names: ["machine mount"],
    reason: "folders are given to a machine when it is made or changed: smolvm machine update -v HOST:GUEST",
  },
  {
    names: ["machine network-test"],
    reason: "a command of the machine tells more: smolvm machine exec -- wget -qO- http://1.1.1.1",
  },
  { names: ["push", "images push", "machine push", "tag", "images tag"], reason: UPLOAD },
  {
    names: ["login", "logout"],
    reason: "the logins of docker and podman are used, and those of `smolvm config registries edit`",
  },
  {
    names: ["images load", "images import", "images export", "load"],
    reason: "an archive is run as it is: smolvm machine run --image FILE",
  },
  { names: ["build", "images build", "mcp", "ssh", "compose"], reason: "it may come later" },
];

/** Commands of docker, and names of commands elsewhere in the tree, that have another name here. */
export const DOCKER_COMMANDS: ReadonlyMap<string, string> = new Map([
  ["ps", "machine ls"],
  ["commit", "machine commit"],
  ["save", "images save"],
  ["machine restart", "machine stop"],
  ["machine rename", "machine clone"],
  ["rmi", "images rm"],
  ["inspect", "images inspect"],
  ["machine pull", "images pull"],
  ["images rmi", "images rm"],
  ["images delete", "images rm"],
  ["images show", "images inspect"],
  ["config ls", "config show"],
  ["config list", "config show"],
  ["config registries ls", "config registries show"],
  ["config registries list", "config registries show"],
]);
