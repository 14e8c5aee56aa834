import { describe, expect } from "bun:test";
import { openrcRoot, systemdRoot } from "./support/debian-systems.ts";
import { directory, file, imageWith } from "./support/images.ts";
import { until } from "./support/process.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** First processes that want to be process 1, and init systems. */

const home = useHome();

describe("a program that wants to be process 1", () => {
  /** The check of s6-overlay and of systemd. */
  const entry = `#!/bin/sh
[ $$ = 1 ] || { echo "can only run as pid 1, am $$"; exit 100; }
trap 'echo stopping; exit 0' TERM
echo started
(sleep 0.1; echo logged > /proc/1/fd/1; kill 1) &
while :; do wait; done
`;

  onBoth("is, prints through /proc/1/fd/1, and is stopped by kill 1", async () => {
    const image = await imageWith({ Entrypoint: ["/entry"] }, file("entry", entry));
    const result = await home.run([], { options: ["-i", "--image", image] });
    expect(result).toMatchObject({ output: "started\nlogged\nstopping\n", stderr: "", exitCode: 0 });
  });

  onQemu("is not with --init, which reaps instead", async () => {
    const image = await imageWith({ Entrypoint: ["/entry"] }, file("entry", entry));
    const result = await home.run([], { options: ["--reaper", "-i", "--image", image] });
    expect(result.output).toMatch(/^can only run as pid 1, am \d+\n$/);
    expect(result.exitCode).toBe(100);
  });

  onQemu("called /sbin/init finds /run empty but for the image's files, and container= set", async () => {
    const script = `#!/bin/sh
echo $container; grep -c ' /run tmpfs ' /proc/mounts; grep -c ' /run/lock tmpfs ' /proc/mounts; ls /run
mkdir /sys/fs/cgroup/mine && echo writable
`;
    const image = await imageWith(
      { Cmd: ["/sbin/init"] },
      directory("sbin"),
      file("sbin/init", script),
      directory("run"),
      directory("run/kept"),
    );
    const result = await home.run([], { options: ["-i", "--image", image] });
    expect(result).toMatchObject({ output: "smolvm\n1\n1\nkept\nlock\nwritable\n", exitCode: 0 });
  });
});

describe("systemd", () => {
  onQemu(
    "reaches multi-user.target and stops cleanly",
    async () => {
      const image = await systemdRoot();
      const machine = home.start(
        ["machine", "run", "--mem", "768", "--name", "sysd", "--image", image, "--", "/sbin/init"],
        {},
      );
      const inside = (...words: string[]) =>
        home.smolvm(["machine", "exec", "--name", "sysd", "--", ...words], { seconds: 240 });
      // systemd's socket is there some time after its process.
      await until(
        "systemd to answer",
        async () => {
          if (machine.exitCode !== null) throw new Error(await new Response(machine.stderr).text());
          // "offline" until it answers, then nothing until it has an answer.
          const { output } = await inside("systemctl", "is-system-running", "--wait");
          return /^(running|degraded)\n$/.test(output);
        },
        240,
      );
      expect((await inside("systemctl", "is-active", "multi-user.target")).output).toBe("active\n");
      expect((await inside("systemctl", "is-active", "hello.service")).output).toBe("active\n");
      expect((await inside("systemctl", "--failed", "--plain", "--no-legend")).output).toBe("");
      const ping = 'use Socket; socket(S, PF_INET, SOCK_DGRAM, 1) or die "ping: $!\\n"; print "may ping\\n"';
      const asUser = ["machine", "exec", "--name", "sysd", "-u", "1000", "--", "perl", "-e", ping];
      expect(await home.smolvm(asUser)).toMatchObject({ output: "may ping\n", exitCode: 0 });

      // Whoever is still there is asked to end before the machine powers off.
      await inside("systemctl", "poweroff");
      expect(await machine.exited).toBe(0);
      expect(await new Response(machine.stderr).text()).toContain("note: the machine powered off\n");
    },
    600,
  );
});

describe("openrc, with busybox as init", () => {
  onQemu(
    "starts its services, and stops them when the machine powers off",
    async () => {
      const image = await openrcRoot();
      const machine = home.start(
        ["machine", "run", "--mem", "512", "--name", "rc", "--image", image, "--", "/sbin/init"],
        {},
      );
      const lines = machine.stdout[Symbol.asyncIterator]();
      let text = "";
      const said = async (word: string) => {
        while (!text.includes(word)) {
          const { value, done } = await lines.next();
          if (done) throw new Error(`${text}${await new Response(machine.stderr).text()}`);
          text += Buffer.from(value).toString();
        }
      };
      await said("hello started");
      await home.smolvm(["machine", "exec", "--name", "rc", "--", "poweroff"]);
      await said("hello stopped");
      expect(await machine.exited).toBe(0);
      expect(await new Response(machine.stderr).text()).toContain("note: the machine powered off\n");
    },
    300,
  );
});
