import { describe, expect } from "bun:test";
import { Talking, until } from "./support/process.ts";
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
      if (exitCode !== 0) expect(stderr).toContain("a machine named twin is there already");
    }
  });
});

describe("machine exec", () => {
  onBoth("runs beside the machine's own command, in the same root", async () => {
    const main = await home.startScript("echo shared > /tmp/file; read line; echo $line", {
      options: ["-i", "--name", "host", "-e", "FROM_RUN=1", "-w", "/usr"],
      stdin: "pipe",
    });
    const exec = (...command: string[]) =>
      home.smolvm(["machine", "exec", "--name", "host", "--", ...command]);
    expect(await exec("sh", "-c", "cat /tmp/file; echo $FROM_RUN; pwd; exit 7")).toMatchObject({
      output: "shared\n1\n/usr\n",
      stderr: "",
      exitCode: 7,
    });
    const several = await Promise.all([1, 2, 3].map((word) => exec("echo", `${word}`)));
    expect(several.map(({ output }) => output)).toEqual(["1\n", "2\n", "3\n"]);
    main.say("over\n");
    expect(await main.line()).toBe("over");
    expect(await main.child.exited).toBe(0);
  });

  onQemu("killed or interrupted ends its command, and the machine goes on", async () => {
    const main = await home.startScript("sleep 1000", { options: ["--name", "host"] });
    const exec = (...command: string[]) =>
      home.smolvm(["machine", "exec", "--name", "host", "--", ...command]);
    for (const signal of ["SIGKILL", "SIGINT"] as const) {
      const words = ["machine", "exec", "--name", "host", "--", "sh", "-c", "echo on; exec sleep 4321"];
      const command = new Talking(home.start(words));
      await command.line();
      command.child.kill(signal);
      await command.child.exited;
      await until(
        "the command's end",
        async () => (await exec("sh", "-c", "cat /proc/[0-9]*/cmdline | grep -a -c 432[1]")).output === "0\n",
      );
    }
    main.child.kill("SIGTERM");
    await main.child.exited;
  });

  onQemu("fails clearly when no such machine runs", async () => {
    const result = await home.smolvm(["machine", "exec", "--name", "nowhere", "--", "true"]);
    expect(result.stderr).toContain("vm not found: nowhere");
    expect(result).toMatchObject({ output: "", exitCode: 125 });
  });
});
