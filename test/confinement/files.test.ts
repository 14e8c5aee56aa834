import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { assetPath } from "../../src/assets/index.ts";
import { type HostLayers, planServer, startLauncher } from "../../src/confine/index.ts";
import { tryLayers } from "../../src/confine/layers.ts";

/**
 * A server of files that is an attacker: a program in its place, confined as it is, which may use one folder. What it
 * tries beyond that fails; that the attempts are real is shown in attacks.test.ts.
 */

setDefaultTimeout(60_000);

let directory: string;
let launcher: string;
let host: HostLayers;
let server: Server;
let sibling: Bun.Subprocess;
const path = (name: string) => `${directory}/${name}`;
const PROGRAM_FD = 4;
const ITSELF = `/proc/self/fd/${PROGRAM_FD}`;

beforeAll(async () => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-files-attack-`);
  const compiled = Bun.spawnSync([
    ...["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", path("attacker")],
    `${import.meta.dir}/attacker.c`,
  ]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
  launcher = await assetPath("launcher", path("cache"));
  host = await tryLayers(launcher);
  for (const name of ["folder", "readonly", ".ssh"]) {
    mkdirSync(path(name));
    writeFileSync(path(`${name}/file`), "text");
  }
  server = createServer();
  await new Promise<void>((resolve) => server.listen(path("socket"), resolve));
  sibling = Bun.spawn(["sleep", "1000"]);
});

afterAll(() => {
  server.close();
  sibling.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** Exit code 0: the attempt has succeeded; 7: the kernel refused it; null: it was ended. */
async function attempt(layers: HostLayers, what: string, on: string): Promise<number | null> {
  const order = planServer(
    {
      programFd: PROGRAM_FD,
      command: ["attacker", what, on],
      environment: [],
      paths: [
        { path: path("folder"), rights: "writableShare" },
        { path: path("readonly"), rights: "share" },
        { path: path("not-there"), rights: "share", optional: true },
      ],
      descriptors: [],
    },
    { mode: "auto", host: layers },
  );
  const program = openSync(path("attacker"), "r");
  try {
    const child = startLauncher(launcher, order, [program]);
    const [{ code }] = await Promise.all([child.exited, child.messages.text()]);
    return code;
  } finally {
    closeSync(program);
  }
}

/** Files of others; what Landlock is for. */
const outside = (): [what: string, on: string][] => [
  ...["/etc/passwd", path(".ssh/file"), `/proc/${sibling.pid}/environ`, "/proc/1/environ", "/dev/mem"].map(
    (on): [string, string] => ["read", on],
  ),
  ...[path(".ssh/file"), path("readonly/file"), path("attacker"), "/proc/sysrq-trigger"].map(
    (on): [string, string] => ["write", on],
  ),
  ...["/", directory, path(".ssh"), "/proc"].map((on): [string, string] => ["list", on]),
  ...["create", "directory", "symlink"].flatMap((what): [string, string][] => [
    [what, path("made")],
    [what, path("readonly/made")],
  ]),
  ["unnamed", directory],
  ["remove", path(".ssh/file")],
  ["remove", path("readonly/file")],
  ["truncate", path("readonly/file")],
  ["empty", path("readonly/file")],
  ["rename", path("folder/file")],
  ["link", path("folder/file")],
];

/** Other processes, the network, the kernel: what the list of system calls is for. */
const calls = (): [what: string, on: string][] => {
  const pid = String(sibling.pid);
  return [
    ["execute", "/bin/true"],
    ["execute", ITSELF],
    ["unix", path("socket")],
    ...["trace", "signal", "thread_signal", "pin", "memory_of", "pidfd"].map((what): [string, string] => [
      what,
      pid,
    ]),
    ...[
      ...["tcp", "udp", "listen", "raw", "abstract", "vsock", "netlink", "fork", "mount"],
      ...["namespace", "module", "bpf", "perf", "keys", "uring", "chroot"],
    ].map((what): [string, string] => [what, "1"]),
  ];
};

async function succeeding(layers: HostLayers, attempts: [string, string][]): Promise<string[]> {
  const found: string[] = [];
  for (const [what, on] of attempts) {
    const code = await attempt(layers, what, on);
    if (code === 0) found.push(`${what} ${on}`);
    else if (code !== 7 && code !== null) found.push(`${what} ${on} ended with ${code}`);
  }
  return found;
}

for (const [name, without] of [
  ["all layers", {}],
  ["an old Landlock", { landlock: 2 }],
] as const)
  test(`${name}: a server of files reaches its folders and nothing else`, async () => {
    const layers = { ...host, ...without };
    expect(host.landlock).toBeGreaterThanOrEqual(2);
    for (const [what, on] of [
      ["read", path("folder/file")],
      ["read", path("readonly/file")],
      ["write", path("folder/file")],
      ["list", path("folder")],
      ["create", path(`folder/${name}`)],
    ] as const)
      expect({ what, code: await attempt(layers, what, on) }).toEqual({ what, code: 0 });
    expect(await succeeding(layers, [...outside(), ...calls()])).toEqual([]);
    expect(existsSync(path("made"))).toBe(false);
    expect(sibling.exitCode).toBeNull();
  });

test("without Landlock it still starts no programs, and reaches no process and no network", async () => {
  // With its first version, which forbids moves between directories, it has none.
  for (const landlock of [0, 1]) expect(await succeeding({ ...host, landlock }, calls())).toEqual([]);
});

test("without a warden it may start nothing but itself", async () => {
  expect(await succeeding({ ...host, seccomp: "plain" }, calls())).toEqual([
    `execute ${ITSELF} ended with 9`,
  ]);
});
