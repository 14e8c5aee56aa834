import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { tarOf } from "../../src/image/image.fixture.ts";
import { openPack } from "../../src/pack/index.ts";
import { imageWith } from "../support/images.ts";
import { collect } from "../support/process.ts";
import { onQemu, useHome } from "../support/register.ts";

/** Packed programs as people get them: the launcher, the smolvm that is in the pack, and a machine. */

const home = useHome();

/** Makes `<home>/made/NAME` of a small image whose command is `echo packed`. */
async function pack(name: string, ...options: string[]): Promise<string> {
  const image = await imageWith({ Entrypoint: ["/bin/echo"], Cmd: ["packed"] });
  mkdirSync(`${home.path}/tmp/made`, { recursive: true });
  const path = `${home.path}/tmp/made/${name}`;
  const made = await home.smolvm(["pack", "create", "--image", image, "-o", path, ...options], {
    seconds: 300,
  });
  expect(made).toMatchObject({ exitCode: 0 });
  return path;
}

/** Runs a packed program with a cache that has never seen smolvm, and no smolvm in PATH. */
async function start(path: string, words: string[], env: Record<string, string> = {}) {
  const own = { ...home.env, XDG_CACHE_HOME: `${home.path}/tmp/cache`, ...env };
  const child = Bun.spawn([path, ...words], {
    env: own,
    cwd: "/",
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return await collect(child, words.join(" "), 120_000);
}

const forget = () => rmSync(`${home.path}/tmp`, { recursive: true, force: true });

describe("a packed program", () => {
  onQemu(
    "runs where smolvm has never been, from a directory with spaces, and unpacks once",
    async () => {
      const made = await pack("my app");
      expect(statSync(made).size).toBeLessThan(400_000);
      const packed = await openPack(`${made}.smolmachine`);
      const runtime = packed.sections.find(({ kind }) => kind === "runtime");
      await packed.close();
      expect(runtime?.bytes).toBeLessThan(55_000_000);
      renameSync(`${home.path}/tmp/made`, `${home.path}/tmp/else where`);
      const moved = `${home.path}/tmp/else where/my app`;
      const first = await start(moved, []);
      expect(first).toMatchObject({ output: "packed\n", exitCode: 0 });
      const runtimes = `${home.path}/tmp/cache/smolvm/programs`;
      const [hash = ""] = readdirSync(runtimes).filter((name) => name.length === 32);
      const { ino } = statSync(`${runtimes}/${hash}/smolvm`);
      const debugged = await start(moved, ["--debug", "run", "--mem", "256", "--", "hello", "world"]);
      expect(debugged).toMatchObject({ output: "hello world\n", exitCode: 0 });
      expect(debugged.stderr).toMatch(/^debug: image cached\ndebug: resources cpus=default mem=256 /);
      expect(statSync(`${runtimes}/${hash}/smolvm`).ino).toBe(ino);
      const code = await start(moved, ["run", "-q", "--entrypoint", "/bin/sh", "--", "-c", "exit 7"]);
      expect(code).toMatchObject({ stderr: "", exitCode: 7 });
      expect((await start(moved, ["--version"])).output).toMatch(/^my app \d+\.\d+\.\d+\n$/);
      expect((await start(moved, ["info"])).output).toContain("\nChecksum:");
      expect((await start(moved, ["--help"])).output).toContain("Start the packed machine in the background");
      const wrong = await start(moved, ["run", "--no-such"]);
      expect(wrong.stderr).toEndWith("hint: see `my app run -h`\n");
      expect(wrong.exitCode).toBe(2);
      forget();
    },
    400,
  );

  onQemu(
    "as one file keeps a machine in the background, with its files, until it is stopped",
    async () => {
      const path = await pack("service", "--single-file", "--entrypoint", "/bin/sleep");
      expect(existsSync(`${path}.smolmachine`)).toBe(false);
      expect((await start(path, ["exec", "--", "true"])).stderr).toContain("not running");
      expect((await start(path, ["status"])).output).toBe("Status: not running\n");
      expect((await start(path, ["start", "--mem", "256"])).output).toMatch(
        /^Daemon started \(PID: \d+\)\n$/,
      );
      expect((await start(path, ["start"])).output).toMatch(/^Daemon already running \(PID: \d+\)\n$/);
      expect((await start(path, ["status"])).output).toMatch(/^Status: running \(PID: \d+\)\n/);
      const running = await start(path, ["start", "--mem", "300"]);
      expect(running.stderr).toContain("the daemon is running");
      expect(running.stderr).toContain("hint: stop it first: `service stop`\n");
      expect(running.exitCode).toBe(1);
      expect((await start(path, ["start", "--mem", "256"])).output).toStartWith("Daemon already running");
      const write = await start(path, ["exec", "--", "/bin/sh", "-c", "echo kept >/file; exit 3"]);
      expect(write).toMatchObject({ output: "", stderr: "", exitCode: 3 });
      expect((await start(path, ["stop"])).output).toBe("Daemon stopped\n");
      expect((await start(path, ["stop"])).output).toBe("Daemon not running\n");
      const other = await start(path, ["start", "--init", "true"]);
      expect(other.stderr).toContain(
        "was made already, with another --init\nhint: `smolvm machine delete packed-",
      );
      expect(other.exitCode).toBe(1);
      await start(path, ["start", "--mem", "300", "-e", "LATER=yes"]);
      const seen = await start(path, ["exec", "--", "/bin/sh", "-c", "cat /file; echo $LATER"]);
      expect(seen.output).toBe("kept\nyes\n");
      // The cache is removed below a machine that runs: it goes on, and a later start unpacks what it needs.
      rmSync(`${home.path}/tmp/cache`, { recursive: true });
      const read = ["exec", "--", "/bin/sh", "-c", "cat /file"];
      expect((await start(path, read)).output).toBe("kept\n");
      await start(path, ["stop"]);
      expect((await start(path, ["start"])).output).toStartWith("Daemon started");
      expect((await start(path, read)).output).toBe("kept\n");
      const [{ memory_mib }] = JSON.parse((await home.smolvm(["machine", "ls", "--json"])).output);
      expect(memory_mib).toBe(300);
      await start(path, ["stop"]);
      const { output } = await home.smolvm(["machine", "ls", "--json"]);
      const [{ name = "" } = {}] = JSON.parse(output) as { name: string }[];
      expect(name).toMatch(/^packed-service-[0-9a-f]{8}$/);
      await home.smolvm(["machine", "delete", "-f", name]);
      forget();
    },
    400,
  );

  onQemu(
    "is there for hosts of other platforms too, with the smolvm of their release's archive",
    async () => {
      const { version } = JSON.parse((await home.smolvm(["version", "--json"])).output);
      const other = process.arch === "arm64" ? "linux-amd64" : "linux-arm64";
      const folder = `smolvm-${version}-${other}`;
      const archive = `${home.path}/tmp/${folder}.tar.gz`;
      const content = Buffer.from(`smolvm for ${other}`);
      const members = { "bin/smolvm": content, "lib/smolvm/launcher": Buffer.from("a launcher") };
      const files = Object.entries(members).map(([name, data]) => ({
        ...{ path: `${folder}/${name}`, data, mode: 0o755 },
      }));
      await Bun.write(archive, gzipSync(tarOf(...files)));
      const own = `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`;
      const hosts = `${own},${other.replace("-", "/")}`;
      const path = await pack("wide", "--host", hosts, "--host-archive", archive);
      expect(await Bun.file(`${path}.${other}`).text()).toBe("a launcher");
      expect(statSync(`${path}.${other}`).mode & 0o111).toBe(0o111);
      const { output } = await home.smolvm(["pack", "inspect", `${path}.smolmachine`]);
      expect(output).toMatch(/^Runtimes: +linux\/amd64 linux\/arm64$/m);
      expect(await start(path, ["wide"])).toMatchObject({ output: "wide\n", exitCode: 0 });
      // Without an archive, and as one file, there is nothing to put in.
      const words = ["pack", "create", "--image", "none", "-o", path, "--host", hosts];
      const missing = await home.smolvm(words);
      expect([missing.exitCode, missing.stderr]).toEqual([2, expect.stringContaining("--host-archive FILE")]);
      const single = await home.smolvm([...words, "--host-archive", archive, "--single-file"]);
      expect([single.exitCode, single.stderr]).toEqual([2, expect.stringContaining("no other host")]);
      const same = `${home.path}/tmp/smolvm-${version}-${own.replace("/", "-")}.tar.gz`;
      const twice = await home.smolvm([...words, "--host-archive", same]);
      expect([twice.exitCode, twice.stderr]).toEqual([2, expect.stringContaining("is this very program")]);
      forget();
    },
    400,
  );

  onQemu(
    "without smolvm in it says so, and is not made in the place of another file",
    async () => {
      const path = await pack("bare", "--no-runtime");
      const refused = await start(path, []);
      expect(refused.stderr).toContain("carries no smolvm for linux/");
      expect(refused.exitCode).toBe(125);
      await Bun.write(`${home.path}/tmp/mine`, "a file of mine");
      const image = await imageWith({ Entrypoint: ["/bin/echo"], Cmd: ["packed"] });
      const words = ["pack", "create", "--image", image, "--no-runtime"];
      const over = await home.smolvm([...words, "-o", `${home.path}/tmp/mine`]);
      expect(over.stderr).toContain("is no packed program");
      expect(over.exitCode).toBe(1);
      const long = await home.smolvm(["--error-format", "json", ...words, "-o", "n".repeat(300)]);
      expect(JSON.parse(long.stderr).error.code).toBe("pack.unwritable");
      forget();
    },
    200,
  );
});
