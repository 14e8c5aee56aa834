import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import Ajv from "ajv";
import { version } from "../../src/version.ts";
import { program } from "../support/program.ts";
import { call, PASSED_ON } from "./adapter.ts";
import { errorOf, PilotHome } from "./home.ts";

/** What an adapter's callers get of commands that start no machine; V1 and so on are Pilot's own acceptance checks. */

setDefaultTimeout(60_000);

const home = new PilotHome();
afterAll(() => home.remove());

const VERSION = { stdout: `smolvm ${version}`, stderr: "", exit: 0, truncated: false };
const EMPTY = { stdout: "No machines found", stderr: "", exit: 0, truncated: false };

interface Method {
  readonly argv: readonly string[];
  readonly json: boolean;
}

const methods = async (): Promise<Method[]> =>
  ((await home.call(["help", "--json"])) as { methods: Method[] }).methods;

test("V1: the version", async () => {
  expect(await home.call(["--version"])).toEqual(VERSION);
  expect(await home.call(["version", "--json"])).toEqual({ name: "smolvm", version });
});

test("V3, V4: no machines, as text and as JSON", async () => {
  expect(await home.call(["machine", "ls"])).toEqual(EMPTY);
  expect(await home.call(["machine", "ls", "--json"])).toEqual([]);
});

test("V5: a machine that is not there", async () => {
  const words = ["machine", "status", "--name", "nope"];
  const answer = await home.wrapped(words);
  expect(answer).toMatchObject({ exit: 1, stdout: "" });
  expect(answer.stderr).toContain("nope");
  const json = await home.wrapped(["--error-format", "json", ...words]);
  expect(errorOf(json)).toMatchObject({ code: "machine.not_found" });
});

test.each([[["bogus"]], [[]], [["machine", "run", "--bogus"]], [["machine"]], [["machine", "cp"]]])(
  "V6: wrong words are refused with what would be right: %j",
  async (args) => {
    const answer = await home.wrapped(args);
    expect(answer).toMatchObject({ exit: 2, stdout: "" });
    expect(answer.stderr).toMatch(/^error: .*\nhint: .*smolvm/);
    const json = await home.wrapped([...args, "--error-format", "json"]);
    expect(errorOf(json)).toMatchObject({ code: expect.stringMatching(/^cli\./), hint: expect.any(String) });
    expect(json.exit).toBe(2);
  },
);

test("V7, V8: help of each command, as text and as JSON, and each command in the help", async () => {
  const document = await home.call(["--help", "--json"]);
  const schema = JSON.parse(readFileSync(`${import.meta.dir}/../../docs/schema/help.schema.json`, "utf8"));
  const isRight = new Ajv({ strict: true }).compile(schema);
  expect([isRight(document), isRight.errors]).toEqual([true, null]);
  expect(await home.call(["help", "--json"])).toEqual(document);
  expect(JSON.stringify(document).length).toBeLessThan(200_000);
  const all = await methods();
  expect(all.length).toBeGreaterThan(50);
  const pages = [[], ["machine"], ...all.map(({ argv }) => argv)];
  const manual = (await home.wrapped(["--help"])).stdout;
  for (const argv of pages) {
    const { stdout, ...rest } = await home.wrapped([...argv, "--help"]);
    expect({ argv, ...rest }).toEqual({ argv, stderr: "", exit: 0, truncated: false });
    expect(stdout).not.toMatch(/[^\x20-\x7e\n…]/);
    expect(stdout).toBe((await home.smolvm([...argv, "--help"])).output.trim());
    expect(stdout.length).toBeLessThan(900_000);
    expect(manual).toContain(argv.join(" "));
  }
}, 120_000);

test("V9, V10: words, input, environment, directory and files arrive, and nothing else", async () => {
  const words = ["a b", "", "*", "$HOME", "--", "é", "-x", "--name=", "01", "--help", "--json", "\\", "\n"];
  expect(await home.call(["self-check", "passthrough", "--", ...words])).toEqual({
    argv: words,
    stdin_bytes: 0,
    env_keys: ["HOME", "LANG", "PATH", "TMPDIR"],
    tty: [false, false, false],
    cwd: home.path,
    execPath: program,
    fds: [0, 1, 2],
  });
  expect(PASSED_ON).toEqual(expect.arrayContaining(["HOME", "LANG", "PATH", "TMPDIR"]));
  const typed = await home.call(["self-check", "passthrough"], { stdin: "abcé\n" });
  expect(typed).toMatchObject({ argv: [], stdin_bytes: 6 });
});

test("self-check tells what does not belong there", async () => {
  const script = 'exec 7</dev/null; FOREIGN=1 exec "$SMOLVM" self-check passthrough';
  const { output } = await home.shell(script);
  const { env_keys: keys, fds } = JSON.parse(output);
  expect(keys).toContain("FOREIGN");
  expect(fds).toEqual([0, 1, 2, 7]);
});

test("V11: nobody is asked; a machine is not deleted by that", async () => {
  await home.ok("create", "x");
  const answer = await home.wrapped(["machine", "delete", "--name", "x"]);
  expect(answer).toMatchObject({ exit: 1, stdout: "" });
  expect(answer.stderr).toContain("-f");
  expect(await home.call(["machine", "ls", "--json"])).toEqual([expect.objectContaining({ name: "x" })]);
  expect(await home.wrapped(["machine", "delete", "-f", "x"])).toMatchObject({ exit: 0 });
});

test("V12: without HOME, and in a directory that cannot be written", async () => {
  const readOnly = `${home.path}/read-only`;
  mkdirSync(readOnly);
  chmodSync(readOnly, 0o555);
  const nobody = { program, env: { PATH: home.env.PATH }, cwd: readOnly };
  // The machines of whoever runs the tests: there may be some.
  expect(await call(nobody, { args: ["machine", "ls"] })).toMatchObject({ exit: 0, stderr: "" });
  expect(await call({ ...nobody, env: home.env }, { args: ["machine", "ls"] })).toEqual(EMPTY);
});

describe("V18: many at once", () => {
  const answers = async (names: readonly string[]) =>
    await Promise.all(names.map((name) => home.wrapped(["machine", "create", "--name", name])));

  test("make a machine each", async () => {
    const names = Array.from({ length: 8 }, (_, index) => `at-once-${index}`);
    expect((await answers(names)).map(({ exit }) => exit)).toEqual(names.map(() => 0));
    expect(await home.names()).toEqual(names);
  });

  test("make one of the same name once", async () => {
    const exits = (await answers(Array<string>(8).fill("same"))).map(({ exit }) => exit);
    expect(exits.sort()).toEqual([0, 1, 1, 1, 1, 1, 1, 1]);
    await home.deleteAll();
  });
});

test("V20: the program runs from wherever it was put", async () => {
  const elsewhere = mkdtempSync("/tmp/sv-pilot-");
  try {
    mkdirSync(`${elsewhere}/x y`);
    copyFileSync(program, `${elsewhere}/x y/smolvm`);
    symlinkSync("x y/smolvm", `${elsewhere}/link`);
    chmodSync(`${elsewhere}/x y`, 0o555);
    for (const path of ["x y/smolvm", "link"]) {
      const there = { program: `${elsewhere}/${path}`, env: home.env, cwd: "/" };
      expect(await call(there, { args: ["--version"] })).toEqual(VERSION);
      expect(await call(there, { args: ["machine", "ls"] })).toEqual(EMPTY);
    }
  } finally {
    chmodSync(`${elsewhere}/x y`, 0o755);
    rmSync(elsewhere, { recursive: true });
  }
});

describe("V22: commands with --json", () => {
  /** Calls that succeed without a machine that runs. */
  const succeeding: Readonly<Record<string, readonly string[]>> = {
    version: [],
    help: [],
    "machine ls": [],
    "machine create": ["--name", "made"],
    "machine status": ["made"],
    "machine inspect": ["made"],
    "machine stop": ["made"],
    "machine update": ["made", "--cpus", "1"],
    "machine resize": ["made", "--storage", "21"],
    "machine clone": ["made", "copy"],
    "machine data-dir": ["made"],
    "machine images": [],
    "machine egress-events": ["made"],
    "machine delete": ["-f", "made", "copy"],
    "volume ls": [],
    "volume inspect": ["kept"],
    "images ls": [],
    "images prune": ["--dry-run"],
    "config show": [],
    "config registries show": [],
    doctor: [],
  };

  test("print one JSON value that no reader takes for an envelope", async () => {
    expect(await home.smolvm(["volume", "create", "kept"])).toMatchObject({ exitCode: 0 });
    for (const [command, words] of Object.entries(succeeding)) {
      const answer = await home.call([...command.split(" "), "--json", ...words]);
      expect([command, typeof answer]).toEqual([command, "object"]);
      expect([command, answer]).toEqual([command, expect.not.objectContaining({ exit: expect.anything() })]);
    }
  });

  test("print their errors as JSON on stderr alone", async () => {
    const all = (await methods()).filter(({ json }) => json);
    expect(all.length).toBeGreaterThan(20);
    for (const { argv } of all) {
      const answer = await home.wrapped([...argv, "--json", "--no-such-option"]);
      expect([argv, answer.exit, errorOf(answer).code]).toEqual([argv, 2, "cli.unknown_option"]);
    }
    for (const command of ["status", "start", "stop", "delete", "update", "ps", "stats", "inspect", "diff"]) {
      const answer = await home.wrapped(["machine", command, "--json", "nope"]);
      expect([command, answer.exit, errorOf(answer).code]).toEqual([command, 1, "machine.not_found"]);
    }
  });
});
