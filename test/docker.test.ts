import { expect } from "bun:test";
import { debianImage } from "./support/debian.ts";
import { busyboxLayer } from "./support/images.ts";
import { Talking, until } from "./support/process.ts";
import { onQemu, useHome } from "./support/register.ts";
import { startDockerRegistry } from "./support/registry/index.ts";

/** Docker's engine inside a machine: Debian's own, as its package is, but for where its data is. */

const home = useHome();

/** overlayfs refuses another overlayfs for its changes: the engine's data cannot be on the machine's root. */
const engine = "exec dockerd --data-root /storage/docker 2>&1";

const serving = `
  echo page > /data/index.html && httpd -p 80 -h /data && echo up
  trap 'exit 9' TERM; sleep 3600 & wait`;

const asking = `
  id; cat /proc/self/cgroup
  cd /sys/fs/cgroup && cat memory.max cpu.max pids.max
  cat /data/index.html; wget -qO- http://172.17.0.2/; wget -qO- http://172.17.0.1:8080/
  (echo no > /data/no) 2>&1; exit 7`;

const asked = `uid=1000 gid=1000 groups=1000
0::/
67108864
50000 100000
50
page
page
page
/bin/sh: can't create /data/no: Read-only file system
`;

const fromOutside =
  "exec 3<>/dev/tcp/172.17.0.1/8080 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && tail -n 1 <&3";

onQemu(
  "Docker's engine runs containers: bridge, ports, volumes, limits, users, exit codes",
  async () => {
    const image = await debianImage(["docker.io"]);
    const machine = ["--reaper", "--quiet", "--mem", "2048", "--name", "dock", "--image", image];
    const daemon = new Talking(home.start(["machine", "run", ...machine, "--", "sh", "-c", engine]));
    while (!(await daemon.line()).includes("API listen on /var/run/docker.sock"));
    const log = daemon.rest();

    const words = (...command: string[]) => ["machine", "exec", "-i", "--name", "dock", "--", ...command];
    const inside = (...command: string[]) => home.smolvm(words(...command), { seconds: 120 });
    const box = ["docker", "run", "--rm", "-v"];

    const figures = "{{.Driver}} {{.CgroupVersion}} {{.CgroupDriver}} {{json .Warnings}}";
    // The engine looks for memory.swap.max in its own group, which has limits once a container asked for some.
    expect(await inside("docker", "info", "--format", figures)).toMatchObject({
      output: 'overlay2 2 cgroupfs ["WARNING: No swap limit support"]\n',
      stderr: "",
      exitCode: 0,
    });
    const files = await busyboxLayer();
    const imported = await home.smolvm(words("docker", "import", "-", "box"), { stdin: files, seconds: 120 });
    expect(imported).toMatchObject({ output: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/), exitCode: 0 });

    const web = new Talking(
      home.start(
        words(...box, "data:/data", "--name", "web", "-p", "8080:80", "box", "/bin/sh", "-c", serving),
      ),
    );
    expect(await web.line()).toBe("up");
    const limits = ["--memory", "64m", "--cpus", "0.5", "--pids-limit", "50", "-u", "1000:1000"];
    expect(await inside(...box, "data:/data:ro", ...limits, "box", "/bin/sh", "-c", asking)).toMatchObject({
      output: asked,
      stderr: "",
      exitCode: 7,
    });
    expect(await inside("bash", "-c", fromOutside)).toMatchObject({ output: "page\n", exitCode: 0 });
    const greedy = ["--memory", "16m", "box", "tail", "-c", "100m", "/dev/zero"];
    expect(await inside(...box, "data:/data", ...greedy)).toMatchObject({ output: "", exitCode: 137 });

    expect(await inside("docker", "stop", "web")).toMatchObject({ output: "web\n", exitCode: 0 });
    expect(await web.rest()).toBe("");
    expect(await web.child.exited).toBe(9);

    daemon.child.kill("SIGTERM");
    expect(await daemon.child.exited).toBe(0);
    expect(await log).toContain("Daemon shutdown complete");
  },
  900,
);

onQemu(
  "Docker's engine pulls from a registry, builds and runs through its bridge, and answers on the host",
  async () => {
    const registry = await startDockerRegistry();
    const web = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("from outside\n") });
    const image = await debianImage(["docker.io"]);
    const { port } = new URL(`http://${registry.host}`);
    const seen = `host.smolvm.internal:${port}`;
    const network = ["--allow-host", seen, "--allow-host", `host.smolvm.internal:${web.port}`];
    const socket = ["--expose-socket", "/var/run/docker.sock"];
    const options = [...network, ...socket, "--mem", "2048"];
    const command = ["sh", "-c", `${engine.replace("2>&1", `--insecure-registry ${seen} 2>&1`)}`];
    const made = await home.smolvm(
      ["machine", "create", "engine", ...options, "--image", image, "--", ...command],
      { seconds: 120 },
    );
    expect(made).toMatchObject({ exitCode: 0 });
    expect(await home.smolvm(["machine", "start", "engine"], { seconds: 120 })).toMatchObject({
      exitCode: 0,
    });
    const inside = (script: string) =>
      home.smolvm(["machine", "exec", "--name", "engine", "--", "bash", "-c", script], { seconds: 300 });
    const line = await home.smolvm(["docker", "env", "engine"]);
    const path = line.output.match(/^export DOCKER_HOST=unix:\/\/(.+)\n$/)?.[1] ?? "";
    const ask = async (what: string) => await (await fetch(`http://docker${what}`, { unix: path })).text();
    await until(
      "the engine answers on the host",
      async () => (await ask("/_ping").catch(() => "")) === "OK",
      120,
    );

    const box = `${seen}/box:1`;
    const importing = ["machine", "exec", "-i", "--name", "engine", "--", "docker", "import", "-", box];
    const imported = await home.smolvm(importing, { stdin: await busyboxLayer(), seconds: 120 });
    expect(imported).toMatchObject({ exitCode: 0 });
    const there = `docker push -q ${box} && docker rmi ${box} && docker pull -q ${box}`;
    expect(await inside(there)).toMatchObject({ output: expect.stringContaining(`\n${box}\n`), exitCode: 0 });
    const recipe = `FROM ${box}\nRUN wget -qO /page http://host.smolvm.internal:${web.port}/\n`;
    const build = `printf '%s' '${recipe}' | docker build -q -t page - && docker run --rm page cat /page`;
    expect(await inside(build)).toMatchObject({
      output: expect.stringMatching(/from outside\n$/),
      exitCode: 0,
    });
    // What no rule has is closed to containers as it is to the machine.
    const elsewhere = `docker run --rm page wget -T 5 -qO- http://100.96.0.1:${Number(port) + 1}/`;
    expect((await inside(elsewhere)).exitCode).not.toBe(0);
    expect(JSON.parse(await ask("/images/json")).length).toBeGreaterThanOrEqual(2);
    await home.smolvm(["machine", "delete", "-f", "engine"]);
    await registry.stop();
    await web.stop(true);
  },
  900,
);
