/**
 * Runs the real helper (C) and the real agent without a VM, for tests: the helper gets namespaces of its own and a
 * busybox tree as the workload's root; the agent serves in this process. Needs Linux, root, cc and a static busybox.
 */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import {
  Channel,
  Connection,
  checkExecResult,
  connectTransport,
  type ExecRequest,
  listenTransport,
  type Stream,
} from "../src/protocol/index.ts";
import { serveStream } from "./serve.ts";

export const PATH = "PATH=/bin";

const applets =
  "cat cut dd echo env false grep head id kill ls mkdir pwd readlink rm seq setsid sh sleep stty tail tr true tty wc yes";

const files: Record<string, string> = {
  "etc/passwd":
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\nodd line\nnohome:x:7:7::\nbad:x:-1:0::/:\n",
  "etc/group": "root:x:0:\nstaff:x:50:root,app\nappgroup:x:1001:\nextra:x:60:app\n",
  "bin/junk": "\0\0junk",
  "bin/orphan": "#!/no/such/interpreter\n",
  "bin/plain": "not executable",
};

function which(program: string, packageName: string): string {
  const path = Bun.which(program);
  if (path === null) throw new Error(`${program} is missing: install the package ${packageName}`);
  return path;
}

function checked(command: string[], cwd?: string): void {
  const { exitCode, stderr } = Bun.spawnSync(command, {
    stderr: "pipe",
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

/** A small root filesystem; `extra` adds or replaces files. */
export function makeRoot(path: string, extra: Record<string, string> = {}): void {
  mkdirSync(`${path}/bin`, { recursive: true });
  copyFileSync(which("busybox", "busybox-static"), `${path}/bin/busybox`);
  for (const applet of applets.split(" ")) symlinkSync("busybox", `${path}/bin/${applet}`);
  for (const [name, text] of Object.entries({ ...files, ...extra })) {
    mkdirSync(dirname(`${path}/${name}`), { recursive: true });
    writeFileSync(`${path}/${name}`, text);
  }
  for (const name of ["busybox", "junk", "orphan"]) chmodSync(`${path}/bin/${name}`, 0o755);
}

let compiled: Buffer | undefined;

/** Puts the helper's program, compiled once for all tests of this process, into a directory. */
function placeInit(directory: string): string {
  const program = `${directory}/init`;
  if (compiled === undefined) {
    const sources = readdirSync(import.meta.dir).filter((name) => name.endsWith(".c"));
    const flags = ["-std=gnu11", "-O2", "-static", "-Wall", "-Wextra", "-Werror"];
    checked([which("cc", "gcc"), ...flags, "-o", program, ...sources], import.meta.dir);
    compiled = readFileSync(program);
  } else {
    writeFileSync(program, compiled, { mode: 0o755 });
  }
  return program;
}

export interface TestGuest {
  /** The host's side of the connection to the agent. */
  readonly host: Connection;
  readonly root: string;
  stop(): Promise<void>;
}

/** Compiles and starts the helper on a root that `prepare` made, and connects a host to an agent. */
export async function startGuest(prepare: (root: string) => void = makeRoot): Promise<TestGuest> {
  if (process.getuid?.() !== 0) throw new Error("these tests need root: they start processes in namespaces");
  const directory = mkdtempSync(`${tmpdir()}/smolvm-agent-`);
  const root = `${directory}/root`;
  mkdirSync(root);
  prepare(root);
  const helperSocket = `${directory}/helper`;
  // Its own /run and cgroup tree to mount on; what it leaves of the latter is removed when it has ended.
  const script =
    'mount -t tmpfs run /run && "$1" helper "$2" "$3" & trap "kill $!" TERM; wait $!; wait; ' +
    "cd /sys/fs/cgroup; for try in 1 2 3 4 5 6 7 8 9; do rmdir workload-$!/*/ workload-$! && break; sleep 0.1; done 2>&-";
  const helper = Bun.spawn(
    [
      which("unshare", "util-linux"),
      "--mount",
      "--cgroup",
      "sh",
      "-c",
      script,
      "sh",
      placeInit(directory),
      helperSocket,
      root,
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "inherit" },
  );
  process.env.SMOLVM_HELPER = helperSocket;

  const agents: Connection[] = [];
  const listener = listenTransport(`${directory}/agent`, (transport) =>
    agents.push(new Connection(transport, { hello: { version: "agent" }, onStream: serveStream })),
  );
  const host = new Connection(await connectTransport({ unix: `${directory}/agent` }), {
    hello: { version: "host" },
  });
  await host.hello;
  await untilListening(helperSocket);
  return {
    host,
    root,
    async stop() {
      await host.open("shutdown").result.catch(() => {});
      host.close();
      listener.stop();
      helper.kill();
      await helper.exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** In a guest /init makes this socket before there is an agent; here the two start side by side. */
async function untilListening(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      (await connectTransport({ unix: path })).close();
      return;
    } catch (error) {
      if (attempt === 500) throw error;
      await Bun.sleep(10);
    }
  }
}

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  /** `exit N`, `signal N`, or the failure's code. */
  readonly end: string;
  readonly message?: string;
}

export function openExec(host: Connection, argv: string[], options: Partial<ExecRequest> = {}): Stream {
  const request: ExecRequest = { argv, env: [PATH], cwd: "/", user: "", stdin: false, ...options };
  return host.open("exec", request);
}

export async function collect(stream: Stream, channel: number): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of stream.read(channel)) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

export async function endOf(stream: Stream): Promise<{ end: string; message?: string }> {
  try {
    const result = checkExecResult(await stream.result);
    return { end: "exitCode" in result ? `exit ${result.exitCode}` : `signal ${result.signal}` };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { end: code, message };
  }
}

/** Runs a program to its end; `input` is its whole standard input. */
export async function run(
  host: Connection,
  argv: string[],
  options: Partial<ExecRequest> & { input?: string } = {},
): Promise<Finished> {
  const { input, ...request } = options;
  const stream = openExec(host, argv, { ...request, stdin: input !== undefined });
  if (input !== undefined)
    void stream.write(Channel.stdin, Buffer.from(input)).then(() => stream.end(Channel.stdin));
  const [stdout, stderr, end] = await Promise.all([
    collect(stream, Channel.stdout),
    collect(stream, Channel.stderr),
    endOf(stream),
  ]);
  return { stdout, stderr, ...end };
}
