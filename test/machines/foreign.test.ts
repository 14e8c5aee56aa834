import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { onQemu, useHome } from "../support/register.ts";

/** What lies among the machines and is none that this program knows: it is shown, kept, and can be deleted. */

const home = useHome();
const directory = () => `${home.path}/data/smolvm/machines`;
const machine = (...args: string[]) => home.smolvm(["machine", ...args]);

const put = (name: string, files: Record<string, string>) => {
  mkdirSync(`${directory()}/${name}`, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(`${directory()}/${name}/${file}`, text);
};

const later = JSON.stringify({ version: 1000, name: "later", cpus: { performance: 4, efficiency: 4 } });

/** Name, how it comes to be, and a word of the reason that is told. */
const strangers: Record<string, { readonly make: (name: string) => void; readonly reason: RegExp }> = {
  later: {
    make: (name) => put(name, { "machine.json": later }),
    reason: /later smolvm \(record version 1000\)/,
  },
  torn: { make: (name) => put(name, { "machine.json": '{"version":2,' }), reason: /JSON/ },
  empty: { make: (name) => put(name, { "machine.json": "" }), reason: /JSON/ },
  zeros: { make: (name) => put(name, { "machine.json": "\0".repeat(4096) }), reason: /JSON/ },
  list: { make: (name) => put(name, { "machine.json": "[]" }), reason: /no JSON object/ },
  unversioned: {
    make: (name) => put(name, { "machine.json": '{"name":"unversioned"}' }),
    reason: /no version/,
  },
  wrong: {
    make: (name) => put(name, { "machine.json": '{"version":2,"name":"wrong","cpus":"many"}' }),
    reason: /cpus: /,
  },
  renamed: {
    make: (name) => put(name, { "machine.json": '{"version":2,"name":"before"}' }),
    reason: /another name/,
  },
  bare: { make: (name) => put(name, { file: "" }), reason: /there is none/ },
  "data-only": {
    make: (name) => put(`${name}/data`, { "overlay.ext4": "precious" }),
    reason: /there is none/,
  },
  folder: { make: (name) => put(`${name}/machine.json`, { file: "" }), reason: /EISDIR/ },
  "Not a name!": { make: (name) => put(name, { "machine.json": "{}" }), reason: /no version/ },
  file: { make: (name) => writeFileSync(`${directory()}/${name}`, "text"), reason: /it is no directory/ },
  link: { make: (name) => symlinkSync("nowhere", `${directory()}/${name}`), reason: /it is no directory/ },
};

/** What the directory of all machines holds, to any depth. */
const files = () => (readdirSync(directory(), { recursive: true }) as string[]).sort();

describe("a stranger among the machines", () => {
  for (const [name, { make, reason }] of Object.entries(strangers)) {
    onQemu(`(${name}) is shown, kept, and deleted when one wants it`, async () => {
      mkdirSync(directory(), { recursive: true });
      make(name);
      expect(await machine("create", "mine")).toMatchObject({ exitCode: 0 });
      const before = files();
      const list = await machine("ls", "--json");
      expect(list).toMatchObject({ exitCode: 0, stderr: "" });
      const shown = JSON.parse(list.output) as { name: string; state: string; state_reason: string }[];
      expect(shown.map((each) => each.name).sort()).toEqual(["mine", name].sort());
      expect(shown.find((each) => each.name === name)).toMatchObject({
        state: "unknown",
        state_reason: expect.stringMatching(reason),
      });
      expect((await machine("ls")).output).toMatch(new RegExp(`^${name} +unknown`, "m"));
      for (const look of ["status", "inspect"]) {
        expect(await machine(look, name)).toMatchObject({ exitCode: 0, stderr: "" });
      }
      // None of these makes something of it, or takes something from it.
      for (const change of [
        ["create", name],
        ["update", name, "--cpus", "1"],
        ["clone", name, "copy"],
        ["clone", "mine", name],
        ["start", name],
        ["exec", name, "--", "true"],
      ]) {
        const { exitCode, stderr } = await machine(...change);
        expect({ change, exitCode, stderr }).not.toMatchObject({ exitCode: 0 });
        expect(stderr).toMatch(/^error: /);
      }
      // A command that wants to change something locks it first, which makes the lock.
      expect(files().filter((path) => !path.endsWith("/change.lock"))).toEqual(
        before.filter((path) => !path.endsWith("/change.lock")),
      );
      expect(await machine("delete", "-f", name)).toMatchObject({
        exitCode: 0,
        stderr: "",
        output: expect.stringContaining(`Deleted machine: ${name}\n`),
      });
      expect(readdirSync(directory())).toEqual(["mine"]);
      expect(await machine("delete", "-f", "mine")).toMatchObject({ exitCode: 0 });
    });
  }

  onQemu("of a later version keeps what this one does not know", async () => {
    expect(await machine("create", "mine")).toMatchObject({ exitCode: 0 });
    const path = `${directory()}/mine/machine.json`;
    const record = { ...JSON.parse(readFileSync(path, "utf8")), fromTheFuture: { deep: [1, 2, 3] } };
    writeFileSync(path, JSON.stringify(record));
    expect(await machine("update", "mine", "--cpus", "1")).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({
      cpus: 1,
      fromTheFuture: { deep: [1, 2, 3] },
    });
    expect(await machine("clone", "mine", "copy")).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(readFileSync(path.replace("mine", "copy"), "utf8"))).toMatchObject({
      fromTheFuture: { deep: [1, 2, 3] },
    });
    expect(await machine("delete", "-f", "mine", "copy")).toMatchObject({ exitCode: 0 });
  });

  onQemu("behind a link is left where it is when the link is deleted", async () => {
    mkdirSync(directory(), { recursive: true });
    expect(await machine("create", "mine")).toMatchObject({ exitCode: 0 });
    const elsewhere = `${home.path}/tmp/elsewhere`;
    await home.shell(`mv ${directory()}/mine ${elsewhere} && ln -s ${elsewhere} ${directory()}/mine`);
    // Somebody has moved it to a larger disk: it is a machine like any other.
    expect(JSON.parse((await machine("status", "mine", "--json")).output)).toMatchObject({
      state: "created",
    });
    expect(await machine("update", "mine", "--cpus", "1")).toMatchObject({ exitCode: 0 });
    expect(await machine("delete", "-f", "mine")).toMatchObject({ exitCode: 0 });
    expect(readdirSync(directory())).toEqual([]);
    expect(existsSync(`${elsewhere}/machine.json`)).toBe(true);
    await home.shell(`rm -r ${elsewhere}`);
  });
});
