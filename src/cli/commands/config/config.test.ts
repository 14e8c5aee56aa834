import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smolvm } from "../../cli.fixture.ts";

describe("SMOLVM_CONFIG that names a file that is not there", () => {
  const env = { SMOLVM_CONFIG: "/nowhere/config.toml" };

  test.each([
    [["images", "rm", "alpine"]],
    [["images", "inspect", "alpine"]],
    [["images", "pull", "localhost:1/a"]],
    [["machine", "images"]],
  ])("%j: an error", (argv) => {
    const { exitCode, stdout, stderr } = smolvm([...argv, "--json"], env);
    expect({ exitCode, stdout, code: JSON.parse(stderr).error.code }).toEqual({
      exitCode: 1,
      stdout: "",
      code: "config.missing_file",
    });
  });

  test("config says that it is not present", () => {
    expect(smolvm(["config", "show"], env)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(smolvm(["config", "show"], env).stdout).toContain(
      "/nowhere/config.toml (not present, defaults apply)",
    );
    expect(smolvm(["config", "registries", "show"], env).stdout).toStartWith(
      "No registries configured in /nowhere/config.toml (not present)\n",
    );
    expect(smolvm(["config", "registries", "path"], env)).toEqual({
      exitCode: 0,
      stdout: "/nowhere/config.toml\n",
      stderr: "",
    });
  });
});

test("config registries edit without a terminal wants an editor to be named, and creates nothing", () => {
  const path = join(tmpdir(), `smolvm-no-editor-${process.pid}.toml`);
  const { exitCode, stdout, stderr } = smolvm(["config", "registries", "edit"], { SMOLVM_CONFIG: path });
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toBe(
    "error: there is no terminal to edit at, and no other editor is named\n" +
      `hint: set VISUAL or EDITOR, or change ${path} yourself and check it with \`smolvm config show\`\n`,
  );
  expect(existsSync(path)).toBe(false);
});
