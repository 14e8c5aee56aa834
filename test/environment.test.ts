import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { program, sharedCache } from "./support/program.ts";
import { onQemu, useHome } from "./support/register.ts";

/** Whatever surrounds the program when it is started. */

const home = useHome();

describe("the environment", () => {
  onQemu("may consist of PATH and HOME", async () => {
    const { PATH, HOME } = home.env;
    const child = Bun.spawnSync([program, "machine", "ls"], {
      env: { PATH: `${PATH}`, HOME: `${HOME}` },
      cwd: home.path,
    });
    expect({ output: child.stdout.toString(), code: child.exitCode }).toEqual({
      output: "No machines found\n",
      code: 0,
    });
  });

  onQemu("with a HOME that is no absolute path is an error that says so", async () => {
    const bare = { PATH: `${home.env.PATH}`, HOME: "home" };
    const child = Bun.spawnSync([program, "machine", "run", "--", "true"], { env: bare, cwd: home.path });
    expect(child.exitCode).toBe(125);
    expect(child.stderr.toString()).toContain("HOME is not an absolute path");
    expect(child.stderr.toString()).toContain("SMOLVM_DATA_DIR");
  });

  onQemu("without HOME works with SMOLVM_DATA_DIR", async () => {
    const env = {
      PATH: `${home.env.PATH}`,
      SMOLVM_DATA_DIR: `${home.path}/tmp/all`,
      XDG_RUNTIME_DIR: `${home.path}/run`,
      SMOLVM_TEMPLATES: "off",
    };
    mkdirSync(`${home.path}/tmp/all/cache`, { recursive: true });
    // Unpacked already; hard links, because a changed file would be unpacked again.
    Bun.spawnSync(["cp", "-al", `${sharedCache()}/smolvm/.`, `${home.path}/tmp/all/cache/`]);
    const words = ["machine", "run", "-q", "--engine", "qemu", "--mem", "512", "--", "echo", "hi"];
    const child = Bun.spawnSync([program, ...words], { env, cwd: home.path, timeout: 60_000 });
    Bun.spawnSync(["rm", "-rf", `${home.path}/tmp/all`, `${home.path}/run`]);
    mkdirSync(`${home.path}/run`, { mode: 0o700 });
    expect({ output: child.stdout.toString(), stderr: child.stderr.toString() }).toEqual({
      output: "hi\n",
      stderr: "",
    });
  });

  onQemu("and the command's words pass byte for byte, also where they are not UTF-8", async () => {
    const raw = "$(printf 'a\\377\\303')";
    const show = 'for word; do printf %s "$word" | od -An -tx1; done; printf %s "$GIVEN$KEPT" | od -An -tx1';
    const result = await home.shell(
      `export KEPT="${raw}"; $RUN -e GIVEN="${raw}" -e KEPT -- sh -c '${show}' sh "${raw}" é`,
    );
    expect(result).toMatchObject({
      output: " 61 ff c3\n c3 a9\n 61 ff c3 61 ff c3\n",
      stderr: "",
      exitCode: 0,
    });
  });

  onQemu("with Bun's own variables changes nothing for the machine's processes", async () => {
    const seen = `${home.path}/seen`;
    const { child } = await home.startScript("sleep 1000", {
      env: { BUN_OPTIONS: "--smol", BUN_INSPECT: "", NODE_OPTIONS: "--require=./evil.js" },
    });
    const machine = home.roles("__machine");
    expect(machine).toHaveLength(1);
    expect(readFileSync(`/proc/${machine[0]}/environ`, "utf8")).not.toMatch(/BUN_/);
    expect(existsSync(seen)).toBe(false);
    child.kill("SIGTERM");
    await child.exited;
  });
});

describe("the current directory", () => {
  /** Every file by which Bun can be made to run or load something. */
  const traps: Record<string, string> = {
    "bunfig.toml":
      'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n[test]\npreload = ["./evil.ts"]\n',
    "evil.ts": 'require("node:fs").writeFileSync(require("node:path").join(__dirname, "caught"), "");\n',
    ".env": "SMOLVM_ENGINE=from-dot-env\nSMOLVM_DATA_DIR=/proc/from-dot-env\nFROM_DOT_ENV=1\n",
    ".env.local": "SMOLVM_ENGINE=from-dot-env\n",
    ".env.production": "SMOLVM_ENGINE=from-dot-env\n",
    "package.json": '{"name":"x","imports":{"#x":"./evil.ts"},"type":"module"}',
    "tsconfig.json": '{"compilerOptions":{"paths":{"*":["./evil.ts"]}}}',
  };

  onQemu("decides nothing, whatever lies in it", async () => {
    const directory = `${home.path}/hostile`;
    mkdirSync(directory);
    for (const [name, text] of Object.entries(traps)) writeFileSync(`${directory}/${name}`, text);
    const result = await home.run(["sh", "-c", "echo clean$FROM_DOT_ENV"], {
      cwd: directory,
      options: ["-e", "FROM_DOT_ENV"],
    });
    expect(result).toMatchObject({ output: "clean\n", stderr: "", exitCode: 0 });
    expect(existsSync(`${directory}/caught`)).toBe(false);
    Bun.spawnSync(["rm", "-r", directory]);
  });
});

describe("open descriptors", () => {
  onQemu("of the caller do not reach the machine's processes", async () => {
    const script = `
      exec 7<user 8>tmp/held
      $RUN -- sh -c "echo ready; sleep 1000" >tmp/out &
      until grep -q ready tmp/out; do sleep 0.1; done
      for pid in $(pgrep -P $!) $(pgrep -f $PWD/data); do ls -l /proc/$pid/fd; done
      kill $!; wait $!; rm tmp/held tmp/out`;
    const result = await home.shell(script);
    expect(result.output.match(/^total/gm)?.length).toBeGreaterThanOrEqual(2); // machine process and VMM
    expect(result.output).not.toMatch(/tmp\/held|\/user$/m);
  });
});
