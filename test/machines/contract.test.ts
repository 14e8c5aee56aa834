import { afterAll, describe, expect } from "bun:test";
import { closeSync, copyFileSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { imageWith } from "../support/images.ts";
import { Machines, SMALL } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { program } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/** What scripts rely on of running machines, beyond what the other files of this folder hold. */

const home = new Machines();
afterAll(() => home.remove());

/** The longest name that there can be: no socket's path depends on it. */
const NAME = "n".repeat(128);

/** stdout and stderr of a shell script together, in the order in which they were written. */
async function merged(script: string): Promise<string> {
  const { output, exitCode } = await home.shell(`exec 2>&1; ${script}`);
  if (exitCode !== 0) throw new Error(`${script}: ${exitCode}: ${output}`);
  return output;
}

describe("a bare machine", () => {
  onQemu("starts in a pipe that ends with the command, and says so in lines that begin with it", async () => {
    const init = ["--init", "echo out; echo err >&2", "--init-once", "echo once >> /once"];
    await home.create(NAME, "--overlay", "4", ...init);
    const text = await merged(`"$SMOLVM" machine start --name ${NAME} | cat`);
    // Two streams of one command have no order between them.
    expect(text.replace(/PID: \d+/, "PID: N").replace("err\nout\n", "out\nerr\n")).toBe(
      [
        ...["Running 2 init command(s)...", "out", "err", `Started machine: ${NAME}`],
        ...[`Machine '${NAME}' running (PID: N)`, ""],
      ].join("\n"),
    );
    expect(await home.ok("ls")).toMatch(new RegExp(`^${NAME} running `, "m"));
    // It has nothing to run, and waits.
    expect(await home.ok("status", NAME)).toMatch(/^Machine '.*': running \(PID: \d+\)\n$/);
    for (const fd of [0, 1, 2]) {
      const { pid } = await home.state(NAME);
      expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toContain("__machine");
      expect(Bun.spawnSync(["readlink", `/proc/${pid}/fd/${fd}`]).stdout.toString()).toBe("/dev/null\n");
    }
  });

  onQemu("has its disks where scripts look for them", async () => {
    const mounts = await home.sh(NAME, "mount");
    expect(mounts).toMatch(/^overlay on \/ type overlay /m);
    expect(mounts).toMatch(/^\/dev\/vda on \/storage type ext4 /m);
    expect(await home.sh(NAME, "readlink /workspace")).toBe("/storage/workspace\n");
    const megabytes = await home.sh(NAME, "df -m / | tail -n 1 | awk '{print $4}'");
    expect(Number(megabytes)).toBeGreaterThan(3000);
    expect(Number(megabytes)).toBeLessThan(4096);
  });

  onQemu("runs commands that write nothing but their own bytes, wherever their name stands", async () => {
    const exec = `"$SMOLVM" machine exec`;
    expect(await merged(`${exec} --name ${NAME} -- nproc`)).toBe("1\n");
    expect(await merged(`${exec} -e V=hello --name ${NAME} -w / -- sh -c 'echo $V; pwd'`)).toBe("hello\n/\n");
    expect(await merged(`${exec} ${NAME} -- head -c 4 /dev/zero | wc -c`)).toBe("4\n");
    expect(await home.refusal("exec", "--name", NAME, "--", "")).toMatchObject({
      exitCode: 127,
      code: "exec.not_found",
    });
    expect(await home.sh(NAME, "echo lives")).toBe("lives\n");
  });

  onQemu("tells a terminal's reader that its input has ended, in a line or not", async () => {
    const typed = async (text: string, ...argv: string[]) =>
      await home.machine(["exec", "-it", "--name", NAME, "--", ...argv], { stdin: Buffer.from(text) });
    expect(await typed("no newline", "cat")).toMatchObject({ exitCode: 0, output: "no newlineno newline" });
    for (const text of ["echo said-$((40 + 2))\n", "echo said-$((40 + 2))"]) {
      const { exitCode, output } = await typed(text, "sh");
      expect({ exitCode, said: output.includes("said-42\r\n") }).toEqual({ exitCode: 0, said: true });
    }
  });

  onQemu("is monitored by who may be killed at any time", async () => {
    const file = `${home.path}/monitor`;
    const fd = openSync(file, "w");
    const child = Bun.spawn([program, "machine", "monitor", NAME], {
      env: home.env,
      stdout: fd,
      stderr: "ignore",
    });
    await until("the first line", () => readFileSync(file, "utf8").includes("\n"));
    child.kill("SIGKILL");
    await child.exited;
    closeSync(fd);
    expect(readFileSync(file, "utf8")).toStartWith(
      `Monitoring machine '${NAME}' (policy: never, interval: 5s)\n`,
    );
    expect(await home.state(NAME)).toMatchObject({ state: "running" });
  });

  onQemu("begins anew when a script has removed its directory", async () => {
    await home.ok("stop", NAME);
    const path = (await home.ok("data-dir", "--name", NAME)).trim();
    expect(path).toContain(`/${NAME}/`);
    rmSync(path, { recursive: true });
    expect(await home.ok("start", NAME)).toContain(`Started machine: ${NAME}\n`);
    expect(await home.sh(NAME, "cat /once")).toBe("once\n");
    rmSync(path, { recursive: true });
    expect(await home.ok("delete", "-f", NAME)).toContain(`Deleted machine: ${NAME}\n`);
  });
});

/** Of an image. */
const CONFIG = { Cmd: ["sleep", "300"], User: "101", WorkingDir: "/data" };

describe("a machine of an image", () => {
  onQemu("is made of what is an image, which need not stay where it was", async () => {
    writeFileSync(`${home.path}/Dockerfile`, "# x\nFROM alpine\n");
    for (const source of ["./Dockerfile", "./none.tar", "-"]) {
      const refused = await home.refusal("create", "refused", ...SMALL, "--image", source);
      expect(refused).toMatchObject({ exitCode: 1, code: expect.stringMatching(/^image\./) });
    }
    expect(await home.names()).toEqual([]);
    rmSync(`${home.path}/Dockerfile`);
    const archive = Bun.file(await imageWith(CONFIG));
    const created = await home.machine(["create", "stdin", ...SMALL, "--image", "-"], { stdin: archive });
    expect(created).toMatchObject({ exitCode: 0, stderr: "" });
    const { image, image_id } = await home.state("stdin");
    expect(image).toBe(image_id);
    expect(await home.ok("prune", "--all", "--name", "stdin")).toContain("in use by machine 'stdin'");
    await home.ok("delete", "-f", "stdin");
  });

  onQemu("says what runs in it, as its user and in its directory", async () => {
    // A file that is gone by the time of the next start.
    copyFileSync(await imageWith(CONFIG), `${home.path}/app.tar`);
    const words = ["run", "-d", "--name", "img", ...SMALL, "--image", "./app.tar", "--init", "id -u; pwd"];
    const detached = await home.ok(...words);
    rmSync(`${home.path}/app.tar`);
    expect(detached).toStartWith("101\n/data\nMachine 'img' running in background\n");
    expect(detached).toContain("smolvm machine exec --name img -- <command>\n");
    expect(await home.sh("img", "id -u; pwd")).toBe("101\n/data\n");
    expect(await home.sh("img", "ps -ef")).toContain("sleep 300");
    const { output } = await home.shell('"$SMOLVM" machine start img');
    expect(output).toMatch(/^Machine 'img' already running \(PID: \d+\)\n$/);
  });

  onQemu("keeps its image, whoever prunes", async () => {
    // Another test may download something into the cache that all have.
    await until("the layers to be pruned", async () =>
      /unreferenced layers/.test((await home.machine(["prune", "--name", "img"])).output),
    );
    const refused = await home.refusal("prune", "--name", "img", "--all");
    expect(refused.message).toStartWith(
      "cannot prune --all while machine 'img' is running. Stop it first with: ",
    );
    await home.ok("stop", "img");
    expect(await home.ok("images", "--name", "img")).toStartWith("Storage Usage:\n");
    expect(await home.ok("prune", "--name", "img", "--all")).toMatch(
      /^Kept 1 cached image\(s\) in use by machine 'img'; freed /,
    );
    expect(await home.ok("start", "img")).toMatch(/^ {2}container: /m);
    expect(await home.ok("delete", "-f", "img")).toContain("Deleted machine: img\n");
    await home.expectNothingLeft();
  });
});
