import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { writeLayout } from "./image/layout.ts";
import { testImages } from "./support/images.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** What an image says about how to run it, and how the command line changes that. */

const home = useHome();
const images = await testImages();
const run = (command: string[], ...options: string[]) =>
  home.run(command, { options: ["--image", images.archive, ...options] });

describe("an image's own command", () => {
  onBoth("is its ENTRYPOINT with its CMD", async () => {
    const result = await run([]);
    expect(result).toMatchObject({ output: "[fixed]\n[default]\n[two words]\n", stderr: "", exitCode: 0 });
  });

  onQemu("has CMD replaced by the words on the command line", async () => {
    const result = await run(["one", "--two", ""]);
    expect(result).toMatchObject({ output: "[fixed]\n[one]\n[--two]\n[]\n", stderr: "", exitCode: 0 });
  });

  onQemu("has ENTRYPOINT replaced, and CMD dropped, by --entrypoint", async () => {
    const result = await run([], "--entrypoint", "/bin/entry");
    expect(result).toMatchObject({ output: "", stderr: "", exitCode: 0 });
  });

  onQemu("has ENTRYPOINT removed by an empty --entrypoint", async () => {
    const result = await run(["echo", "bare"], "--entrypoint", "");
    expect(result).toMatchObject({ output: "bare\n", stderr: "", exitCode: 0 });
  });

  onQemu("is none when ENTRYPOINT is one empty word, as docker has it", async () => {
    const options = ["--image", configured({ Entrypoint: [""], Cmd: ["echo", "from CMD"] })];
    expect(await home.run([], { options })).toMatchObject({ output: "from CMD\n", stderr: "", exitCode: 0 });
  });

  onQemu("that has no name is not found, and the message names it", async () => {
    const result = await run([""], "--entrypoint", "");
    expect(result).toMatchObject({ output: "", exitCode: 127 });
    expect(result.stderr).toBe('error: the command "" is not found: its name is empty\n');
  });

  onQemu(
    "is needed: an image without ENTRYPOINT and CMD, or one whose own are removed, is refused",
    async () => {
      for (const options of [
        ["--image", configured({})],
        ["--image", images.rootfs],
        ["--image", images.archive, "--entrypoint", ""],
      ]) {
        const result = await home.run([], { options });
        expect([options, result.output, result.exitCode]).toEqual([options, "", 1]);
        expect(result.stderr).toMatch(/^error: (.*: )?no command specified\nhint: add one after --/);
      }
    },
  );

  onQemu("is needed: a bare machine is refused before anything is made", async () => {
    const result = await home.run([], { env: { XDG_CACHE_HOME: `${home.path}/user/cache` } });
    expect(result).toMatchObject({ output: "", exitCode: 1 });
    expect(result.stderr).toStartWith("error: no command specified\n");
    expect(existsSync(`${home.path}/user/cache`)).toBe(false);
    expect(existsSync(`${home.path}/data`)).toBe(false);
  });

  onQemu("without an own one, a session is a shell", async () => {
    const options = {
      options: ["-i", "--image", configured({})],
      stdin: Buffer.from("echo from $0\n"),
    };
    expect(await home.run([], options)).toMatchObject({ output: "from /bin/sh\n", stderr: "", exitCode: 0 });
  });
});

describe("process 1", () => {
  onQemu("is the command", async () => {
    expect(await run(["sh", "-c", "echo $$"], "--entrypoint", "")).toMatchObject({
      output: "1\n",
      stderr: "",
      exitCode: 0,
    });
  });

  onQemu("with --init is a small init that reaps orphans, and passes signals and exit code on", async () => {
    // The orphan's end is over when no zombie is left; the loop is bounded by --timeout.
    const reaps = `[ $$ != 1 ] || exit 1
      (sleep 0 & sleep 0 &)
      while grep -qs '^State:.Z' /proc/[0-9]*/status; do :; done
      echo reaped; exit 7`;
    const options = ["--reaper", "--entrypoint", "", "--timeout", "30s"];
    expect(await run(["sh", "-c", reaps], ...options)).toMatchObject({
      output: "reaped\n",
      stderr: "",
      exitCode: 7,
    });
    expect(await run(["sh", "-c", "kill -TERM $$"], ...options)).toMatchObject({ exitCode: 143 });
  });
});

/** An OCI layout: the test image's files with another configuration. */
function configured(config: Record<string, unknown>): string {
  const path = `${home.path}/configured`;
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path);
  const layer = Bun.spawnSync(["tar", "-c", "--owner=0", "--group=0", "-C", images.rootfs, "."]).stdout;
  writeLayout(path, [layer], { config: { Env: ["PATH=/bin"], Cmd: [], ...config } });
  return path;
}

const shell = (script: string, ...options: string[]) =>
  run(["-c", script], "--entrypoint", "/bin/sh", ...options);

describe("the environment", () => {
  onQemu("is the image's, then what -e says", async () => {
    const result = await shell('echo "$COLOUR,$EMPTY,$NEW,$PATH"', "-e", "COLOUR=blue", "-e", "NEW=a=b");
    expect(result).toMatchObject({ output: "blue,,a=b,/opt/bin:/bin\n", exitCode: 0 });
  });

  onQemu("takes a variable without a value from the host, and nothing else", async () => {
    const result = await home.run(["-c", 'echo "$FROM_HOST,$NOT_ASKED_FOR"'], {
      options: ["--image", images.archive, "--entrypoint", "/bin/sh", "-e", "FROM_HOST"],
      env: { FROM_HOST: "yes", NOT_ASKED_FOR: "secret" },
    });
    expect(result).toMatchObject({ output: "yes,\n", exitCode: 0 });
  });
});

describe("the working directory", () => {
  onQemu("is the image's, also with an empty -w", async () => {
    expect(await shell("pwd", "-w", "", "-u", "")).toMatchObject({ output: "/srv/work\n", exitCode: 0 });
    expect(await shell("pwd; cat here")).toMatchObject({
      output: "/srv/work\nthe image's file\n",
      exitCode: 0,
    });
  });

  onQemu("is what -w says, and is made when it does not exist", async () => {
    expect(await shell("pwd", "-w", "/brand/new", "-u", "0")).toMatchObject({
      output: "/brand/new\n",
      exitCode: 0,
    });
  });
});

describe("the user", () => {
  const ids = 'echo "$(id -u) $(id -g) $(id -G) $HOME"';

  onBoth("is the image's, with its groups and home", async () => {
    expect(await shell(ids)).toMatchObject({ output: "1234 2345 2345 3456 /home/app\n", exitCode: 0 });
  });

  const cases = [
    ["root", "0 0 0 /root"],
    ["1234", "1234 2345 2345 3456 /home/app"],
    ["77", "77 0 0 /"],
    ["77:88", "77 88 88 /"],
    ["app:wheel", "1234 10 10 /home/app"],
  ] as const;
  for (const [user, expected] of cases) {
    onQemu(`${user} is ${expected}`, async () => {
      expect(await shell(ids, "-u", user)).toMatchObject({ output: `${expected}\n`, exitCode: 0 });
    });
  }

  onQemu("that the image does not know is refused", async () => {
    const result = await shell(ids, "-u", "nobody-here");
    expect(result).toMatchObject({ output: "", exitCode: 125 });
    expect(result.stderr).toContain("nobody-here");
  });
});

describe("a command", () => {
  onQemu("is looked up in the image's PATH", async () => {
    const result = await run(["hello"], "--entrypoint", "");
    expect(result).toMatchObject({ output: "hello from PATH\n", exitCode: 0 });
  });

  const failures = [
    ["that does not exist", "no-such-command", 127],
    ["whose path does not exist", "/bin/no/such", 127],
    ["that is not executable", "not-executable", 126],
    ["that is not executable, by its path", "/opt/bin/not-executable", 126],
    ["that is a directory", "/srv", 126],
    ["whose interpreter does not exist", "/bin/own-words", 127],
  ] as const;
  for (const [what, command, exitCode] of failures) {
    onQemu(`${what} ends with ${exitCode}`, async () => {
      const result = await run([command], "--entrypoint", "");
      expect(result).toMatchObject({ output: "", exitCode });
      expect(result.stderr).toContain(command);
      expect(result.stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
    });
  }
});

describe("an image", () => {
  onQemu("may be a directory", async () => {
    const result = await home.run(["/opt/bin/hello"], { options: ["--image", images.rootfs] });
    expect(result).toMatchObject({ output: "hello from PATH\n", stderr: "", exitCode: 0 });
  });

  onQemu("may come from standard input", async () => {
    const options = { options: ["--image", "-", "--entrypoint", ""], stdin: Bun.file(images.archive) };
    const result = await home.run(["hello"], options);
    expect(result).toMatchObject({ output: "hello from PATH\n", stderr: "", exitCode: 0 });
  });

  onQemu("is not touched by what runs in it", async () => {
    await home.run(["rm", "-rf", "/srv", "/bin/entry"], {
      options: ["--image", images.archive, "--entrypoint", "", "-u", "0"],
    });
    expect(await shell("cat here")).toMatchObject({ output: "the image's file\n", exitCode: 0 });
  });
});
