import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { assetPath } from "../../src/assets/index.ts";
import type { AllowedPath, Confinement, HostLayers } from "../../src/confine/index.ts";
import { tryLayers } from "../../src/confine/layers.ts";
import { systemLibraries } from "../../src/engine/program.ts";
import { runtimePaths } from "../../src/machine/host/volumes/paths.ts";

/**
 * A process that is confined as that of a machine is; an attacker's code runs in it (self-attacker.ts). That the attempts
 * are real is shown by the same program without confinement.
 */

setDefaultTimeout(60_000);

let directory: string;
let host: HostLayers;
let library: string;
let rounds = 0;

beforeAll(async () => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-self-`);
  host = await tryLayers(await assetPath("launcher", directory));
  library = await assetPath("threads", directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Files and sockets of others, and its own. */
function makePlace(): { own: string; other: string; home: string } {
  const place = `${directory}/${rounds++}`;
  const [own, other, home] = ["machines/own", "machines/other", "home"].map((name) => `${place}/${name}`) as [
    string,
    string,
    string,
  ];
  for (const path of [own, other, `${home}/.ssh`]) mkdirSync(path, { recursive: true });
  for (const path of [
    ...[`${own}/state.json`, `${own}/disk`, `${other}/disk`, `${other}/spare`],
    ...[`${home}/.ssh/id`, `${home}/.ssh/authorized_keys`, `${home}/spare.sock`],
  ])
    writeFileSync(path, "text", { mode: 0o600 });
  return { own, other, home };
}

/** Listens as other programs of the user do; Bun has no datagrams of this kind. */
async function listen(home: string, abstract: string): Promise<{ stop(): void }> {
  const script = `
import socket, sys
kinds = [(socket.SOCK_STREAM, "${home}/stream"), (socket.SOCK_DGRAM, "${home}/datagram"), (socket.SOCK_STREAM, "\\0${abstract}")]
held = [socket.socket(socket.AF_UNIX, kind) for kind, _ in kinds]
for one, (kind, path) in zip(held, kinds):
    one.bind(path)
    if kind == socket.SOCK_STREAM: one.listen()
sys.stdout.write("ready"); sys.stdout.flush()
sys.stdin.read()`;
  const child = Bun.spawn(["python3", "-c", script], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  expect(Buffer.from((await child.stdout.getReader().read()).value ?? []).toString()).toBe("ready");
  return { stop: () => child.kill() };
}

/** @returns what succeeded of what the process tried, once it had given up what the confinement takes */
async function succeeding(confinement: Confinement, unixSockets = false): Promise<string[]> {
  const place = makePlace();
  const abstract = `smolvm-self-${process.pid}-${rounds}`;
  const server = await listen(place.home, abstract);
  const paths: AllowedPath[] = [
    { path: place.own, rights: "writableShare" },
    ...runtimePaths(),
    ...systemLibraries(),
  ];
  const order = {
    ...{ ...place, confinement, abstract },
    needs: { library, paths, unixSockets },
    ...{ stream: `${place.home}/stream`, datagram: `${place.home}/datagram` },
  };
  const command = [process.execPath, `${import.meta.dir}/self-attacker.ts`, JSON.stringify(order)];
  const { stdout, stderr } = Bun.spawnSync(command, { stderr: "pipe" });
  server.stop();
  if (stdout.length === 0) throw new Error(stderr.toString());
  const { found, sibling } = JSON.parse(stdout.toString());
  process.kill(sibling, "SIGKILL");
  return found;
}

const stays = [
  ...["reads its own file", "replaces its own file", "makes a file appear", "signals itself"],
  ...["listens on TCP", "sends UDP", "knows the host's addresses", "has a pair of streams"],
];

test("a machine's process keeps its machine's files and the network, and reaches nothing else of its user's", async () => {
  expect(host).toMatchObject({ seccomp: "watched" });
  expect(host.landlock).toBeGreaterThanOrEqual(6);
  expect(await succeeding({ mode: "auto", host })).toEqual(stays);
});

test("with an old Landlock, which knows no abstract sockets, it reaches no more", async () => {
  expect(await succeeding({ mode: "auto", host: { ...host, landlock: 1 } })).toEqual(stays);
});

test("one that was lent sockets of the host reaches those that have a path, and nothing else", async () => {
  expect(await succeeding({ mode: "auto", host }, true)).toEqual([
    ...stays,
    ...["connects to another's socket", "sends to another's socket"],
  ]);
});

/** What takes rules for files, and nothing that reaches another process or the kernel. */
const files = [
  ...["reads a key", "lists keys", "writes authorized_keys", "reads another machine's disk"],
  ...["writes another machine's disk", "reads passwords", "writes a program", "reads another's environment"],
  ...[
    "writes a kernel's setting",
    "takes its own disk out",
    "takes another's disk in",
    "links a key to itself",
  ],
  ...["reads by a link", "reads by a descriptor", "removes a socket of others", "moves another machine"],
  "makes a machine",
];

test("without Landlock files are all that it reaches", async () => {
  const found = await succeeding({ mode: "auto", host: { ...host, landlock: 0 } });
  const reached = found.filter((name) => !stays.includes(name));
  expect(reached.filter((name) => !files.includes(name))).toEqual([]);
  expect(reached).toContain("reads a key");
});

test("the attempts are real: without confinement they succeed", async () => {
  const found = await succeeding({ mode: "off", host: null });
  // Not every kernel has these for everybody.
  expect(found.filter((name) => name !== "speaks vsock" && name !== "has a ring")).toEqual([
    ...stays,
    ...files.slice(0, -3),
    ...["opens a key to others", "gives a key away", "changes times of others", "marks others' files"],
    "empties others' files",
    ...files.slice(-3),
    ...["connects to another's socket", "sends to another's socket", "connects a pair to another's socket"],
    ...["connects to an abstract socket", "speaks to the kernel's audit"],
    ...["reads the wire", "forges packets"],
    ...["starts a program", "signals another", "signals its group", "slows another down", "traces another"],
    ...["gets hold of another", "makes namespaces", "changes mounts", "has a free thread"],
  ]);
});
