import { describe, expect } from "bun:test";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { inputOf, until } from "./support/process.ts";
import { inLab } from "./support/program.ts";
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
    const child = home.startRun(["sh", "-c", "echo first; read answer; echo got $answer"], {
      options: ["-i"],
      stdin: "pipe",
    });
    const reader = child.stdout.getReader();
    const read = async () => Buffer.from((await reader.read()).value ?? []).toString();
    expect(await read()).toBe("first\n");
    inputOf(child).write("yes\n");
    await inputOf(child).flush();
    expect(await read()).toBe("got yes\n");
    inputOf(child).end();
    expect(await child.exited).toBe(0);
  });

  onBoth(
    "that nobody reads any more end the workload",
    async () => {
      const size = inLab ? "20M" : "1G";
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
    const child = home.startRun(["sh", "-c", "yes & yes >&2"], { options: ["--name", "flood"] });
    const machine = await until("the machine", () => home.roles("__machine")[0]);
    await until(
      "the guest",
      async () => (await home.smolvm(["machine", "exec", "--name", "flood", "--", "true"])).exitCode === 0,
    );
    await Bun.sleep(4000);
    expect(ownMemory(child.pid)).toBeLessThan(MEMORY_LIMIT_MIB);
    expect(ownMemory(machine)).toBeLessThan(MEMORY_LIMIT_MIB);
    const other = await home.smolvm(
      ["machine", "exec", "--name", "flood", "--", "sh", "-c", "echo quick; grep MemAvailable /proc/meminfo"],
      {
        seconds: 10,
      },
    );
    expect(other).toMatchObject({ stderr: "", exitCode: 0 });
    expect(other.output).toStartWith("quick\n");
    child.kill("SIGTERM");
    await child.exited;
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
