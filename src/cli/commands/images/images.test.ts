import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { smolvm } from "../../cli.fixture.ts";

describe("images, by the whole program", () => {
  test.each([
    ["./x", "a path"],
    ["/x:1", "a path"],
    ["..", "a path"],
    ["app.tar", "a path"],
    ["-", "stdin"],
  ])("images pull %s is refused before anything is pulled", (name, what) => {
    const { exitCode, stdout, stderr } = smolvm(["images", "pull", "localhost:1/a", name, "--json"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(JSON.parse(stderr).error).toEqual({
      code: "registry.bad_reference",
      message: `"${name}" is ${what}, and only names of images in registries can be pulled`,
      hint: "`smolvm machine run --image` takes paths, and runs what is there without a pull",
    });
  });

  test("images pull of an id or with a blank says what was given", () => {
    expect(smolvm(["images", "pull", "sha256:f2ef8"]).stderr).toStartWith(
      'error: "sha256:f2ef8" is not a name of an image: it is the id of an image, not a name\nhint: `smolvm images ls`',
    );
    expect(smolvm(["images", "pull", "alpine "]).stderr).toStartWith('error: "alpine " is not a name');
  });

  test("machine images counts layers that no image has", () => {
    const directory = mkdtempSync(join(tmpdir(), "smolvm-used-"));
    try {
      mkdirSync(`${directory}/cache/images/layers`, { recursive: true });
      writeFileSync(
        `${directory}/cache/images/layers/${"a".repeat(64)}.data`,
        new Uint8Array(1 << 20).fill(1),
      );
      const { stdout } = smolvm(["machine", "images", "--json"], { SMOLVM_DATA_DIR: directory });
      const { used_bytes, image_count } = JSON.parse(stdout).storage;
      expect(image_count).toBe(0);
      expect(used_bytes).toBeGreaterThanOrEqual(1 << 20);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
