import { describe, expect } from "bun:test";
import { cpSync, existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Result } from "../support/process.ts";
import { seededRandom } from "../support/random.ts";
import { onQemu, useHome } from "../support/register.ts";

/** Many commands at once, on machines that do not run: no VM is needed to get these wrong. */

const home = useHome();

/** How many commands run at once. */
const AT_ONCE = 50;
const numbers = Array.from({ length: AT_ONCE }, (_, at) => at);

const machine = (...args: string[]) => home.smolvm(["machine", ...args], { seconds: 100 });
const directory = () => `${home.path}/data/smolvm/machines`;

interface Listed {
  readonly name: string;
  readonly state: string;
  readonly cpus: number;
}

async function list(): Promise<Listed[]> {
  const { output, stderr, exitCode } = await machine("ls", "--json");
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  return JSON.parse(output);
}

async function inspect(name: string): Promise<Record<string, unknown>> {
  return JSON.parse((await machine("inspect", name)).output)[0];
}

async function deleteAll(): Promise<void> {
  const names = (await list()).map(({ name }) => name);
  if (names.length > 0) expect(await machine("delete", "-f", ...names)).toMatchObject({ exitCode: 0 });
}

/** All that were successful; of the others it is said what is wrong, and that is the same for all. */
function winners(results: readonly Result[], failure: string): Result[] {
  for (const { exitCode, stderr } of results) {
    if (exitCode === 0) expect(stderr).toBe("");
    else expect(stderr).toStartWith(`error: ${failure}\n`);
  }
  return results.filter(({ exitCode }) => exitCode === 0);
}

describe(`${AT_ONCE} commands at once`, () => {
  onQemu(
    "create, change, copy and delete as many machines, while others look",
    async () => {
      const looks = (states: readonly string[]) =>
        numbers.slice(0, 5).map(async () => {
          for (const { state } of await list()) expect(states).toContain(state);
        });
      const all = async (each: (at: number) => Promise<Result>, ...states: readonly string[]) => {
        const [results] = await Promise.all([
          Promise.all(numbers.map(each)),
          ...looks(["created", ...states]),
        ]);
        expect(winners(results, "no failure at all")).toHaveLength(AT_ONCE);
      };
      await all((at) => machine("create", `m${at}`, "--cpus", "1"));
      await all((at) => machine("update", `m${at}`, "--cpus", `${(at % 4) + 1}`));
      await all((at) => machine("clone", `m${at}`, `copy${at}`));
      const made = Object.fromEntries((await list()).map(({ name, cpus }) => [name, cpus]));
      const wanted = numbers.flatMap((at) => [
        [`m${at}`, (at % 4) + 1],
        [`copy${at}`, (at % 4) + 1],
      ]);
      expect(made).toEqual(Object.fromEntries(wanted));
      // Its lock is taken for the moment before it is gone.
      await all((at) => machine("delete", "-f", `m${at}`), "starting");
      expect((await list()).map(({ name }) => name)).toEqual(numbers.map((at) => `copy${at}`).sort());
      await deleteAll();
    },
    300,
  );

  onQemu(
    "that create the same machine make one",
    async () => {
      const results = await Promise.all(numbers.map((at) => machine("create", "one", "-e", `MADE_BY=${at}`)));
      const made = winners(results, "machine 'one' already exists");
      expect(made).toHaveLength(1);
      expect(await inspect("one")).toMatchObject({ env: [`MADE_BY=${results.indexOf(made[0] as Result)}`] });
      expect(readdirSync(directory())).toEqual(["one"]);
      await deleteAll();
    },
    120,
  );

  onQemu(
    "that want the same machine to be there make one, and all are content",
    async () => {
      const results = await Promise.all(numbers.map(() => machine("create", "one", "--if-not-exists")));
      expect(winners(results, "no failure at all")).toHaveLength(AT_ONCE);
      expect(results.filter(({ output }) => output.startsWith("Created machine: one\n"))).toHaveLength(1);
      await deleteAll();
    },
    120,
  );

  onQemu(
    "that change the same machine lose no change",
    async () => {
      await machine("create", "one");
      const results = await Promise.all(numbers.map((at) => machine("update", "one", "-e", `K${at}=${at}`)));
      expect(winners(results, "no failure at all")).toHaveLength(AT_ONCE);
      const { env } = (await inspect("one")) as { env: string[] };
      expect(env.toSorted()).toEqual(numbers.map((at) => `K${at}=${at}`).sort());
      await deleteAll();
    },
    120,
  );

  onQemu(
    "that copy a machine to the same name make one copy",
    async () => {
      await machine("create", "one");
      const results = await Promise.all(numbers.map(() => machine("clone", "one", "two")));
      expect(winners(results, "machine 'two' already exists")).toHaveLength(1);
      expect(readdirSync(directory()).sort()).toEqual(["one", "two"]);
      await deleteAll();
    },
    120,
  );

  onQemu(
    "that delete the same machine: one has done it",
    async () => {
      await machine("create", "one");
      const results = await Promise.all(numbers.map(() => machine("delete", "-f", "one")));
      expect(winners(results, "vm not found: one")).toHaveLength(1);
      expect(readdirSync(directory())).toEqual([]);
    },
    120,
  );

  onQemu(
    "of all kinds on a few machines: each is done whole, or refused with the reason",
    async () => {
      const random = seededRandom("commands at once");
      const names = ["a", "b", "c"];
      const any = () => names[Math.floor(random() * names.length)] as string;
      const commands = numbers.map(() => {
        const [name, other] = [any(), any()];
        const kinds = [
          ["create", name],
          ["update", name, "--cpus", "1"],
          ["clone", name, other],
          ["delete", "-f", name],
          ["status", name],
          ["inspect", name],
          ["ls"],
        ];
        return kinds[Math.floor(random() * kinds.length)] as string[];
      });
      const results = await Promise.all(commands.map((command) => machine(...command)));
      for (const [at, { exitCode, stderr }] of results.entries()) {
        const reasons = /^error: (vm not found: [abc]|machine '[abc]' already exists)\n/;
        if (exitCode !== 0 || stderr !== "") expect(`${commands[at]}: ${stderr}`).toMatch(/: error: /);
        if (exitCode !== 0) expect(stderr).toMatch(reasons);
      }
      for (const { state } of await list()) expect(state).toBe("created");
      await deleteAll();
      expect(readdirSync(directory())).toEqual([]);
    },
    120,
  );
});

/** Everything that can be seen of the files below a directory without opening them. */
function snapshot(path: string): string[] {
  if (!existsSync(path)) return [];
  return (readdirSync(path, { recursive: true }) as string[]).sort().map((name) => {
    const { ino, mode, size, mtimeMs, ctimeMs } = lstatSync(`${path}/${name}`);
    return [name, ino, mode, size, mtimeMs, ctimeMs].join(" ");
  });
}

describe("a command that only looks", () => {
  const looking = [
    ["machine", "ls"],
    ["machine", "ls", "--json", "--filter", "state=created"],
    ["machine", "status", "box"],
    ["machine", "status", "box", "--json"],
    ["machine", "inspect", "box"],
    ["machine", "logs", "box"],
    ["machine", "data-dir", "box"],
    ["machine", "images"],
    ["images", "ls"],
    ["config", "show"],
    ["__complete", "machine", "start", ""],
  ];

  /** System calls that change something on the disk; strace prints what a call returned behind ` = `. */
  const CHANGES = ["creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat"];
  const MORE = [
    "rmdir",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "truncate",
    "ftruncate",
    "fchmod",
    "chmod",
  ];

  async function trace(args: readonly string[]): Promise<string[]> {
    const log = `${home.path}/tmp/strace`;
    const calls = ["open", "openat", ...CHANGES, ...MORE].join(",");
    await home.shell(
      `strace -f -o ${log} -e trace=${calls} "$SMOLVM" ${args.map((word) => `'${word}'`).join(" ")}`,
    );
    const lines = readFileSync(log, "utf8").split("\n");
    await home.shell(`rm ${log}`);
    const opens = /\bopen(at)?\(/;
    return lines.filter((line) => {
      if (!line.includes(home.path) || line.includes(log)) return false;
      return opens.test(line) ? /O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE/.test(line) : true;
    });
  }

  onQemu(
    "changes nothing, with machines and without",
    async () => {
      for (const present of [false, true]) {
        if (present) expect(await machine("create", "box")).toMatchObject({ exitCode: 0 });
        const before = snapshot(home.path);
        for (const args of looking) {
          await home.smolvm(args);
          expect({ args, after: snapshot(home.path) }).toEqual({ args, after: before });
        }
        for (const args of looking) {
          // Its log is one file more.
          expect({ args, changes: await trace(args) }).toEqual({ args, changes: [] });
        }
      }
      await deleteAll();
    },
    200,
  );
});

onQemu(
  "500 machines are listed, each as it is",
  async () => {
    const template = "m000";
    await machine("create", template, "--cpus", "3");
    const record = readFileSync(`${directory()}/${template}/machine.json`, "utf8");
    const names = Array.from({ length: 500 }, (_, at) => `m${`${at}`.padStart(3, "0")}`);
    for (const name of names.slice(1)) {
      cpSync(`${directory()}/${template}`, `${directory()}/${name}`, { recursive: true });
      writeFileSync(`${directory()}/${name}/machine.json`, record.replace(`"${template}"`, `"${name}"`));
    }
    const listed = await list();
    expect(listed.map(({ name }) => name)).toEqual(names);
    expect(new Set(listed.map(({ state, cpus }) => `${state} ${cpus}`))).toEqual(new Set(["created 3"]));
    expect((await machine("ls", "-q")).output).toBe(names.map((name) => `${name}\n`).join(""));
    await deleteAll();
    expect(readdirSync(directory())).toEqual([]);
  },
  120,
);
