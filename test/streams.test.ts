import { describe, expect } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { inputOf, until } from "./support/process.ts";
import { inLab, program } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** stdin, stdout and stderr of a workload. */

const home = useHome();
const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Every byte value, in an order that repeats only after 64 KiB. */
function pattern(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >> 8) * 7) & 0xff;
  return bytes;
}

describe("stdout and stderr", () => {
  onBoth("are separate, and stdout carries nothing but the workload's", async () => {
    const result = await home.run(["sh", "-c", "echo out; echo err >&2; printf more"]);
    expect(result).toMatchObject({ output: "out\nmore", stderr: "err\n", exitCode: 0 });
  });

  onQemu("pass every byte value", async () => {
    const script = 'i=0; while [ $i -lt 256 ]; do printf "\\\\$(printf %03o $i)"; i=$((i+1)); done';
    const { bytes } = await home.run(["sh", "-c", script]);
    expect(bytes).toEqual(Buffer.from(Array.from({ length: 256 }, (_, value) => value)));
  });

  onQemu("arrive as they are written", async () => {
    const workload = await home.startScript("read answer; echo got $answer; cat", {
      options: ["-i"],
      stdin: "pipe",
    });
    workload.say("yes\n");
    expect(await workload.line()).toBe("got yes");
    workload.say("more\n");
    expect(await workload.line()).toBe("more");
    inputOf(workload.child).end();
    expect(await workload.child.exited).toBe(0);
  });

  onBoth(
    "that nobody reads any more end the workload",
    async () => {
      const size = inLab ? 20e6 : 1e9;
      const result = await home.shell(
        `$RUN -- head -c ${size} /dev/zero | head -c 1 | wc -c; echo $PIPESTATUS`,
      );
      expect(result.output).toBe("1\n141\n");
    },
    60,
  );

  onQemu("may be closed from the start", async () => {
    const result = await home.shell("$RUN -- echo unheard >&-; echo $?");
    expect(["0\n", "141\n"]).toContain(result.output);
  });
});

describe("a stream of smolvm's own that fails", () => {
  const noSpace = "error: cannot write to stdout: ENOSPC\n";
  const isDirectory = "error: cannot read standard input: it is a directory\n";

  for (const [what, words, message] of [
    ["a full disk as stdout", "$RUN -- echo hello >/dev/full", noSpace],
    ["a directory as stdin", "$RUN -i -- cat <tmp", isDirectory],
    ["a directory as the image on stdin", "$RUN --image - -- true <tmp", isDirectory],
  ] as const) {
    onQemu(`${what} is an error that says so`, async () => {
      expect(await home.shell(`${words}; echo $?`)).toMatchObject({ output: "125\n", stderr: message });
    });
  }

  onQemu("ends a command of exec, and not the machine", async () => {
    const { child } = await home.startScript("sleep 1000", { options: ["--name", "goes-on"] });
    const exec = (words: string) => home.shell(`"$SMOLVM" machine exec --name goes-on ${words}; echo $?`);
    expect(await exec("-- echo hello >/dev/full")).toMatchObject({ output: "125\n", stderr: noSpace });
    expect(await exec("-i -- cat <tmp")).toMatchObject({ output: "125\n", stderr: isDirectory });
    expect(await exec('-- ""')).toMatchObject({
      output: "127\n",
      stderr: 'error: the command "" is not found: its name is empty\n',
    });
    expect(await exec("-- echo alive")).toMatchObject({ output: "alive\n0\n", stderr: "" });
    child.kill("SIGTERM");
    await child.exited;
  });
});

describe("stdin", () => {
  onBoth(
    "passes unchanged",
    async () => {
      const input = pattern((inLab ? 4 : 100) * MIB);
      const result = await home.run(["cat"], { options: ["-i"], stdin: input, seconds: 150 });
      expect({ exitCode: result.exitCode, stderr: result.stderr, size: result.bytes.length }).toEqual({
        exitCode: 0,
        stderr: "",
        size: input.length,
      });
      expect(sha256(result.bytes)).toBe(sha256(input));
    },
    160,
  );

  onBoth("is empty without -i", async () => {
    const result = await home.run(["wc", "-c"], { stdin: Buffer.from("not for you") });
    expect(result).toMatchObject({ output: "0\n", exitCode: 0 });
  });

  onQemu("that the workload never reads holds up nothing", async () => {
    const result = await home.run(["sh", "-c", "sleep 1; echo done"], {
      options: ["-i"],
      stdin: pattern(50 * MIB),
    });
    expect(result).toMatchObject({ output: "done\n", stderr: "", exitCode: 0 });
  });

  onQemu("that never ends does not keep the machine", async () => {
    const child = home.startRun(["true"], { options: ["-i"], stdin: "pipe" });
    expect(await child.exited).toBe(0);
  });
});

/** Memory of its own that a process has, in MiB: /proc/PID/status, RssAnon. */
function ownMemory(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/^RssAnon:\s+(\d+) kB$/m)?.[1]) / 1024;
}

/** Far below what would wait if anything were held without limit; a Bun process alone has 20 to 40. */
const MEMORY_LIMIT_MIB = 120;

describe("a flood of output with a reader that does not read", () => {
  onQemu("waits in the guest, and other commands run meanwhile", async () => {
    const script = "yes & sleep 2; echo not held up >&2; wait";
    const shell = home.startShell(`$RUN --name flood -- sh -c '${script}' 2>tmp/stderr | sleep 1000`);
    const exec = (command: string) =>
      home.smolvm(["machine", "exec", "--name", "flood", "--", "sh", "-c", command], { seconds: 10 });
    const stderr = () => readFileSync(`${home.path}/tmp/stderr`, "utf8");
    await until("the other stream", () => existsSync(`${home.path}/tmp/stderr`) && stderr());
    expect(stderr()).toBe("not held up\n");
    // Streams take turns: while this much comes through another one, as much of the flood would come if it could.
    const zeroes = `dd if=/dev/zero bs=64k count=${MEMORY_LIMIT_MIB * 16} status=none`;
    const much = `$SMOLVM machine exec --name flood -- ${zeroes} | wc -c`;
    const other = await home.shell(much, { seconds: 60 });
    expect(other).toMatchObject({
      output: `${MEMORY_LIMIT_MIB * 1024 * 1024}\n`,
      stderr: "",
      exitCode: 0,
    });
    const involved = home.processes().filter(({ command }) => command.startsWith(program));
    expect(involved).toHaveLength(2); // the command line and the machine process
    for (const { pid } of involved) expect(ownMemory(pid)).toBeLessThan(MEMORY_LIMIT_MIB);
    const quick = await exec("echo quick; grep MemAvailable /proc/meminfo");
    expect(quick).toMatchObject({ stderr: "", exitCode: 0 });
    expect(quick.output).toStartWith("quick\n");
    expect(Number(quick.output.match(/\d+/)?.[0])).toBeGreaterThan(100 * 1024);
    for (const { command, pid } of home.processes())
      if (/machine run|^sleep/.test(command)) process.kill(pid, "SIGKILL");
    await shell.exited;
    rmSync(`${home.path}/tmp/stderr`);
  });
});

describe("a daemon", () => {
  onBoth("that keeps the workload's pipes open does not keep the machine", async () => {
    const result = await home.run(["sh", "-c", "sleep 1000 & (setsid sleep 1000 &) ; echo done"]);
    expect(result).toMatchObject({ output: "done\n", stderr: "", exitCode: 0 });
  });

  onQemu("that floods the workload's pipes does not keep the machine", async () => {
    const result = await home.shell("$RUN -- sh -c 'yes & exit 5' | tail -c 2; echo $PIPESTATUS");
    expect(result.output).toEndWith("5\n");
  });

  onQemu("outside the workload's session neither stalls nor survives", async () => {
    const fork = "for i in 1 2 3 4 5 6 7 8 9 10; do (setsid sh -c 'while :; do sleep 1; done' &) ; done";
    const result = await home.run(["sh", "-c", `${fork}; exit 9`]);
    expect(result).toMatchObject({ exitCode: 9 });
  });
});
