import { expect } from "bun:test";
import { debianImage } from "./support/debian.ts";
import { busyboxLayer } from "./support/images.ts";
import { Talking } from "./support/process.ts";
import { onQemu, useHome } from "./support/register.ts";

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
