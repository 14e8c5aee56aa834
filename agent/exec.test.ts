import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { Channel } from "../src/protocol/index.ts";
import { collect, endOf, openExec, PATH, run, startGuest, type TestGuest } from "./testing.ts";

let guest: TestGuest;
beforeAll(async () => {
  guest = await startGuest();
}, 60_000);
afterAll(() => guest.stop());

const sh = (script: string, options: Parameters<typeof run>[2] = {}) =>
  run(guest.host, ["sh", "-c", script], options);

/** Whether no process of the workload has these words in its command line, within two seconds. */
async function isGone(words: string): Promise<boolean> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { stdout } = await run(guest.host, ["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"]);
    if (!stdout.includes(words)) return true;
    await Bun.sleep(20);
  }
  return false;
}

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
    ends[name] = (await run(guest.host, [name])).end;
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
  expect((await run(guest.host, ["/bin/orphan"])).message).toContain("interpreter");
});

test("PATH is the one of the request, searched like execvp", async () => {
  const path = (value: string) => run(guest.host, ["echo", "x"], { env: [`PATH=${value}`] });
  expect((await path("/nowhere:/etc/passwd:/bin")).end).toBe("exit 0");
  expect((await path("/nowhere")).end).toBe("exec.not_found");
  expect((await run(guest.host, ["echo", "x"], { env: ["PATH="], cwd: "/bin" })).end).toBe("exit 0");
  expect((await run(guest.host, ["plain"], { env: [PATH] })).end).toBe("exec.not_executable");
  // Without any, the usual directories.
  expect((await run(guest.host, ["echo"], { env: [] })).end).toBe("exit 0");
});

test("the environment is the request's, with HOME from passwd when it has none", async () => {
  const env = await run(guest.host, ["env"], { env: ["A=b=c", "EMPTY=", "LINE=a\nb"] });
  expect(env.stdout).toBe("A=b=c\nEMPTY=\nLINE=a\nb\nHOME=/root\n");
  expect((await run(guest.host, ["env"], { env: ["HOME=/x"] })).stdout).toBe("HOME=/x\n");
});

test("the working directory is made when it is missing and must be one", async () => {
  expect((await run(guest.host, ["pwd"], { cwd: "/new/a/b" })).stdout).toBe("/new/a/b\n");
  expect((await run(guest.host, ["pwd"], { cwd: "/../.." })).stdout).toBe("/\n");
  expect((await run(guest.host, ["pwd"], { cwd: "/etc/passwd" })).end).toBe("exec.bad_cwd");
  expect((await run(guest.host, ["pwd"], { cwd: "/etc/passwd/x" })).end).toBe("exec.bad_cwd");
  // No descriptor of the helper can serve as a way out of the root.
  for (let fd = 0; fd < 20; fd++) {
    const { end, stdout } = await run(guest.host, ["ls"], { cwd: `/proc/self/fd/${fd}` });
    expect(end === "exec.bad_cwd" || stdout.includes("passwd")).toBe(end === "exec.bad_cwd");
  }
});

test("resource limits are set, unknown or impossible ones refused", async () => {
  const limits = { rlimits: [{ name: "nofile", soft: 100, hard: 200 }] };
  expect((await sh("ulimit -n; ulimit -Hn", limits)).stdout).toBe("100\n200\n");
  expect((await sh("ulimit -c", { rlimits: [{ name: "CORE", soft: -1, hard: -1 }] })).stdout).toBe(
    "unlimited\n",
  );
  expect((await sh("", { rlimits: [{ name: "zork", soft: 1, hard: 1 }] })).end).toBe("exec.bad_request");
  expect((await sh("", { rlimits: [{ name: "nofile", soft: 2, hard: 1 }] })).end).toBe("exec.bad_request");
});

test("malformed requests fail and harm nothing else", async () => {
  for (const params of [
    undefined,
    {},
    { argv: [] },
    { argv: ["a\0b"], env: [], cwd: "/", user: "", stdin: false },
  ]) {
    expect((await endOf(guest.host.open("exec", params))).end).toBe("exec.bad_request");
  }
  expect((await endOf(guest.host.open("zork"))).end).toBe("agent.unknown_method");
  expect((await endOf(guest.host.open("clock", { unixNanoseconds: "-1" }))).end).toBe("clock.bad_request");
  expect((await sh("echo on")).stdout).toBe("on\n");
});

test("a malformed control message costs its own stream only", async () => {
  const stream = openExec(guest.host, ["sleep", "3001"]);
  await stream.accepted;
  stream.control({ type: "signal", signal: "KILL" });
  expect((await endOf(stream)).end).toBe("exec.bad_request");
  expect((await sh("echo on")).stdout).toBe("on\n");
  expect(await isGone("sleep 3001")).toBe(true);
});

test("large arguments and environments pass, too large ones are refused", async () => {
  const big = "x".repeat(100_000);
  const counted = await run(guest.host, ["sh", "-c", "echo $#; echo -n $1$V | wc -c", "sh", big, big], {
    env: [PATH, `V=${big}`],
  });
  expect(counted.stdout).toBe("2\n200000\n");
  expect((await sh("true", { env: [PATH, `V=${"x".repeat(200_000)}`] })).end).toBe("exec.not_executable");
  expect((await sh("true", { env: [PATH, `V=${"x".repeat(1_200_000)}`] })).end).toBe("protocol.too_large");
});

test("a program is alone: default signals, own session, no foreign descriptors, no view of the helper", async () => {
  const status = (await run(guest.host, ["cat", "/proc/self/status"])).stdout;
  for (const name of ["SigBlk", "SigIgn", "SigCgt"]) expect(status).toContain(`${name}:\t0000000000000000\n`);
  expect((await sh("ls /proc/self/fd")).stdout).toBe("0\n1\n2\n3\n"); // 3 is ls reading the directory
  expect((await sh("cat /proc/self/oom_score_adj")).stdout).toBe("0\n");
  const names = (await sh("cat /proc/[0-9]*/comm")).stdout.split("\n");
  expect(names).not.toContain("smolvm-helper");
  expect((await sh("cat /proc/1/comm; ls /proc/1/fd")).stdout).toBe("init\n0\n1\n2\n");
});

test("the root is the workload's own and has what docker gives", async () => {
  expect((await sh("ls /dev")).stdout.split("\n").filter(Boolean).sort()).toEqual(
    "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split(" "),
  );
  expect((await sh("cat /etc/hostname; cat /proc/sys/kernel/hostname")).stdout).toBe("smolvm\nsmolvm\n");
  expect((await sh("head -n 1 /etc/hosts")).stdout).toBe("127.0.0.1\tlocalhost smolvm\n");
  expect((await sh("ls /..")).stdout).toBe("bin\ndev\netc\nnew\nproc\nsys\n");
  expect((await sh("cut -d ' ' -f 2 /proc/self/mounts")).stdout.split("\n")).not.toContain("/run");
  expect((await sh("cat /proc/self/cgroup")).stdout).toMatch(/0::\/exec-\d+\n$/);
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
  const stream = openExec(guest.host, [
    "sh",
    "-c",
    "trap 'echo got; exit 9' TERM; echo up; while :; do sleep 0.02; done",
  ]);
  let output = "";
  for await (const chunk of stream.read(Channel.stdout)) {
    output += Buffer.from(chunk);
    if (output === "up\n") stream.control({ type: "signal", signal: 15 });
  }
  expect([output, await endOf(stream)]).toEqual(["up\ngot\n", { end: "exit 9" }]);
});

test("daemons that hold the pipes do not delay the end, live on, and leave no cgroup", async () => {
  const { stdout, end } = await sh(
    "(setsid sh -c 'while :; do echo flood; done' &); (sleep 1000 &); sleep 0.1; exit 3",
  );
  expect(end).toBe("exit 3");
  expect(stdout.length).toBeLessThan(2_000_000);
  expect((await sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).stdout).toContain("sleep 1000");
  // The group of the finished one goes away a moment after its result.
  await Bun.sleep(200);
  expect(
    (await sh("ls /sys/fs/cgroup | grep -c exec || ls -d /sys/fs/cgroup/exec*")).stdout.split("\n").length,
  ).toBe(2);
});

test("cancel ends the program with everything it started", async () => {
  const stream = openExec(guest.host, ["sh", "-c", "sleep 2001 & setsid sleep 2002 & echo up; yes"]);
  for await (const chunk of stream.read(Channel.stdout)) if (chunk.length > 0) break;
  stream.cancel();
  expect(await endOf(stream)).toEqual({ end: "signal 9" });
  expect(await isGone("sleep 200")).toBe(true);
});

test("the output of a program that has ended is complete, however late it is read", async () => {
  const stream = openExec(guest.host, ["sh", "-c", "seq 20000"]);
  await Bun.sleep(300);
  const text = await collect(stream, Channel.stdout);
  expect(text.length).toBe(108_894);
  expect(await endOf(stream)).toEqual({ end: "exit 0" });
});

test("nothing of the helper's process is left behind after all this", async () => {
  const helpers = readdirSync("/proc").filter(
    (pid) => existsSync(`/proc/${pid}/exe`) && /smolvm-helper/.test(commandOf(pid)) && pid !== "self",
  );
  // The server itself; the processes that looked after a program are gone.
  expect(helpers.length).toBe(1);
});

function commandOf(pid: string): string {
  try {
    return new TextDecoder().decode(Bun.spawnSync(["cat", `/proc/${pid}/comm`]).stdout);
  } catch {
    return "";
  }
}
