import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { Guest, type Note } from "../../src/guest/index.ts";
import type { RootInput } from "../../src/machine/root/index.ts";
import { listenTransport, type SocketTransport } from "../../src/protocol/index.ts";
import { agentProgram } from "./program.ts";
import { makeRoot, stepsFor } from "./root.ts";
import { run } from "./run.ts";

/** An agent that runs here, without a VM, and the pipe to it. */
export interface TestAgent {
  readonly transport: SocketTransport;
  /** Of the process whose end ends all of it. */
  readonly pid: number;
  /** Ends it at once, like pulling the plug of a machine. */
  kill(): void;
  /** Resolves when it has ended, with all that it started: its exit code. */
  readonly exited: Promise<number>;
  /** Its console so far. */
  readonly console: () => string;
  /** The process ids, as this machine has them, of what runs in a root's own cgroup. */
  readonly processes: (root: string) => number[];
  /**
   * Closes the pipe, waits for the end and removes what is left.
   *
   * @throws Error when AddressSanitizer or UBSan has reported something
   */
  stop(): Promise<void>;
}

const privateMounts = "mount -t tmpfs run /run && mount -t cgroup2 cgroup2 /sys/fs/cgroup";

/**
 * For an agent that is asked for anything: writes go to a tmpfs above this machine's files, and with the privileges below it cannot reach
 * devices or the clock.
 */
const harmless = [
  "mount -t tmpfs scratch /mnt",
  "mkdir /mnt/upper /mnt/work /mnt/root",
  "mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root",
  "cd /mnt/root",
  "mount --rbind /proc proc",
  "mount -t tmpfs dev dev",
  "mknod -m 666 dev/null c 1 3",
  'mount --bind "$DIRECTORY" ".$DIRECTORY"',
  "pivot_root . mnt",
  "umount -l /mnt",
  "mkdir -p /sys/fs/cgroup",
  privateMounts,
].join(" && ");
const dropPrivileges = [
  "setpriv",
  "--bounding-set",
  "-sys_time,-mknod,-sys_rawio,-sys_module,-sys_boot,-net_admin,-syslog,-bpf,-perfmon",
];

export interface TestAgentOptions {
  /** For requests that nobody has read: they can then do no harm to this machine. */
  readonly confined?: boolean;
  /** The limits of descriptors that it finds; `hard` cannot be raised by it. */
  readonly descriptors?: { readonly soft: number; readonly hard: number };
}

/**
 * Starts the agent as it is in a guest: the first process of its PID namespace, with mounts, /run and cgroups of its
 * own. Whatever it starts ends with it. Needs Linux and root.
 */
export async function startAgent(options: TestAgentOptions = {}): Promise<TestAgent> {
  if (process.getuid?.() !== 0) throw new Error("these tests need root: they start processes in namespaces");
  const program = await agentProgram();
  const directory = mkdtempSync(`${tmpdir()}/smolvm-agent-`);
  const cgroup = `${cgroupMount()}/${directory.split("/").at(-1)}`;
  mkdirSync(cgroup);
  const connected = Promise.withResolvers<SocketTransport>();
  const listener = listenTransport(`${directory}/socket`, connected.resolve);
  const script =
    'echo 0 > "$1/cgroup.procs" && shift && exec unshare --mount --cgroup --pid --fork --kill-child --mount-proc ' +
    `sh -c '${options.confined ? harmless : privateMounts} && exec "$@"' sh "$@"`;
  const { soft, hard } = options.descriptors ?? {};
  const limit =
    soft === undefined
      ? []
      : ["prlimit", `--nofile=${soft}:${hard}`, "setpriv", "--bounding-set", "-sys_resource"];
  const words = [
    ...limit,
    ...(options.confined ? dropPrivileges : []),
    program,
    "serve",
    `${directory}/socket`,
  ];
  const agent = Bun.spawn(["sh", "-c", script, "sh", cgroup, ...words], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { PATH: process.env.PATH ?? "", ASAN_OPTIONS: "detect_leaks=0", DIRECTORY: directory },
  });
  let text = "";
  const read = (async () => {
    for await (const chunk of agent.stderr) text += Buffer.from(chunk);
  })();
  const early = agent.exited.then(async (code) => {
    await read;
    throw new Error(`the agent ended with ${code} before it was connected: ${text}`);
  });
  const transport = await Promise.race([connected.promise, early]);
  early.catch(() => {});
  return {
    transport,
    pid: agent.pid,
    kill: () => writeFileSync(`${cgroup}/cgroup.kill`, "1"),
    exited: agent.exited,
    console: () => text,
    processes: (root) =>
      readFileSync(`${cgroup}/${root}/cgroup.procs`, "utf8").trim().split("\n").map(Number),
    async stop() {
      transport.close();
      await Promise.all([agent.exited, read]);
      listener.stop();
      await removeCgroup(cgroup);
      rmSync(directory, { recursive: true, force: true });
      if (/AddressSanitizer|runtime error:/.test(text)) throw new Error(text);
    },
  };
}

/** Where cgroup v2 is mounted on this machine. */
function cgroupMount(): string {
  const line = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .find((line) => line.split(" ")[2] === "cgroup2");
  if (line === undefined) throw new Error("these tests need cgroup v2 to be mounted");
  return line.split(" ")[1] as string;
}

/** Of what was killed the last may still be dying: they are not our children, so there is no event for it. */
async function removeCgroup(path: string): Promise<void> {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) await removeCgroup(`${path}/${entry.name}`);
  for (let round = 1; ; round++) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY" || round === 500) throw error;
      await Bun.sleep(10);
    }
  }
}

export interface TestGuest {
  readonly guest: Guest;
  readonly agent: TestAgent;
  /** The directory that is the root "main". */
  readonly root: string;
  readonly notes: readonly Note[];
  stop(): Promise<void>;
}

export interface TestGuestOptions {
  readonly prepare?: (root: string) => void;
  /** What is different about the machine. */
  readonly machine?: Partial<RootInput>;
  /** Leave it to the test to start the root's first process. */
  readonly empty?: boolean;
}

/** A guest with a root "main" from the product's own steps, and a first process in it that only reaps. */
export async function startGuest(options: TestGuestOptions = {}): Promise<TestGuest> {
  const agent = await startAgent();
  const directory = mkdtempSync(`${tmpdir()}/smolvm-root-`);
  const root = `${directory}/root`;
  mkdirSync(root);
  (options.prepare ?? makeRoot)(root);
  const guest = new Guest(agent.transport);
  const stop = async () => {
    guest.close();
    await agent.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const steps = stepsFor(root, options.machine);
    const made = guest.root({ name: "main", hostname: "smolvm", steps });
    if (!options.empty) {
      const first = guest.exec({
        root: "main",
        argv: ["/bin/sleep", "2147483"],
        env: [],
        stdin: false,
        first: "reaper",
      });
      await first.accepted;
    }
    return { guest, agent, root, notes: await made, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether a program with these words in its command line runs in the guest. */
export async function isRunning({ guest }: TestGuest, words: string): Promise<boolean> {
  const { stdout } = await run(guest, ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
  return stdout.includes(words);
}
