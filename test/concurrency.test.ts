import { describe, expect } from "bun:test";
import { inputOf, until } from "./support/process.ts";
import { inLab } from "./support/program.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** Several machines at once, and several commands in one. */

const home = useHome();

describe("machines at once", () => {
  const count = inLab ? 2 : 8;
  onBoth(
    `${count} of them do not disturb each other`,
    async () => {
      const runs = Array.from({ length: count }, (_, at) =>
        home.run(["sh", "-c", `echo ${at} > /tmp/own; cat /tmp/own; exit ${at}`]),
      );
      const results = await Promise.all(runs);
      expect(results.map(({ output, stderr, exitCode }) => ({ output, stderr, exitCode }))).toEqual(
        Array.from({ length: count }, (_, at) => ({ output: `${at}\n`, stderr: "", exitCode: at })),
      );
    },
    120,
  );

  onQemu("of the same name: one runs, the other is refused", async () => {
    const runs = [1, 2, 3].map(() => home.run(["sleep", "3"], { options: ["--name", "twin"] }));
    const results = await Promise.all(runs);
    expect(results.map(({ exitCode }) => exitCode).sort()).toEqual([0, 125, 125]);
    for (const { exitCode, stderr } of results) {
      if (exitCode !== 0) expect(stderr).toContain("a machine named twin is already running");
    }
  });
});

describe("machine exec", () => {
  onBoth("runs beside the machine's own command, in the same root", async () => {
    const main = home.startRun(["sh", "-c", "echo shared > /tmp/file; echo ready; read line; echo $line"], {
      options: ["-i", "--name", "host", "-e", "FROM_RUN=1", "-w", "/usr"],
      stdin: "pipe",
    });
    const reader = main.stdout.getReader();
    await reader.read();
    const exec = (...command: string[]) =>
      home.smolvm(["machine", "exec", "--name", "host", "--", ...command]);
    await until("the control socket", async () => (await exec("true")).exitCode === 0);
    expect(await exec("sh", "-c", "cat /tmp/file; echo $FROM_RUN; pwd; exit 7")).toMatchObject({
      output: "shared\n1\n/usr\n",
      stderr: "",
      exitCode: 7,
    });
    const several = await Promise.all([1, 2, 3].map((word) => exec("echo", `${word}`)));
    expect(several.map(({ output }) => output)).toEqual(["1\n", "2\n", "3\n"]);
    inputOf(main).write("over\n");
    await inputOf(main).flush();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("over\n");
    expect(await main.exited).toBe(0);
  });

  onQemu("killed or interrupted ends its command, and the machine goes on", async () => {
    const main = home.startRun(["sleep", "1000"], { options: ["--name", "host"] });
    const exec = (...command: string[]) =>
      home.smolvm(["machine", "exec", "--name", "host", "--", ...command]);
    await until("the machine", async () => (await exec("true")).exitCode === 0);
    for (const signal of ["SIGKILL", "SIGINT"] as const) {
      const child = home.start([
        "machine",
        "exec",
        "--name",
        "host",
        "--",
        "sh",
        "-c",
        "echo on; exec sleep 4321",
      ]);
      await child.stdout.getReader().read();
      child.kill(signal);
      await child.exited;
      await until(
        "the command's end",
        async () => (await exec("sh", "-c", "cat /proc/[0-9]*/cmdline | grep -a -c 432[1]")).output === "0\n",
      );
    }
    main.kill("SIGTERM");
    await main.exited;
  });

  onQemu("fails clearly when no such machine runs", async () => {
    const result = await home.smolvm(["machine", "exec", "--name", "nowhere", "--", "true"]);
    expect(result.stderr).toContain("vm not found: nowhere");
    expect(result).toMatchObject({ output: "", exitCode: 125 });
  });
});
