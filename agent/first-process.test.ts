import { afterEach, beforeEach, expect, test } from "bun:test";
import type { GuestExec, GuestProcess } from "../src/guest/index.ts";
import { Channel } from "../src/protocol/index.ts";
import {
  collect,
  endOf,
  output,
  readUntil,
  run,
  start,
  startGuest,
  type TestGuest,
} from "./testing/index.ts";

/**
 * The first process of a root's PID namespace, as docker's containers have it, but for docker's trap: signals
 * end it.
 */

let it: TestGuest;
beforeEach(async () => {
  it = await startGuest({ empty: true, machine: { terminal: true } });
}, 120_000);
afterEach(() => it.stop());

const tty = { columns: 80, rows: 25 };
const first = (script: string, options: Partial<GuestExec> = {}): GuestProcess =>
  start(it.guest, ["sh", "-c", script], { first: "itself", ...options });
const type = (process: GuestProcess, text: string) => process.write(Channel.stdin, Buffer.from(text));

test("it is process 1, and what it prints is also reached by /proc/1/fd/1", async () => {
  const process = first(
    "echo $$; cat /proc/1/comm; cut -d ' ' -f 1-4 /proc/self/stat; echo logged > /proc/1/fd/1",
  );
  expect(await collect(process)).toMatch(/^1\nsh\n\d+ \(cut\) R 1\nlogged\n$/);
  expect(await endOf(process)).toEqual({ end: "exit 0" });
});

test("others join its PID namespace, see it, and can signal it", async () => {
  const process = first("trap 'echo got; exit 4' TERM; echo up; read x", { stdin: true });
  const stdout = process.read(Channel.stdout);
  await readUntil(stdout, "up");
  expect(await output(it.guest, "tr '\\0' ' ' < /proc/1/cmdline")).toStartWith("sh -c trap");
  // It may be gone before its shell is: process 1 takes all others along.
  await run(it.guest, ["kill", "1"]);
  await readUntil(stdout, "got");
  expect(await endOf(process)).toEqual({ end: "exit 4" });
});

test("its end ends everything in the root, and the root takes another one", async () => {
  const process = first("echo up; read x", { stdin: true });
  await readUntil(process.read(Channel.stdout), "up");
  const other = start(it.guest, ["sleep", "1000"]);
  await other.accepted;
  process.end(Channel.stdin);
  expect(await endOf(process)).toEqual({ end: "exit 1" });
  expect(await endOf(other)).toEqual({ end: "signal 9" });
  expect((await run(it.guest, ["true"])).end).toBe("exec.no_root");
  const again = first("echo $$; ls -d /proc/[0-9]*");
  expect(await collect(again)).toBe("1\n/proc/1\n");
});

test("there is one at a time", async () => {
  const process = first("echo up; read x", { stdin: true });
  await readUntil(process.read(Channel.stdout), "up");
  expect(await endOf(first("true"))).toMatchObject({ end: "exec.bad_request" });
});

for (const [signal, name] of [
  [15, "TERM"],
  [2, "INT"],
  [1, "HUP"],
  [10, "USR1"],
  [37, "RTMIN+3"],
] as const) {
  test(`a signal that it neither catches nor ignores ends it: ${name}`, async () => {
    const process = start(it.guest, ["cat"], { first: "itself", stdin: true });
    await type(process, "up");
    await readUntil(process.read(Channel.stdout), "up");
    process.signal(signal);
    expect(await endOf(process)).toEqual({ end: `signal ${signal}` });
  });
}

test("a signal that it ignores, or whose default is to do nothing, changes nothing", async () => {
  const process = first("trap '' TERM; echo up; read x; exit 3", { stdin: true });
  await readUntil(process.read(Channel.stdout), "up");
  for (const signal of [15, 17, 28, 18]) process.signal(signal);
  await output(it.guest, "true");
  await type(process, "x\n");
  expect(await endOf(process)).toEqual({ end: "exit 3" });
});

test("^C typed into its terminal ends it, unless it catches that", async () => {
  const process = start(it.guest, ["sleep", "1000"], { first: "itself", tty, stdin: true });
  await process.accepted;
  await type(process, "\x03");
  expect(await endOf(process)).toEqual({ end: "signal 2" });

  const catching = first("trap 'echo caught; exit 5' INT; echo up; read x", { tty, stdin: true });
  const stdout = catching.read(Channel.stdout);
  await readUntil(stdout, "up");
  await type(catching, "\x03");
  await readUntil(stdout, "caught");
  expect(await endOf(catching)).toEqual({ end: "exit 5" });
});

test("^C goes to the program in the foreground, not to a first process that waits for it", async () => {
  const child = "trap 'echo interrupted; exit 0' INT; echo up; read x";
  const process = first(`set -m; sh -c "${child}"; echo after; exit 6`, { tty, stdin: true });
  const stdout = process.read(Channel.stdout);
  await readUntil(stdout, "up");
  await type(process, "\x03");
  await readUntil(stdout, "after");
  expect(await endOf(process)).toEqual({ end: "exit 6" });
});

test("^C in raw mode is a byte like any other", async () => {
  const process = first("stty raw -echo; echo up; head -c 1 | od -An -tx1", { tty, stdin: true });
  const stdout = process.read(Channel.stdout);
  await readUntil(stdout, "up");
  await type(process, "\x03");
  await readUntil(stdout, "03");
  expect(await endOf(process)).toEqual({ end: "exit 0" });
});

test("with a reaper the program is its child, orphans are reaped, signals are passed on", async () => {
  const process = first("trap 'echo got; exit 7' TERM; echo $$; (sleep 0 & ); cat /proc/1/comm; read x", {
    first: "reaper",
    stdin: true,
  });
  const stdout = process.read(Channel.stdout);
  expect(await readUntil(stdout, "init\n")).toMatch(/^([2-9]|\d\d+)\ninit\n$/);
  // Some process is always about to be reaped; a zombie that nobody reaps is there at each look.
  const noZombie = "! grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null";
  const looks = `for i in $(seq 200); do if ${noZombie}; then echo none; break; fi; sleep 0.01; done`;
  expect(await output(it.guest, looks)).toBe("none\n");
  process.signal(15);
  await readUntil(stdout, "got");
  expect(await endOf(process)).toEqual({ end: "exit 7" });
});

test("the end of a reaper's program is the end of all, by a signal too", async () => {
  const process = first("echo up; kill -USR2 $$", { first: "reaper" });
  expect(await collect(process)).toBe("up\n");
  expect(await endOf(process)).toEqual({ end: `exit ${128 + 12}` });
  expect((await run(it.guest, ["true"])).end).toBe("exec.no_root");
});

test("its terminal is /dev/console", async () => {
  const process = first(
    "tty; ls -l /dev/console; echo from the console > /dev/console; stat -c %T /dev/console",
    {
      tty,
      stdin: true,
    },
  );
  const text = await collect(process);
  expect(text).toContain("from the console");
  const number = /\/dev\/pts\/(\d+)/.exec(text)?.[1];
  expect(text).toMatch(new RegExp(`136, *${number} `));
});

test("reboot(2) is told: a restart, or a power-off", async () => {
  const restart = first("busybox reboot -f", { first: "itself" });
  expect(await endOf(restart)).toEqual({ end: "restart" });
  const off = first("busybox poweroff -f");
  expect(await endOf(off)).toEqual({ end: "poweroff" });
});

test("cancel ends it with everything in the root", async () => {
  const process = first("trap '' TERM INT; setsid sleep 1000 & echo up; yes");
  await readUntil(process.read(Channel.stdout), "up");
  process.cancel();
  expect(await endOf(process)).toEqual({ end: "signal 9" });
  expect((await run(it.guest, ["true"])).end).toBe("exec.no_root");
});

test("one that cannot be started leaves the root without one", async () => {
  expect(await endOf(start(it.guest, ["/nope"], { first: "itself" }))).toMatchObject({
    end: "exec.not_found",
  });
  expect((await run(it.guest, ["true"])).end).toBe("exec.no_root");
  expect(await collect(first("echo $$"))).toBe("1\n");
});
