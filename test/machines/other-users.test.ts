import { afterAll, beforeAll, describe, expect, setDefaultTimeout } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { resolvePaths } from "../../src/config/paths.ts";
import { SMALL } from "../support/machines.ts";
import { OrdinaryMachines } from "../support/ordinary.ts";
import { inLab } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/**
 * Another user of the host, who is not root, against a user's machines: what SECURITY.md's table says. The user's own
 * directories are open to all and the umask is 0 here, so that nothing but what smolvm does keeps others out.
 */

setDefaultTimeout(120_000);

/** Neither root nor who has the machines. */
const OTHER = 65533;
const ENVIRONMENT = "value-of-e";
const SECRET = "value-of-a-secret";

const home = new OrdinaryMachines();
const umask = process.umask(0);
/** What the user has opened to everybody, and smolvm has not made. */
const open = ["", "/user", "/run", "/tmp", "/data", "/cache"].map((name) => `${home.path}${name}`);
const paths = resolvePaths(home.env, home.uid);

beforeAll(async () => {
  if (inLab) return;
  if (process.getuid?.() !== 0) throw new Error("these tests need root, to become two other users");
  for (const path of open) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o755);
  }
  home.own(home.path);
  await home.create("mine", "-e", `TOKEN=${ENVIRONMENT}`, "-v", "kept:/kept", "-p", "0:80");
  await home.ok("start", "mine");
});

afterAll(async () => {
  process.umask(umask);
  try {
    if (!inLab) {
      await home.deleteAll();
      await home.smolvm(["volume", "rm", "kept"]);
    }
    await home.expectNothingLeft();
  } finally {
    home.remove();
  }
});

/** A shell script as somebody else: what it says on both streams, and how it ends. */
function as(uid: number, script: string, env: Record<string, string> = {}): { code: number; said: string } {
  const become = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
  const done = Bun.spawnSync([...become, "sh", "-c", `exec 2>&1; ${script}`], {
    cwd: "/",
    env: { PATH: home.env.PATH ?? "", ...env },
  });
  return { code: done.exitCode, said: done.stdout.toString() };
}

const connecting = (path: string) =>
  `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); print connect(S, sockaddr_un($ARGV[0])) ? "in" : "out: $!"' ${path}`;

describe("another user of the host", () => {
  onQemu("opens no directory and no file of machines, images, settings and volumes", async () => {
    const found = (uid: number, what: string) =>
      as(uid, `find ${home.path} ${what} 2>/dev/null`)
        .said.split("\n")
        .filter((line) => line !== "");
    // The program that is copied there for its user is everybody's.
    const shown = found(OTHER, "\\( -readable -o -writable \\)").filter(
      (path) => path !== `${home.path}/smolvm`,
    );
    expect(shown.sort()).toEqual([...open].sort());
    // The owner finds what there is to be found.
    const own = found(home.uid, "-readable");
    for (const part of ["/data/smolvm/machines/", "/cache/smolvm/runtime/", "/kept"])
      expect(own.some((path) => path.includes(part))).toBe(true);
  });

  onQemu("connects to no socket, not even to one whose name it knows", async () => {
    const sockets = execFileSync("find", [home.path, "-type", "s"]).toString().trim().split("\n");
    expect(sockets.some((path) => path.startsWith(paths.runtime) && path.endsWith(".sock"))).toBe(true);
    for (const socket of sockets) expect(as(OTHER, connecting(socket)).said).toBe("out: Permission denied");
    const control = sockets.find((path) => path.endsWith(".sock")) ?? "";
    expect(as(home.uid, connecting(control)).said).toBe("in");
  });

  onQemu("reaches a port that is published, which is open to all of the host", async () => {
    const [port] = (await home.state("mine")).published;
    const connect = `perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); print connect(S, sockaddr_in($ARGV[0], inet_aton("127.0.0.1"))) ? "in" : "out: $!"' ${port?.host_port}`;
    expect(as(OTHER, connect).said).toBe("in");
  });

  onQemu("gets nothing by smolvm itself, told where the machines are", async () => {
    for (const words of [
      "exec --name mine -- id",
      "stop mine",
      "delete -f mine",
      "start mine",
      "status mine",
    ]) {
      const { code, said } = as(OTHER, `${home.path}/smolvm machine ${words}`, home.env);
      expect([words, code === 0, said.includes("uid=0")]).toEqual([words, false, false]);
    }
    expect(await home.sh("mine", "echo $TOKEN")).toBe(`${ENVIRONMENT}\n`);
  });

  onQemu("learns from /proc neither variables nor secrets, and signals and traces nothing", async () => {
    const talking = await home.startScript("sleep 1000", {
      options: ["-e", "TOKEN", "--secret-env", "SECRET=SECRET"],
      env: { TOKEN: ENVIRONMENT, SECRET },
    });
    try {
      const running = home.processes().filter(({ command }) => !command.startsWith("setpriv"));
      // The two machines' processes and VMMs, with their wardens, and the command.
      expect(running.length).toBeGreaterThanOrEqual(5);
      for (const { pid } of running) {
        const cmdline = as(OTHER, `cat /proc/${pid}/cmdline`);
        expect(cmdline.code).toBe(0);
        for (const value of [ENVIRONMENT, SECRET]) expect(cmdline.said).not.toContain(value);
        for (const look of [...["environ", "mem", "maps"].map((file) => `: < ${file}`), "ls root/ fd/ cwd/"])
          expect([look, as(OTHER, `cd /proc/${pid} && ${look}`).code === 0]).toEqual([look, false]);
        expect(as(OTHER, `kill -KILL ${pid}`).said).toContain("ermitted");
      }
      // Its user could.
      const [machine] = home.roles("__machine");
      expect(as(home.uid, `cd /proc/${machine} && : < environ && ls fd/`).code).toBe(0);
    } finally {
      talking.child.kill();
      await talking.child.exited;
    }
  });

  onQemu("has nothing of a name that it took in /tmp first", async () => {
    const { XDG_RUNTIME_DIR: _, ...env } = home.env;
    const taken = resolvePaths(env, home.uid).runtime;
    expect(taken).toStartWith("/tmp/");
    const start = async () => {
      const words = ["--error-format", "json", "machine", "run", "--quiet", ...SMALL, "--", "true"];
      return await home.smolvm(words, { env: { XDG_RUNTIME_DIR: "" } });
    };
    for (const squat of [
      `mkdir -m 777 ${taken}`,
      `ln -s ${paths.runtime} ${taken}`,
      `ln -s /nowhere ${taken}`,
    ]) {
      try {
        expect(as(OTHER, squat)).toEqual({ code: 0, said: "" });
        const { exitCode, stderr } = await start();
        expect([squat, exitCode]).not.toEqual([squat, 0]);
        expect(stderr).toContain("config.unsafe_runtime_dir");
        expect(execFileSync("find", [taken]).toString()).toBe(`${taken}\n`);
      } finally {
        rmSync(taken, { recursive: true, force: true });
      }
    }
    expect(await start()).toMatchObject({ exitCode: 0 });
  });
});
