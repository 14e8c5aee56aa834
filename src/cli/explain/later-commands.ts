/** Commands of upstream that this release does not have: what they would need. */
const PERSISTENT = "a machine lives as long as the command of its `smolvm machine run`";
const NETWORK = "nothing is read from or sent to a registry";

export interface UnavailableCommand {
  /** As typed after `smolvm`. */
  readonly names: readonly string[];
  /** Completes "… is not available in this release: ". */
  readonly reason: string;
}

const below = (group: string, ...names: string[]): string[] => names.map((name) => `${group} ${name}`);

export const LATER_COMMANDS: readonly UnavailableCommand[] = [
  { names: below("machine", "create", "start", "stop", "delete", "rm", "status"), reason: PERSISTENT },
  { names: below("machine", "update", "resize", "shell", "sh", "cp", "monitor"), reason: PERSISTENT },
  { names: below("machine", "logs", "stats", "fork", "fork-release", "egress-events"), reason: PERSISTENT },
  { names: ["machine data-dir"], reason: PERSISTENT },
  { names: ["machine images", "machine prune"], reason: "images are not kept inside machines" },
  { names: ["machine network-test"], reason: "a machine has no network" },
  { names: ["serve"], reason: "there is no HTTP API" },
  { names: ["pack"], reason: "machines cannot be packed into a program" },
  { names: ["config"], reason: "there are no settings but the options and environment variables of --help" },
  { names: ["pull", "push", "login", "logout", "machine pull", "machine push"], reason: NETWORK },
  { names: ["images", "build", "mcp", "ssh", "compose"], reason: "it may come later" },
];

/** The command sets of smolvm 0.1, and what replaces them. */
export const RENAMED_COMMANDS: Readonly<Record<string, string>> = {
  sandbox: "machine",
  sb: "machine",
  microvm: "machine",
  container: "machine",
  ct: "machine",
};
