import { afterAll, beforeAll, expect, test } from "bun:test";
import { Guest } from "../src/guest/index.ts";
import { Channel } from "../src/protocol/index.ts";
import {
  collect,
  endOf,
  output,
  PATH,
  readUntil,
  run,
  start,
  startAgent,
  startGuest,
  type TestGuest,
} from "./testing/index.ts";

let it: TestGuest;
beforeAll(async () => {
  it = await startGuest();
  await output(it.guest, "mkfifo /held");
}, 120_000);
afterAll(() => it.stop());

const sh = (script: string, options: Parameters<typeof run>[2] = {}) =>
  run(it.guest, ["sh", "-c", script], options);

/** Ends once no process holds /held open for writing, after at least one did. */
const untilReleased = () => run(it.guest, ["cat", "/held"]);

test("output, error output and exit code are separate and exact", async () => {
  expect(await sh("echo out; echo err >&2; exit 7")).toEqual({
    stdout: "out\n",
    stderr: "err\n",
    end: "exit 7",
  });
  expect((await sh("kill -KILL $$")).end).toBe("signal 9");
  expect((await sh("kill -TERM $$")).end).toBe("signal 15");
});

test("a program that cannot be started has a code that says why", async () => {
  const ends: Record<string, string> = {};
  for (const name of ["nope", "/nope", "/bin", "/bin/plain", "/bin/junk", "/bin/orphan", "", "/bin/sh/x"])
    ends[name] = (await run(it.guest, [name])).end;
  expect(ends).toEqual({
    nope: "exec.not_found",
    "/nope": "exec.not_found",
    "/bin": "exec.not_executable",
    "/bin/plain": "exec.not_executable",
    "/bin/junk": "exec.not_executable",
    "/bin/orphan": "exec.not_found",
    "": "exec.not_found",
    "/bin/sh/x": "exec.not_found",
  });
  expect((await run(it.guest, ["/bin/orphan"])).message).toContain("interpreter");
});

test("PATH is the one of the request, searched like execvp", async () => {
  const path = (value: string) => run(it.guest, ["echo", "x"], { env: [`PATH=${value}`] });
  expect((await path("/nowhere:/etc/passwd:/bin")).end).toBe("exit 0");
  expect((await path("/nowhere")).end).toBe("exec.not_found");
  expect((await run(it.guest, ["echo", "x"], { env: ["PATH="], cwd: "/bin" })).end).toBe("exit 0");
  expect((await run(it.guest, ["plain"], { env: [PATH] })).end).toBe("exec.not_executable");
  // Without any, the usual directories.
  expect((await run(it.guest, ["echo"], { env: [] })).end).toBe("exit 0");
});

test("the environment is the request's, with HOME from passwd when it has none", async () => {
  const env = await run(it.guest, ["env"], { env: ["A=b=c", "EMPTY=", "LINE=a\nb"] });
  expect(env.stdout).toBe("A=b=c\nEMPTY=\nLINE=a\nb\nHOME=/root\n");
  expect((await run(it.guest, ["env"], { env: ["HOME=/x"] })).stdout).toBe("HOME=/x\n");
});

test("arguments and environment are bytes, also those that are not UTF-8", async () => {
  const odd = "\udcff\udc80caf\udce9\u00e9";
  const process = start(it.guest, ["sh", "-c", 'printf %s "$1$V"', "sh", odd], { env: [PATH, `V=${odd}`] });
  const bytes: number[] = [];
  for await (const chunk of process.read(Channel.stdout)) bytes.push(...chunk);
  const once = [0xff, 0x80, 0x63, 0x61, 0x66, 0xe9, 0xc3, 0xa9];
  expect(bytes).toEqual([...once, ...once]);
});

test("the working directory is made when it is missing and must be one", async () => {
  expect((await run(it.guest, ["pwd"], { cwd: "/new/a/b" })).stdout).toBe("/new/a/b\n");
  expect((await run(it.guest, ["pwd"], { cwd: "/../.." })).stdout).toBe("/\n");
  expect((await run(it.guest, ["pwd"], { cwd: "/etc/passwd" })).end).toBe("exec.bad_cwd");
  expect((await run(it.guest, ["pwd"], { cwd: "/etc/passwd/x" })).end).toBe("exec.bad_cwd");
  // No descriptor of the agent can serve as a way out of the root.
  for (let fd = 0; fd < 40; fd++) {
    const { end, stdout } = await run(it.guest, ["ls"], { cwd: `/proc/self/fd/${fd}` });
    expect(end === "exec.bad_cwd" || stdout.includes("passwd")).toBe(end === "exec.bad_cwd");
  }
}, 30_000);

test("resource limits are set, unknown or impossible ones refused", async () => {
  const limits = { rlimits: [{ name: "nofile", soft: 100, hard: 200 }] };
  expect((await sh("ulimit -n; ulimit -Hn", limits)).stdout).toBe("100\n200\n");
  expect((await sh("ulimit -c", { rlimits: [{ name: "CORE", soft: -1, hard: -1 }] })).stdout).toBe(
    "unlimited\n",
  );
  expect((await sh("", { rlimits: [{ name: "nofile", soft: 2, hard: 1 }] })).end).toBe("exec.bad_request");
  expect(() => start(it.guest, ["true"], { rlimits: [{ name: "zork", soft: 1, hard: 1 }] })).toThrow("zork");
});

test("requests for roots that do not exist are refused", async () => {
  expect((await sh("echo", { root: "other" })).end).toBe("exec.no_root");
  expect((await sh("echo on")).stdout).toBe("on\n");
});

test("large arguments and environments pass, too large ones are refused", async () => {
  const big = "x".repeat(100_000);
  const counted = await run(it.guest, ["sh", "-c", "echo $#; echo -n $1$V | wc -c", "sh", big, big], {
    env: [PATH, `V=${big}`],
  });
  expect(counted.stdout).toBe("2\n200000\n");
  expect((await sh("true", { env: [PATH, `V=${"x".repeat(200_000)}`] })).end).toBe("exec.not_executable");
  expect((await sh("true", { env: [PATH, `V=${"x".repeat(1_200_000)}`] })).end).toBe("protocol.too_large");
});

test("a program is alone: default signals, own session, no foreign descriptors, no view of the agent", async () => {
  const status = (await run(it.guest, ["cat", "/proc/self/status"])).stdout;
  for (const name of ["SigBlk", "SigIgn", "SigCgt"]) expect(status).toContain(`${name}:\t0000000000000000\n`);
  expect(await output(it.guest, "ls /proc/self/fd")).toBe("0\n1\n2\n3\n"); // 3 is ls reading the directory
  expect(await output(it.guest, "cat /proc/self/oom_score_adj; umask")).toBe("0\n0022\n");
  const names = (await output(it.guest, "cat /proc/[0-9]*/comm")).trim().split("\n");
  expect(new Set(names)).toEqual(new Set(["init", "sleep", "cat"]));
  expect(await output(it.guest, "ls /proc/1/fd")).toBe("0\n1\n2\n");
});

test("the root is the workload's own and has what docker gives, and what a machine of one's own needs", async () => {
  expect((await output(it.guest, "ls /dev | grep -v loop")).trim().split("\n")).toEqual(
    "core fd full fuse kmsg mqueue net null ptmx pts random shm stderr stdin stdout tty urandom zero".split(
      " ",
    ),
  );
  expect(await output(it.guest, "cat /etc/hostname; hostname; head -n 2 /etc/hosts")).toBe(
    "smolvm\nsmolvm\n127.0.0.1\tlocalhost\n127.0.1.1\tsmolvm\n",
  );
  expect(
    await output(it.guest, "stat -c '%a %u:%g' /dev/fuse /dev/net/tun /dev/loop-control /dev/loop7"),
  ).toBe("666 0:0\n666 0:0\n660 0:6\n660 0:6\n");
  const mounts = await output(it.guest, "cut -d ' ' -f 2 /proc/self/mounts");
  expect(mounts.split("\n")).not.toContain("/run");
  expect(await output(it.guest, "cat /proc/self/cgroup")).toMatch(/^0::\/exec-\d+\n$/m);
});

test("/dev/stdout and /dev/stdin can be opened, also by another user", async () => {
  const script = "echo a > /dev/stdout; echo b > /dev/stderr; cat /dev/stdin";
  expect(await sh(script, { user: "app", input: "c" })).toEqual({
    stdout: "a\nc",
    stderr: "b\n",
    end: "exit 0",
  });
});

test("standard input ends, or is /dev/null", async () => {
  expect((await sh("cat; echo end", { input: "text" })).stdout).toBe("textend\n");
  expect((await sh("cat; echo end", { input: "" })).stdout).toBe("end\n");
  expect((await sh("readlink /proc/self/fd/0")).stdout).toBe("/dev/null\n");
});

test("signals reach the program and what it runs in the foreground", async () => {
  const process = start(it.guest, ["sh", "-c", "trap 'echo got; exit 9' TERM; sh -c 'echo up; exec cat'"], {
    stdin: true,
  });
  const stdout = process.read(Channel.stdout);
  await readUntil(stdout, "up\n");
  process.signal(15);
  // cat, in the shell's process group, ends by the same signal and lets the shell run its trap.
  await readUntil(stdout, "got\n");
  expect(await endOf(process)).toEqual({ end: "exit 9" });
});

test("daemons that hold the pipes do not delay the end, live on, and leave no cgroup", async () => {
  const released = untilReleased();
  const { stdout, end } = await sh(
    "exec 9>/held; (setsid sh -c 'while :; do echo flood; done' &); (setsid sleep 3003 & echo $! > /daemon); exit 3",
  );
  expect(end).toBe("exit 3");
  expect(stdout.length).toBeLessThan(2_000_000);
  expect(await output(it.guest, "cat /proc/$(cat /daemon)/cmdline | tr '\\0' ' '")).toContain("sleep 3003");
  // Only the groups of the two that run now: the one that asks, and the one that waits.
  expect(await output(it.guest, "ls -d /sys/fs/cgroup/exec-* | wc -l")).toBe("2\n");
  await output(it.guest, "kill -9 $(cat /daemon)");
  expect((await released).end).toBe("exit 0");
});

test("cancel ends the program with everything it started", async () => {
  const released = untilReleased();
  const script = "exec 9>/held; sleep 2001 & setsid sleep 2002 & echo up; yes";
  const process = start(it.guest, ["sh", "-c", script]);
  await readUntil(process.read(Channel.stdout), "up");
  process.cancel();
  expect(await endOf(process)).toEqual({ end: "signal 9" });
  expect((await released).end).toBe("exit 0");
});

test("the output of a program that has ended is complete, however late it is read", async () => {
  const process = start(it.guest, ["sh", "-c", "seq 9000; echo $$ > /ended"]);
  // It has written all there is, into pipe and window; nobody has read any of it.
  while ((await run(it.guest, ["cat", "/ended"])).end !== "exit 0") {}
  const text = await collect(process);
  expect(text.length).toBe(43_893);
  expect(await endOf(process)).toEqual({ end: "exit 0" });
});

test("a program of the system's runs in the root, and sees the root's files", async () => {
  // Natively the system is this machine: its own cat, which the root does not have.
  const { stdout, end } = await run(it.guest, ["/bin/busybox", "cat", "/etc/hostname"], {
    systemProgram: true,
  });
  expect([stdout, end]).toEqual(["smolvm\n", "exit 0"]);
});

test("without a root a program is the system's", async () => {
  const process = it.guest.exec({ argv: ["/bin/sh", "-c", "echo $$; ls /run"], env: [PATH], stdin: false });
  expect(await collect(process)).toContain("main\n");
  expect(await endOf(process)).toEqual({ end: "exit 0" });
});

test("hundreds of programs run at once, each with the limit of descriptors that the system has", async () => {
  const agent = await startAgent({ descriptors: { soft: 100, hard: 5000 } });
  const guest = new Guest(agent.transport);
  try {
    const options = { argv: ["sh", "-c", "read x; ulimit -n"], env: ["PATH=/usr/bin:/bin"], stdin: true };
    const programs = Array.from({ length: 120 }, () => guest.exec(options));
    await Promise.all(programs.map(({ accepted }) => accepted));
    for (const one of programs) one.end(Channel.stdin);
    expect(new Set(await Promise.all(programs.map((one) => collect(one))))).toEqual(new Set(["100\n"]));
  } finally {
    guest.close();
    await agent.stop();
  }
}, 60_000);
