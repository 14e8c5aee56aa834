import { beforeAll, describe, expect } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { testImages } from "../support/images.ts";
import { useMachines } from "../support/machines.ts";
import { collect, limitOf, until } from "../support/process.ts";
import { program } from "../support/program.ts";
import { onBoth } from "../support/register.ts";

/** What a packed program is given where it runs: folders, ports, a terminal. It finds the smolvm that is installed. */

const home = useMachines();
const at = (name: string) => `${home.path}/${name}`;

beforeAll(
  async () => {
    const { archive } = await testImages();
    const words = ["--no-runtime", "--entrypoint", "/bin/sh", "--cpus", "1", "--mem", "256"];
    const made = await home.smolvm(["pack", "create", "-q", "--image", archive, ...words, "-o", at("app")]);
    if (made.exitCode !== 0) throw new Error(made.stderr);
    mkdirSync(at("bin"));
    symlinkSync(program, at("bin/smolvm"));
  },
  { timeout: limitOf({ seconds: 60 }) },
);

const environment = () => ({ ...home.env, PATH: `${at("bin")}:${home.env.PATH}` });

/** Runs the packed program to its end. */
async function app(...words: string[]) {
  const child = Bun.spawn([at("app"), ...words], {
    ...{ cwd: home.path, env: environment(), stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  return await collect(child, words.join(" "), limitOf({ seconds: 60 }));
}

describe("a packed program", () => {
  onBoth("reads and writes a folder that it is lent, and has none that it is not", async () => {
    mkdirSync(at("folder"));
    writeFileSync(at("folder/in"), "from outside\n");
    const script = "cat /data/in; echo from inside >/data/out";
    const lent = await app("run", "-q", "-u", "0", "-v", "./folder:/data", "--", "-c", script);
    expect(lent).toMatchObject({ exitCode: 0, output: "from outside\n", stderr: "" });
    expect(readFileSync(at("folder/out"), "utf8")).toBe("from inside\n");
    expect(await app("run", "-q", "--", "-c", "ls /data")).toMatchObject({ exitCode: 1, output: "" });
  });

  onBoth("has a terminal with -it, of the size that it has here", async () => {
    let shown = "";
    const child = Bun.spawn([at("app"), "run", "-it", "--", "-c", "stty size; read line; echo got $line"], {
      cwd: home.path,
      env: { ...environment(), TERM: "xterm" },
      terminal: {
        cols: 91,
        rows: 37,
        data: (_, bytes) => {
          shown += Buffer.from(bytes).toString();
        },
      },
    });
    const shows = (text: string) =>
      until(`${text} on the terminal`, () => {
        if (shown.includes(text)) return true;
        if (child.exitCode !== null) throw new Error(`it shows: ${JSON.stringify(shown)}`);
        return false;
      });
    await shows("37 91");
    child.terminal?.write("typed\r");
    await shows("got typed");
    expect(await child.exited).toBe(0);
  });

  onBoth("in the background answers at a port of the host, with a folder, and stops", async () => {
    mkdirSync(at("served"));
    writeFileSync(at("served/index.html"), "served\n");
    const start = ["start", "-u", "0", "-p", "0:80", "-v", "./served:/srv/www"];
    expect(await app(...start)).toMatchObject({ exitCode: 0 });
    expect(await app("exec", "--", "httpd", "-p", "80", "-h", "/srv/www")).toMatchObject({ exitCode: 0 });
    const name = /Machine: (\S+)/.exec((await app("status")).output)?.[1] ?? "";
    const [port] = (await home.state(name)).published;
    const answer = () =>
      new Promise<string>((resolve) => {
        let text = "";
        const socket = connect({ host: "127.0.0.1", port: port?.host_port ?? 0 }, () =>
          socket.write("GET /index.html HTTP/1.0\r\n\r\n"),
        );
        socket.on("data", (bytes) => {
          text += bytes.toString();
        });
        socket.on("close", () => resolve(text));
        socket.on("error", () => {});
      });
    await until("the machine's server answers", async () => (await answer()).endsWith("\r\n\r\nserved\n"));
    expect((await app("stop")).output).toBe("Daemon stopped\n");
    expect(await answer()).toBe("");
    await home.ok("delete", "-f", name);
  });
});
