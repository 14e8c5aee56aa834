import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { assetPath } from "../../src/assets/index.ts";
import {
  type AllowedPath,
  type ConfinedProgram,
  type HostLayers,
  type LaunchOrder,
  lendFiles,
  planLaunch,
  startLauncher,
} from "../../src/confine/index.ts";
import { tryLayers } from "../../src/confine/layers.ts";
import { type VmmProfile, vmmProfiles } from "../../src/confine/types.ts";
import { FIRST_USER } from "../../src/confine/user.ts";
import { launchVm } from "../../src/engine/launch.ts";
import { KVM_FD } from "../../src/engine/program.ts";

/**
 * A VMM that is an attacker: a program in the VMM's place, confined as QEMU and libkrun are, tries what an escaped guest
 * would. Each attempt fails by itself, by an errno or by the end of the process, with the layers that hosts have together
 * or apart. That the attempts are real is shown by the same program without confinement.
 */

setDefaultTimeout(60_000);

let directory: string;
let attacker: string;
let launcher: string;
let host: HostLayers;
let server: Server;
let abstract: Server;
let port: number;
let sibling: Bun.Subprocess;
const path = (name: string) => `${directory}/${name}`;

beforeAll(async () => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-attack-`);
  attacker = path("attacker");
  const compiled = Bun.spawnSync([
    ...["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", attacker],
    `${import.meta.dir}/attacker.c`,
  ]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
  launcher = await assetPath("launcher", path("cache"));
  host = await tryLayers(launcher);
  mkdirSync(path(".ssh"));
  writeFileSync(path(".ssh/id_ed25519"), "secret");
  for (const name of ["disk", "other-disk"]) {
    writeFileSync(path(name), "disk");
    truncateSync(path(name), 1 << 20);
  }
  writeFileSync(path("image"), "image");
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as { port: number }).port;
  abstract = createServer();
  await new Promise<void>((resolve) => abstract.listen(path("socket"), resolve));
  // Without privileges, as a user's: the kernel itself guards one of root's from who has none.
  const plain = process.geteuid?.() === 0 ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : [];
  sibling = Bun.spawn([...plain, "sleep", "1000"]);
});

afterAll(() => {
  server.close();
  abstract.close();
  sibling.kill();
  rmSync(directory, { recursive: true, force: true });
});

const THREADS = 64;
const isRoot = process.geteuid?.() === 0;

/** As whom the attacker runs, if not as who starts it. */
const userOf = ({ user, namespaces }: HostLayers) =>
  user === "own" && namespaces === "root" ? FIRST_USER : undefined;

/** What is tried, and on what. */
const attempts = (): [attempt: string, on: string][] => {
  const secret = path(".ssh/id_ed25519");
  const other = path("other-disk");
  const pid = String(sibling.pid);
  return [
    ...[
      secret,
      other,
      "/etc/passwd",
      "/proc/self/environ",
      `/proc/${pid}/environ`,
      "/dev/mem",
      "/dev/kmsg",
    ].map((on): [string, string] => ["read", on]),
    ...[secret, other, path("image"), attacker, "/proc/self/mem", "/dev/kvm"].map((on): [string, string] => [
      "write",
      on,
    ]),
    ...["/", path(".ssh"), directory, "/proc"].map((on): [string, string] => ["list", on]),
    ...[path("made"), "/made", `${tmpdir()}/smolvm-attack-made`].map((on): [string, string] => [
      "create",
      on,
    ]),
    ["unnamed", directory],
    ["unnamed", "/"],
    ["truncate", path("image")],
    ["empty", path("image")],
    ["old_create", path("made")],
    ["old_create", "/made"],
    ["old_unnamed", directory],
    ["old_unnamed", "/"],
    ["directory", path("made")],
    ["directory", "/made"],
    ["remove", path("image")],
    ["remove", other],
    ["rename", path("disk")],
    ["link", path("disk")],
    ["symlink", path("made")],
    ["mode", path("disk")],
    ["owner", path("disk")],
    ["tcp", String(port)],
    ["udp", String(port)],
    ["unix", path("socket")],
    ["datagram", path("socket")],
    ["execute", "/bin/true"],
    ["execute", launcher],
    ["trace", pid],
    ["signal", pid],
    ["signal", "1"],
    ["thread_signal", pid],
    ["pin", pid],
    ["memory_of", pid],
    ["pidfd", pid],
    ...[
      ...[
        "listen",
        "raw",
        "abstract",
        "vsock",
        "netlink",
        "again",
        "fork",
        "mount",
        "namespace",
        "module",
        "bpf",
      ],
      ...[
        "perf",
        "keys",
        "uring",
        "dumpable",
        "root",
        "chroot",
        "limits",
        "hidden_limits",
        "memory",
        "descriptors",
      ],
    ].map((attempt): [string, string] => [attempt, "0"]),
    ["fill", path("disk")],
    ["threads", String(THREADS * 2)],
  ];
};

const krunAttempts: [attempt: string, on: string][] = [
  ["code", "0"],
  ["kvm", String(KVM_FD)],
];

/** QEMU translates what it emulates to code of its own. */
const attemptsOn: Record<VmmProfile, [attempt: string, on: string][]> = {
  qemu: [],
  krun: krunAttempts,
  "qemu-gpu": [],
  "krun-gpu": krunAttempts,
};

/** All that the attacker may use. */
const files = (): AllowedPath[] => [
  { path: attacker, rights: "execute" },
  { path: path("disk"), rights: "write" },
  { path: path("image"), rights: "read" },
];

/** The attacker in the VMM's place. */
const program = (profile: VmmProfile, attempt: string, on: string): ConfinedProgram => ({
  profile,
  command: [attacker, attempt, on],
  environment: [],
  paths: files(),
  // What krun gets open, of which it may make its own requests alone.
  devices: profile.startsWith("krun") && existsSync("/dev/kvm") ? [{ path: "/dev/kvm", fd: KVM_FD }] : [],
  sockets: [],
  addressSpaceBytes: 1 << 30,
  fileBytes: 1 << 20,
  threads: THREADS,
});

/** Exit code 0 is a success of the attacker's. */
async function attack(
  profile: VmmProfile,
  layers: HostLayers,
  attempt: string,
  on: string,
): Promise<{ code: number | null; messages: string }> {
  const confinement = { mode: "auto", host: layers, user: userOf(layers) } as const;
  const order = planLaunch(program(profile, attempt, on), confinement);
  const child = startLauncher(launcher, order);
  const [{ code }, messages] = await Promise.all([child.exited, child.messages.text()]);
  return { code, messages };
}

test("this host has every layer, without which the tests below prove less than they say", () => {
  expect(host).toMatchObject({ seccomp: "watched", namespaces: "root", user: isRoot ? "own" : "unneeded" });
  expect(host.landlock).toBeGreaterThan(0);
});

/** Root has no limit of threads, and before Linux 5.14 nobody has one of a namespace's. */
const leavesThreads = (layers: HostLayers): boolean =>
  isRoot ? userOf(layers) === undefined : layers.namespaces === "none";

/** What a host with fewer layers leaves to an attacker, which is nothing of others. */
const leftByOthers: Record<string, readonly string[]> = {
  // It sees its own root directory, in which its own files are.
  "no Landlock": ["list /", "list DIRECTORY"],
  // It may become itself again, as confined as before.
  "no warden": ["again 0"],
};

for (const profile of vmmProfiles) {
  for (const [name, without] of [
    ["all layers", {}],
    ["as who starts it", { user: "none" }],
    ["no namespaces", { namespaces: "none" }],
    ["an old Landlock", { landlock: 1 }],
    ["no Landlock", { landlock: 0 }],
    ["no warden", { seccomp: "plain" }],
    ["no namespaces, an old Landlock", { namespaces: "none", landlock: 1 }],
  ] as const) {
    test(`${profile}, ${name}: nothing that an attacker tries succeeds`, async () => {
      const layers = { ...host, ...without };
      lendFiles(files(), userOf(layers) ?? process.geteuid?.() ?? 0);
      // What it may do works: it runs, reads its image, writes its disk.
      for (const [may, on] of [
        ["nothing", "0"],
        ["read", path("image")],
        ["write", path("disk")],
      ] as const)
        expect({ may, code: (await attack(profile, layers, may, on)).code }).toEqual({ may, code: 0 });
      const succeeded: string[] = [];
      const unknown: string[] = [];
      for (const [attempt, on] of [...attempts(), ...attemptsOn[profile]]) {
        const { code, messages } = await attack(profile, layers, attempt, on);
        if (code === 0) succeeded.push(`${attempt} ${on}`);
        // Refused by the kernel, or ended for a forbidden call: by name where there is a warden.
        const named = layers.seccomp === "plain" || messages.includes('"stage":"seccomp"');
        if (code !== 0 && code !== 7 && !(code === null && named))
          unknown.push(`${attempt} ${code} ${messages}`);
      }
      const left = (leftByOthers[name] ?? []).map((one) => one.replace("DIRECTORY", directory));
      if (leavesThreads(layers)) left.push(`threads ${THREADS * 2}`);
      expect({ succeeded, unknown }).toEqual({ succeeded: left, unknown: [] });
      expect(existsSync(path("made"))).toBe(false);
      expect(readFileSync(path(".ssh/id_ed25519"), "utf8")).toBe("secret");
      expect(sibling.exitCode).toBeNull();
    });
  }
}

test("root's own files are closed to the user that its VM is, were they shown to it by mistake", async () => {
  const secret = path(".ssh/id_ed25519");
  const shown = { ...program("qemu", "read", secret), paths: [...files(), { path: secret, rights: "read" }] };
  const layers = { ...host, landlock: 0, seccomp: "none" } as const;
  const read = async (user: number | undefined) => {
    const order = planLaunch(shown as ConfinedProgram, { mode: "auto", host: layers, user });
    return (await startLauncher(launcher, order).exited).code;
  };
  chmodSync(secret, 0o600);
  expect(await read(undefined)).toBe(0);
  if (isRoot) expect(await read(FIRST_USER)).toBe(7);
});

test("an attacker does not speak for smolvm: neither words of its own, nor nothing of its forbidden call", async () => {
  const lie = (then: string) => {
    const command = [attacker, "lie", then] as const;
    const starter = {
      learn() {},
      start(_name: string, plan: () => LaunchOrder) {
        const order = plan();
        return Object.assign(startLauncher(launcher, order), { subjects: order.subjects });
      },
    };
    const confine = { starter, confinement: { mode: "auto", host } } as const;
    return launchVm({ engine: "qemu", command }, { confine }, () => program("qemu", "lie", then)).exited;
  };
  expect((await lie("and fork")).error).toMatchObject({ code: "confine.forbidden_call" });
  const { error } = await lie("and end");
  expect(error).toMatchObject({ code: "engine.vmm_failed", hint: undefined });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  expect(error?.message).not.toMatch(/[\u0000-\u001f]/);
});

test("the attempts are real: without confinement they succeed", () => {
  const unconfined = (attempt: string, on: string) => Bun.spawnSync([attacker, attempt, on]).exitCode;
  for (const [attempt, on] of [
    ["read", path(".ssh/id_ed25519")],
    ["write", path("other-disk")],
    ["list", directory],
    ["tcp", String(port)],
    ["udp", String(port)],
    ["unix", path("socket")],
    ["listen", "0"],
    ["netlink", "0"],
    ["execute", "/bin/true"],
    ["again", "0"],
    ["fork", "0"],
    ["signal", String(sibling.pid)],
    ["pidfd", String(sibling.pid)],
    ["dumpable", "0"],
    ["thread_signal", String(sibling.pid)],
    ["pin", String(sibling.pid)],
    ["hidden_limits", "0"],
    ["code", "0"],
    ...(existsSync("/dev/kvm") ? ([["kvm", "0"]] as const) : []),
    ["memory", "0"],
    ["descriptors", "0"],
    ["threads", String(THREADS * 2)],
    ["fill", path("other-disk")],
    ["unnamed", directory],
    ["create", path("by-hand")],
    ["old_create", path("by-hand-too")],
    ["old_unnamed", directory],
    ["empty", path("image")],
  ] as const)
    expect({ attempt, code: unconfined(attempt, on) }).toEqual({ attempt, code: 0 });
});
