import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { GuestProcess } from "../src/guest/index.ts";
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

let it: TestGuest;
beforeAll(async () => {
  it = await startGuest();
}, 120_000);
afterAll(() => it.stop());

const tty = { columns: 100, rows: 30 };
const open = (script: string, user = "") => start(it.guest, ["sh", "-c", script], { tty, stdin: true, user });
const type = (process: GuestProcess, text: string) => process.write(Channel.stdin, Buffer.from(text));

test("the program has a controlling terminal of the size asked for, owned by its user", async () => {
  const script =
    "tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all; echo > /dev/tty; cut -d ' ' -f 5,6,7 /proc/self/stat; stat -c %u $(tty)";
  const process = open(script, "app");
  const lines = (await collect(process)).split("\r\n");
  expect(lines.slice(0, 4)).toEqual([expect.stringMatching(/^\/dev\/pts\/\d+$/), "30 100", "all", ""]);
  const [group, session, terminal] = (lines[4] ?? "").split(" ");
  expect(Number(session)).toBeGreaterThan(0);
  expect(Number(group)).toBeGreaterThan(0);
  expect(Number(terminal)).not.toBe(0);
  expect(lines[5]).toBe("1000");
  expect(await endOf(process)).toEqual({ end: "exit 0" });
});

test("a new size arrives with SIGWINCH", async () => {
  const process = open("trap 'stty size; exit 5' WINCH; echo ready; while :; do read line; done");
  const stdout = process.read(Channel.stdout);
  await readUntil(stdout, "ready");
  process.resize({ columns: 77, rows: 22 });
  expect(await readUntil(stdout, "22 77")).toContain("22 77");
  expect(await endOf(process)).toEqual({ end: "exit 5" });
});

test("input is echoed and edited, ^C interrupts, the end of input is ^D", async () => {
  const interrupted = open("echo ready; sleep 100");
  await readUntil(interrupted.read(Channel.stdout), "ready");
  await type(interrupted, "\x03");
  expect(await endOf(interrupted)).toEqual({ end: "signal 2" });

  const cat = start(it.guest, ["cat"], { tty, stdin: true });
  await type(cat, "abX\x7fc\n");
  cat.end(Channel.stdin);
  expect(await collect(cat)).toBe("abX\b \bc\r\nabc\r\n");
  expect(await endOf(cat)).toEqual({ end: "exit 0" });
});

test("the end of input reaches a program whose line is not finished", async () => {
  const cat = start(it.guest, ["cat"], { tty, stdin: true });
  await type(cat, "no-newline");
  cat.end(Channel.stdin);
  expect(await collect(cat)).toBe("no-newlineno-newline");
  expect(await endOf(cat)).toEqual({ end: "exit 0" });
});

describe("the end of input ends a shell that edits its lines", () => {
  const shell = async (...typed: string[]): Promise<string> => {
    const process = start(it.guest, ["sh", "-i"], { tty, stdin: true });
    for (const text of typed) await type(process, text);
    process.end(Channel.stdin);
    const shown = await collect(process);
    expect(await endOf(process)).toMatchObject({ end: expect.stringMatching(/^exit \d+$/) });
    return shown;
  };

  test("at once, and behind what it was told to do", async () => {
    await shell();
    expect(await shell("echo said-$((40 + 2))\n")).toContain("said-42\r\n");
    expect(await shell("echo one\n", "sleep 0.3\n", "echo said-$((40 + 2))\n")).toContain("said-42\r\n");
  });

  test("also when its last line is not finished: it is done", async () => {
    expect(await shell("echo said-$((40 + 2))")).toContain("said-42\r\n");
  });

  test("and what it runs: both read to the end", async () => {
    // What was typed is shown before wc's answer where wc runs already.
    expect(await shell("wc -c\n", "12345")).toMatch(/\r\n(12345)?5\r\n/);
  });
});

test("the end of input behind more than the terminal holds comes last", async () => {
  // Far more than a line buffer (4096 bytes) at once, the last line without its end.
  const lines = "x".repeat(1000).concat("\n").repeat(50);
  const wc = start(it.guest, ["sh", "-c", "stty -echo; echo ready; wc -c"], { tty, stdin: true });
  const stdout = wc.read(Channel.stdout);
  await readUntil(stdout, "ready");
  await type(wc, `${lines}rest`);
  wc.end(Channel.stdin);
  expect(await readUntil(stdout, "50054")).toContain("50054");
  expect(await endOf(wc)).toEqual({ end: "exit 0" });
});

test("a program that closes its terminal before it ends is not taken for hung up", async () => {
  // As cat does at its exit; were the master closed then, SIGHUP would hit the program.
  for (let i = 0; i < 20; i++) {
    const process = open(
      "echo last; exec 0<&- 1>&- 2>&-; : > /dev/null; i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; exit 6",
    );
    expect(await collect(process)).toBe("last\r\n");
    expect(await endOf(process)).toEqual({ end: "exit 6" });
  }
});

test("a terminal that floods waits for its reader and still takes ^C", async () => {
  const process = start(it.guest, ["yes"], { tty, stdin: true });
  const stdout = process.read(Channel.stdout);
  await readUntil(stdout, "y");
  for (let i = 0; i < 50; i++) await run(it.guest, ["true"]);
  await type(process, "\x03");
  let bytes = 0;
  for await (const chunk of stdout) bytes += chunk.length;
  // One window on the way, what the terminal holds, and nothing else.
  expect(bytes).toBeLessThan(2 * 1024 * 1024);
  expect(await endOf(process)).toEqual({ end: "signal 2" });
});

test("a daemon that keeps the terminal does not delay the end", async () => {
  const process = open("trap '' HUP; (setsid sleep 1000 &); echo done");
  expect(await collect(process)).toBe("done\r\n");
  expect(await endOf(process)).toEqual({ end: "exit 0" });
});

test("cancel ends a program with a terminal", async () => {
  const process = open("trap '' HUP INT TERM; yes");
  await readUntil(process.read(Channel.stdout), "y");
  process.cancel();
  expect(await endOf(process)).toEqual({ end: "signal 9" });
});

test("the workload may break its own /dev: terminals still work", async () => {
  const broken = await startGuest();
  try {
    await output(broken.guest, "rm /dev/ptmx /dev/tty; cat /dev/null > /dev/ptmx; mount -t tmpfs x /dev/pts");
    const process = start(broken.guest, ["sh", "-c", "test -t 0 && echo terminal"], { tty, stdin: true });
    expect([await collect(process), await endOf(process)]).toEqual(["terminal\r\n", { end: "exit 0" }]);
  } finally {
    await broken.stop();
  }
}, 60_000);
