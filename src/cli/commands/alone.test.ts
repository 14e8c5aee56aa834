import { expect, test } from "bun:test";
import { namesOfStep } from "../program/tree.ts";
import { loadedAlone, programOf } from "./alone.ts";
import { program } from "./index.ts";

test("a command that is loaded alone is the program's, under each of its names", async () => {
  for (const [name, load] of Object.entries(loadedAlone)) {
    const command = await load();
    expect(program.commands).toContain(command);
    expect(command.path.slice(0, -1)).toEqual(["machine"]);
    expect(namesOfStep(command)).toContain(name);
    for (const other of namesOfStep(command)) expect(await loadedAlone[other]?.()).toBe(command);
  }
});

test("only words that name one of them load it alone", async () => {
  for (const group of ["machine", "vm"]) {
    const alone = await programOf([group, "exec", "--help"]);
    expect(alone?.commands.map(({ path }) => path)).toEqual([["machine", "exec"]]);
  }
  for (const words of [
    [],
    ["machine"],
    ["exec"],
    ["images", "ls"],
    ["machine", "toString"],
    ["--json", "machine"],
  ])
    expect(await programOf(words)).toBeUndefined();
});
