import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { SMALL, useMachines } from "../support/machines.ts";
import { until } from "../support/process.ts";
import { sharedCache, slowness } from "../support/program.ts";

const home = useMachines();
/** Files of these tests: not part of what has to be gone with the machines. */
const own = mkdtempSync("/tmp/sv-own-");
afterAll(() => rmSync(own, { recursive: true, force: true }));

const LIMIT = 180_000 * slowness;

/** Words that are on this host's disk and in its processes only where a secret may be. */
const canary = (name: string) => `canary-${name}-${crypto.randomUUID()}`;
const canaries = {
  variable: canary("variable"),
  file: canary("file"),
  exec: canary("exec"),
  run: canary("run"),
};

const secretFile = `${own}/token`;
const environment = { HOST_TOKEN: canaries.variable };

const shell = (script: string) => ["--", "sh", "-c", script];

/** Every value that is found where it must not be. */
function leaks(): string[] {
  const found: string[] = [];
  const places = [home.path, sharedCache()].flatMap((path) =>
    Object.values(canaries).map((word) => ["grep", "-rlF", word, path]),
  );
  for (const command of places) found.push(`${Bun.spawnSync(command).stdout}`.trim());
  // The machine's process and its VMM, as they were started.
  for (const { pid } of home.processes())
    for (const file of ["cmdline", "environ"]) {
      const text = readFileSync(`/proc/${pid}/${file}`, "utf8");
      if (Object.values(canaries).some((word) => text.includes(word))) found.push(`${pid} ${file}`);
    }
  return found.filter((line) => line !== "");
}

/** What a command printed, on either stream; it has to end well. */
async function said(words: readonly string[], env: Record<string, string> = environment): Promise<string> {
  const { exitCode, output, stderr } = await home.machine(words, { env });
  expect([words, exitCode, stderr]).toEqual([words, 0, stderr]);
  return output;
}

writeFileSync(secretFile, `${canaries.file}\n`);

describe("secrets of a machine that lasts", () => {
  test(
    "are around everything that runs in it, and nowhere on the host",
    async () => {
      const check = 'test "$A" = "$(cat /root/a)" && test -n "$B"';
      const created = await said([
        "create",
        "web",
        ...SMALL,
        ...["--secret-env", "A=HOST_TOKEN", "--secret-file", `B=${secretFile}`],
        ...["-e", "A=of the record", "-e", "PLAIN=plain"],
        ...["--init", 'printf %s "$A" | wc -c >/root/init; printf %s "$A" >/root/a', "--health-cmd", check],
        ...["--health-interval", "1s"],
        ...shell('printf %s "$A$B" | wc -c >/root/workload; sleep 3600'),
      ]);
      // It was made where the variable may be missing.
      expect(created).toContain("Created machine: web");
      await said(["start", "web"]);
      const lengths = `${canaries.variable.length}\n${canaries.variable.length + canaries.file.length}\n`;
      expect(await said(["exec", "--name", "web", ...shell("cat /root/init /root/workload")])).toBe(lengths);
      expect(await said(["exec", "--name", "web", ...shell('echo "$A $B $PLAIN"')])).toBe(
        `${canaries.variable} ${canaries.file} plain\n`,
      );
      await said(["wait", "--until", "healthy", "web"]);
      await said(["exec", "--name", "web", ...shell("rm /root/a; sync")]);
      expect(leaks()).toEqual([]);
      for (const words of [
        ["inspect", "web"],
        ["ls", "--json"],
        ["ls", "--verbose"],
        ["status", "--json", "web"],
        ["ps", "web"],
      ])
        expect(Object.values(canaries).some((word) => `${words}`.includes(word))).toBe(false);
      const [inspected] = JSON.parse(await said(["inspect", "web"]));
      expect(inspected.secrets).toEqual([
        { name: "A", from_env: "HOST_TOKEN" },
        { name: "B", from_file: secretFile },
      ]);
    },
    LIMIT,
  );

  test(
    "are looked up by each exec anew; -e wins, and options are for that command alone",
    async () => {
      const show = shell('echo "$A $B $C"');
      writeFileSync(secretFile, "rotated\n\n");
      const once = ["--secret-env", "C=MORE"];
      const env = { HOST_TOKEN: "other", MORE: canaries.exec };
      expect(await said(["exec", "--name", "web", ...once, ...show], env)).toBe(
        `other rotated ${canaries.exec}\n`,
      );
      expect(await said(["exec", "--name", "web", ...show], env)).toBe("other rotated \n");
      const { stderr, exitCode } = await home.machine(["exec", "--name", "web", ...show]);
      expect([exitCode, stderr]).toEqual([
        125,
        expect.stringMatching(/^error: the secret A is not set: .*HOST_TOKEN/),
      ]);
      expect(await said(["exec", "--name", "web", "-e", "A=mine", ...show], {})).toBe("mine rotated \n");
      const piped = await home.machine(["shell", "web"], { env, stdin: Buffer.from('echo "$A"\n') });
      expect(piped.output).toBe("other\n");
      expect(leaks()).toEqual([]);
    },
    LIMIT,
  );

  test(
    "survive a restart by the policy in memory, and are needed by the next start",
    async () => {
      await said(["exec", "--name", "web", ...shell("rm -f /root/workload; sync")]);
      await home.powerCut("web");
      await home.machine(["stop", "web"]);
      expect(await home.refusal("start", "web")).toMatchObject({ code: "secret.not_set" });
      expect(await home.ok("update", "web", "--remove-secret", "A", "--restart", "always")).toContain(
        "secrets",
      );
      expect(await home.ok("start", "web")).toContain("web");
      const count = async () => (await home.state("web")).restart_count;
      await home.powerCut("web");
      // Right after the cut the machine still says that it runs.
      await until("the machine is started again", async () => (await count()) === 1);
      await home.ok("wait", "--until", "running", "web");
      expect(await home.sh("web", 'cat /root/workload; echo "$B"')).toBe(
        `${"rotated".length + "of the record".length}\nrotated\n`,
      );
      await home.ok("delete", "-f", "web");
    },
    LIMIT,
  );
});

test(
  "machine run has them, and leaves nothing of them",
  async () => {
    const words = [
      "run",
      ...SMALL,
      "-q",
      "--secret-env",
      "A=X",
      "--init",
      'test -n "$A"',
      ...shell('echo "$A"'),
    ];
    expect(await said(words, { X: canaries.run })).toBe(`${canaries.run}\n`);
    expect(leaks()).toEqual([]);
  },
  LIMIT,
);

test("files that are none are refused, with the secret's name and without its value", async () => {
  const directory = `${own}/secrets`;
  mkdirSync(directory);
  const at = (name: string) => `${directory}/${name}`;
  writeFileSync(at("good"), "value");
  symlinkSync(at("good"), at("link"));
  writeFileSync(at("large"), "x".repeat((1 << 20) + 1));
  writeFileSync(at("long"), "x".repeat(128 * 1024));
  writeFileSync(at("bytes"), new Uint8Array([0xff, 0xfe]));
  writeFileSync(at("nul"), "a\0b");
  Bun.spawnSync(["mkfifo", at("fifo")]);
  const codes: Record<string, string> = {};
  for (const name of ["link", "large", "long", "bytes", "nul", "fifo", "missing", "."])
    codes[name] = (await home.refusal("run", "--secret-file", `A=${at(name)}`, "--", "true")).code;
  expect(codes).toEqual({
    link: "secret.bad_file",
    large: "secret.too_large",
    long: "secret.too_large",
    bytes: "secret.bad_file",
    nul: "secret.bad_file",
    fifo: "secret.bad_file",
    missing: "secret.unreadable",
    ".": "secret.bad_file",
  });
  expect(await home.refusal("run", "--secret-env", "A=NOT_HERE", "--", "true")).toMatchObject({
    code: "secret.not_set",
    message: expect.stringContaining("NOT_HERE"),
  });
  for (const words of [
    ["--secret-env", "A=X", "--secret-file", "A=/x"],
    ["--secret-env", "A"],
    ["--secret-env", "=X"],
    ["--secret-env", "A="],
    ["--secret-file", "A=relative"],
  ]) {
    const { exitCode } = await home.refusal("create", "bad", ...words);
    expect([words, exitCode]).toEqual([words, 2]);
  }
  expect(await home.names()).toEqual([]);
});

test(
  "a Smolfile names them; an option of the same name wins",
  async () => {
    const file = `${own}/Smolfile`;
    writeFileSync(file, `[secrets]\nA = { from_env = "HOST_TOKEN" }\nB = { from_file = "${secretFile}" }\n`);
    writeFileSync(secretFile, canaries.file);
    const words = ["run", ...SMALL, "-q", "-s", file, "--secret-env", "B=OTHER", ...shell('echo "$A $B"')];
    expect(await said(words, { ...environment, OTHER: "other" })).toBe(`${canaries.variable} other\n`);
  },
  LIMIT,
);
