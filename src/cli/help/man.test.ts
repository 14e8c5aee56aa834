import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { program } from "../commands/index.ts";
import { manPages } from "./man.ts";

/** mandoc is the judge of form; what the pages say is the same table as `--help`. */

const pages = await manPages(program, "2025-01-01");
const pageOf = (name: string) => pages.find((page) => page.name === name)?.text ?? "";

test("there is a page for the program, each group and each command, and mandoc warns about none", () => {
  expect(pages).toHaveLength(1 + program.groups.length + program.commands.length);
  const directory = mkdtempSync(`${tmpdir()}/smolvm-man-`);
  try {
    for (const { name, text } of pages) writeFileSync(`${directory}/${name}`, text);
    const files = pages.map(({ name }) => name);
    const lint = Bun.spawnSync(["mandoc", "-T", "lint", "-W", "warning", ...files], { cwd: directory });
    expect({ output: lint.stdout.toString(), code: lint.exitCode }).toEqual({ output: "", code: 0 });
    const shown = Bun.spawnSync(["mandoc", "-T", "ascii", "smolvm-machine-run.1"], { cwd: directory });
    // Bold is a letter, a backspace, and the letter again.
    const text = shown.stdout.toString().replace(/[^\n](?:\b|\B)[\b]/g, "");
    expect(text).toContain("smolvm machine run [OPTIONS] [--] [COMMAND...]");
    expect(text).toContain("-e, --env <NAME[=VALUE]>");
    // Copied from the page into a shell, it has to be what was written.
    expect(text).not.toMatch(/[‐–—“”]/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("every option of a command is on its page", () => {
  for (const { path, options } of program.commands) {
    const page = pageOf(`smolvm-${path.join("-")}.1`);
    for (const { long } of Object.values(options))
      expect(page).toContain(`\\-\\-${long.replaceAll("-", "\\-")}`);
  }
});

test("what roff would take for its own is text", async () => {
  const command = { ...program.commands[0], text: "a\\b\n.so /etc/passwd\n'quoted'\n-n" };
  const odd = { ...program, commands: [command] } as typeof program;
  const page = (await manPages(odd, "2025-01-01")).at(-1)?.text;
  expect(page).toContain("a\\eb\n\\&.so /etc/passwd\n\\&'quoted'\n\\-n\n");
});
