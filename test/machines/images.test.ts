import { describe, expect } from "bun:test";
import { directory, file, imageWith } from "../support/images.ts";
import { SMALL, useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { onQemu } from "../support/register.ts";

/** Machines that last, of images of their own. */

const home = useMachines();

describe("a machine of an image", () => {
  const serve = () =>
    imageWith(
      {
        Entrypoint: [
          "sh",
          "-c",
          'echo "in $PWD as $(id -u):$(id -g), $1"; trap "exit 6" USR1; while :; do sleep 0.1; done',
        ],
        Cmd: ["name", "image's word"],
        Env: ["PATH=/bin", "FROM=image", "BOTH=image"],
        ...{ User: "1234:2345", WorkingDir: "/data", StopSignal: "SIGUSR1", Labels: { test: "lasting" } },
      },
      directory("data", { uid: 1234 }),
    );

  onQemu("runs what the image says, as its user, in its directory, with its stop signal", async () => {
    const image = await serve();
    const words = ["--name", "web", "-e", "BOTH=record", "--image", image];
    const started = await home.machine(["run", "-d", "-q", ...SMALL, ...words]);
    expect(started).toMatchObject({ exitCode: 0, stderr: "" });
    expect(started.output).toStartWith("Machine 'web' running in background\n");
    expect(await home.state("web")).toMatchObject({
      ...{ state: "running", image, image_id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) },
      workload: { running: true },
    });
    await until("the workload's line", async () => await home.ok("logs", "web"));
    expect(await home.ok("logs", "web")).toBe("in /data as 1234:2345, image's word\n");
  });

  onQemu(
    "has commands in the same surroundings, which see its workload; a machine beside it does not",
    async () => {
      expect(await home.sh("web", "pwd; id -u; echo $FROM $BOTH")).toBe("/data\n1234\nimage record\n");
      expect(await home.sh("web", "ps -o args")).toContain("while :; do sleep 0.1; done");
      expect(await home.sh("web", "touch /data/mine && echo written")).toBe("written\n");
      const root = await home.machine(["exec", "--name", "web", "-u", "0", "--", "id", "-u"]);
      expect(root).toMatchObject({ output: "0\n", stderr: "" });
      const beside = await home.run(["ps", "-o", "args"], {
        options: ["--image", await serve(), "--entrypoint", ""],
      });
      expect(beside).toMatchObject({ exitCode: 0, stderr: "" });
      expect(beside.output).not.toContain("while :;");
    },
  );

  onQemu("keeps its image, running or not, until it is deleted", async () => {
    const { image_id } = await home.state("web");
    const id = image_id as string;
    const kept = async () => {
      const removed = await home.smolvm(["--error-format", "json", "images", "rm", id]);
      expect(removed.exitCode).toBe(1);
      expect(removed.stderr).toContain('"image.in_use"');
      expect(removed.stderr).toContain("machine 'web'");
    };
    await kept();
    expect((await home.refusal("prune", "--all", "--name", "web")).message).toContain(
      "cannot prune --all while machine 'web' is running",
    );
    await home.ok("stop", "web");
    expect(await home.state("web")).toMatchObject({ workload: { exit_code: 6 } });
    await kept();
    // The cache is not this test's alone.
    expect(await home.ok("prune", "--all", "--dry-run", "--name", "web")).toContain(
      "Would keep 1 cached image(s) in use by machine 'web'",
    );
    await home.ok("start", "web");
    expect(await home.sh("web", "ls /data")).toBe("mine\n");
    await home.ok("delete", "-f", "web");
    expect(await home.smolvm(["images", "rm", id])).toMatchObject({ exitCode: 0 });
  });
});

describe("a machine whose workload is an init system", () => {
  const script = `#!/bin/sh
trap 'echo stopping; exit 0' 37 # RTMIN+3
echo up in $container
while :; do sleep 0.1; done
`;

  onQemu("restarts when that reboots, and ends when that powers off", async () => {
    const image = await imageWith({ Cmd: ["/sbin/init"] }, directory("sbin"), file("sbin/init", script));
    await home.create("system", "--image", image);
    expect(await home.ok("start", "-q", "system")).toContain("container: ");
    expect(await home.sh("system", "cat /proc/1/comm")).toBe("init\n");
    await home.machine(["exec", "--name", "system", "--", "reboot", "-f"]);
    await until("its restart", async () => (await home.state("system")).restart_count === 1);
    expect(await home.sh("system", "cat /proc/1/comm")).toBe("init\n");
    expect(await home.state("system")).toMatchObject({ state: "running", restart_policy: "never" });
    await home.machine(["exec", "--name", "system", "--", "poweroff", "-f"]);
    await home.ok("wait", "--until", "stopped", "--timeout", "30s", "system");
    expect(await home.state("system")).toMatchObject({
      state: "stopped",
      state_reason: expect.stringContaining("power off"),
    });
    await home.ok("start", "-q", "system");
    const ups = async () => (await home.ok("logs", "system")).match(/up in smolvm\n/g)?.length;
    await until("its third line", async () => (await ups()) === 3);
    await home.ok("stop", "system");
    expect(await home.ok("logs", "--tail", "1", "system")).toBe("stopping\n");
    await home.ok("delete", "-f", "system");
  });
});
