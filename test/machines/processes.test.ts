import { beforeAll, describe, expect } from "bun:test";
import { useMachines } from "../support/machines.ts";
import { inputOf, Talking, until } from "../support/process.ts";
import { inLab } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/** What runs in a machine that lasts: commands, processes that outlive who started them, and what all of them print. */

const home = useMachines();
const NAME = ["--name", "box"] as const;
const exec = (...words: string[]) => home.machine(["exec", ...NAME, ...words]);

/** The workload: a line now and then, and what it is told. */
const TICKER = `i=0; while :; do i=$((i+1)); echo "tick $i"; [ -e /stop ] && exit 0; sleep 0.2; done`;

beforeAll(
  async () => {
    if (inLab) return;
    await home.create(
      "box",
      "-w",
      "/srv",
      "-e",
      "FROM=record",
      "-e",
      "BOTH=record",
      "--",
      "sh",
      "-c",
      TICKER,
    );
    await home.ok("start", "box");
  },
  { timeout: 60_000 },
);

describe("exec", () => {
  onQemu("passes output, errors and exit code through, and adds not one byte of its own", async () => {
    expect(await exec("--", "sh", "-c", "head -c 4 /dev/zero; echo e >&2; exit 7")).toMatchObject({
      ...{ output: "\0\0\0\0", stderr: "e\n", exitCode: 7 },
    });
    expect(await exec("--", "nproc")).toMatchObject({ output: "1\n", stderr: "", exitCode: 0 });
  });

  onQemu("has the machine's environment, its own over it, and its working directory", async () => {
    const script = "echo $FROM $BOTH $PWD";
    expect(await home.sh("box", script)).toBe("record record /srv\n");
    const own = await exec(
      "-e",
      "BOTH=exec",
      "-w",
      "/etc",
      "-u",
      "nobody",
      "--",
      "sh",
      "-c",
      `${script}; id -un`,
    );
    expect(own).toMatchObject({ output: "record exec /etc\nnobody\n", stderr: "", exitCode: 0 });
  });

  onQemu("sees the workload, and what earlier ones have left running", async () => {
    await home.sh("box", "sleep 4321 >/dev/null 2>&1 &");
    const seen = await home.sh("box", "ps -o args");
    expect(seen).toContain("tick $i");
    expect(seen).toContain("sleep 4321");
    await home.sh("box", "pkill -f 'sleep 432[1]'");
  });

  onQemu("has no input without -i, and every byte of it with -i", async () => {
    expect(await exec("--", "cat")).toMatchObject({ output: "", stderr: "", exitCode: 0 });
    const bytes = crypto.getRandomValues(Buffer.alloc(65_536 * 4 + 8192));
    const echoed = await home.machine(["exec", "-i", ...NAME, "--", "cat"], { stdin: bytes });
    expect(echoed.exitCode).toBe(0);
    expect(echoed.bytes.equals(bytes)).toBe(true);
  });

  onQemu("ends with 124 after --timeout, with all that it started; the machine goes on", async () => {
    const late = await exec("--timeout", "1", "--", "sh", "-c", "sleep 4322 & sleep 4323");
    expect(late).toMatchObject({ output: "", exitCode: 124 });
    expect(late.stderr).toContain("timed out");
    expect(await home.sh("box", "pgrep -f 'sleep 432[23]' || echo none")).toBe("none\n");
  });

  onQemu("says 127 for what is not there, and 126 for what cannot be executed", async () => {
    expect(await exec("--", "no-such-program")).toMatchObject({ output: "", exitCode: 127 });
    expect(await exec("--", "/etc/passwd")).toMatchObject({ output: "", exitCode: 126 });
    expect((await exec("--", "")).exitCode).not.toBe(0);
    expect(await exec("-w", "/no/such/directory", "--", "true")).toMatchObject({ output: "" });
    expect(await exec("--", "echo", "alive")).toMatchObject({ output: "alive\n" });
  });

  onQemu("ends its command when it is told to end", async () => {
    const child = new Talking(
      home.start(["machine", "exec", ...NAME, "--", "sh", "-c", "echo on; exec sleep 4324"]),
    );
    expect(await child.line()).toBe("on");
    child.child.kill("SIGTERM");
    expect(await child.child.exited).toBe(143);
    expect(await home.sh("box", "pgrep -f 'sleep 432[4]' || echo none")).toBe("none\n");
  });

  onQemu(
    "works fifty times at once",
    async () => {
      const numbers = Array.from({ length: 50 }, (_, at) => `${at}`);
      const outputs = await Promise.all(numbers.map((number) => exec("--", "echo", number)));
      expect(outputs.map(({ output, stderr }) => output + stderr)).toEqual(numbers.map((n) => `${n}\n`));
    },
    120,
  );
});

describe("shell", () => {
  onQemu("runs what it gets on stdin", async () => {
    const stdin = Buffer.from("echo in $PWD\nread line </etc/hostname\necho $line\nexit 3\n");
    const result = await home.machine(["shell", "box"], { stdin });
    expect(result).toMatchObject({ output: "in /srv\nbox\n", stderr: "", exitCode: 3 });
    const cut = await home.machine(["sh", ...NAME], { stdin: Buffer.from("echo no newline") });
    expect(cut).toMatchObject({ output: "no newline\n", exitCode: 0 });
  });
});

describe("a process of exec -d", () => {
  onQemu("outlives the command that started it, and is found by its id", async () => {
    const script = "echo out; echo err >&2; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo last; exit 5";
    const started = await exec("-d", "-e", "OWN=1", "--", "sh", "-c", script);
    expect(started).toMatchObject({ exitCode: 0, stderr: "" });
    const id = started.output.trim();
    expect(started.output).toMatch(/^[0-9a-f]{12}\n$/);
    expect(await home.ok("ps", "-q", "box")).toContain(started.output);
    const [listed] = JSON.parse(await home.ok("ps", "--json", "box"));
    expect(listed).toMatchObject({ id, running: true, exit_code: null, command: ["sh", "-c", script] });
    expect(await home.ok("ps", "box")).toMatch(new RegExp(`^${id} +running `, "m"));
    expect(
      await until("its output", async () => {
        const { output, stderr } = await home.machine(["logs", "box", id]);
        return output === "out\n" && stderr === "err\n";
      }),
    ).toBe(true);

    const attached = new Talking(home.start(["machine", "attach", "box", id]));
    expect(await attached.line()).toBe("out");
    const waiting = home.ok("wait", "box", id);
    await home.sh("box", "touch /tmp/go");
    expect(await attached.rest()).toBe("last\n");
    expect(await attached.child.exited).toBe(5);
    expect(await waiting).toBe("5\n");
    expect(await home.ok("ps", "box")).toMatch(new RegExp(`^${id} +exited \\(5\\)`, "m"));
    expect(await home.ok("logs", "--tail", "1", "box", id)).toBe("last\n");
    expect(await home.refusal("kill", "box", id)).toMatchObject({ code: "process.ended" });
  });

  onQemu("ends by kill with any signal, and is waited for", async () => {
    const catches = "trap 'echo caught; exit 9' HUP; echo on; while :; do sleep 0.05; done";
    const ids = [];
    for (const script of [catches, "exec sleep 1000"])
      ids.push((await exec("-d", "--", "sh", "-c", script)).output.trim());
    const [first = "", second = ""] = ids;
    await until("the trap", async () => (await home.ok("logs", "box", first)) === "on\n");
    await home.ok("kill", "-s", "HUP", "box", first);
    expect(await home.ok("wait", "box", first)).toBe("9\n");
    await home.ok("kill", "box", second);
    expect(await home.ok("wait", "box", second)).toBe("137\n");
    expect(await home.refusal("kill", "box", "0123456789ab")).toMatchObject({ code: "process.not_found" });
  });

  onQemu("goes on when who is attached to it leaves", async () => {
    const id = (await exec("-d", "--", "sh", "-c", "echo on; exec sleep 1000")).output.trim();
    const attached = new Talking(home.start(["machine", "attach", "--no-stdin", "box", id]));
    expect(await attached.line()).toBe("on");
    attached.child.kill("SIGKILL");
    await attached.child.exited;
    expect(JSON.parse(await home.ok("ps", "--json", "box"))[0]).toMatchObject({ id, running: true });
    await home.ok("kill", "box", id);
  });

  onQemu("is refused together with what needs somebody in front of it", async () => {
    for (const option of ["-i", "-t", "--timeout=1s"])
      expect(await home.refusal("exec", "-d", option, ...NAME, "--", "true")).toMatchObject({
        ...{ exitCode: 2, code: "cli.conflict" },
      });
  });
});

describe("the workload", () => {
  onQemu("is attached to without an id, and Ctrl-C leaves it running", async () => {
    const attached = new Talking(home.start(["machine", "attach", "box"]));
    expect(await attached.line()).toMatch(/^tick \d+$/);
    attached.child.kill("SIGINT");
    await attached.child.exited;
    expect(await home.state("box")).toMatchObject({ workload: { running: true } });
  });

  onQemu("has a log: all of it, its end, since some time, with times", async () => {
    const all = await home.ok("logs", "box");
    expect(all).toStartWith("tick 1\ntick 2\n");
    const last = (await home.ok("logs", "--tail", "2", "box")).trim().split("\n");
    expect(last).toHaveLength(2);
    expect(last[1]).toMatch(/^tick \d+$/);
    expect(await home.ok("logs", "--timestamps", "--tail", "1", "box")).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z tick \d+\n$/,
    );
    expect(await home.ok("logs", "--until", "2020-01-01T00:00:00Z", "box")).toBe("");
    expect(await home.ok("logs", "--since", "1h", "box")).toStartWith("tick 1\n");
  });

  onQemu("is followed by logs -f and waited for until it ends; the machine goes on", async () => {
    const following = new Talking(home.start(["machine", "logs", "-f", "--tail", "1", "box"]));
    const first = Number((await following.line()).slice("tick ".length));
    expect(await following.line()).toBe(`tick ${first + 1}`);
    const waiting = home.ok("wait", "box");
    await home.sh("box", "touch /stop");
    expect(await waiting).toBe("0\n");
    expect(await home.state("box")).toMatchObject({
      state: "running",
      workload: { running: false, exit_code: 0 },
    });
    expect(await home.ok("logs", "--console", "box")).toContain("the workload ended with exit code 0");
    expect(await home.sh("box", "echo alive")).toBe("alive\n");
    // It follows the machine's log, which goes on when the workload is started again; the stop ends it.
    await home.ok("stop", "box");
    expect(await following.child.exited).toBe(0);
    expect(await following.rest()).toEndWith("\n");
  });
});

describe("a machine that does not run", () => {
  onQemu("is started by exec --start and by shell, without a word", async () => {
    expect(await home.refusal("exec", ...NAME, "--", "true")).toMatchObject({ code: "machine.not_running" });
    expect(await exec("--start", "--", "echo", "started")).toMatchObject({
      ...{ output: "started\n", stderr: "", exitCode: 0 },
    });
    await home.ok("stop", "-f", "box");
    expect(
      await home.machine(["shell", "box"], { stdin: Buffer.from("rm /stop; echo started\n") }),
    ).toMatchObject({
      ...{ output: "started\n", stderr: "", exitCode: 0 },
    });
    expect(await home.state("box")).toMatchObject({ state: "running" });
  });

  onQemu("cannot be asked what only a lasting one can be", async () => {
    const child = home.startRun(["sh", "-c", "echo ready; read line"], {
      options: ["--name", "brief", "-i"],
      stdin: "pipe",
    });
    const talking = new Talking(child);
    await talking.line();
    for (const words of [
      ["ps", "brief"],
      ["exec", "-d", "-n", "brief", "--", "true"],
    ])
      expect(await home.refusal(...words)).toMatchObject({ code: "machine.ephemeral" });
    inputOf(child).end();
    expect(await child.exited).toBe(1);
  });
});
