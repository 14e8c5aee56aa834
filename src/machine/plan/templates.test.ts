import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolvePaths } from "../../config/index.ts";
import { planTemplates } from "./templates.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-plan-`);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** What a start on an engine does with this variable and these settings. */
async function planned(engine: "qemu" | "krun", variable?: string, settings?: string) {
  const environment = { SMOLVM_DATA_DIR: directory, SMOLVM_TEMPLATES: variable };
  const paths = resolvePaths(environment);
  rmSync(paths.config, { recursive: true, force: true });
  mkdirSync(paths.config, { recursive: true });
  if (settings !== undefined) writeFileSync(`${paths.config}/config.toml`, settings);
  return await planTemplates({ paths, environment, note: () => {} }, engine);
}

test("the variable wins over the settings, and those over the default", async () => {
  expect(await planned("qemu")).toBe("auto");
  expect(await planned("qemu", "")).toBe("auto");
  expect(await planned("qemu", undefined, '[templates]\nmode = "off"\n')).toBe("off");
  expect(await planned("qemu", "require", '[templates]\nmode = "off"\n')).toBe("require");
});

test("what is neither is refused", async () => {
  await expect(planned("qemu", "on")).rejects.toMatchObject({ code: "machine.bad_template_mode" });
  const bad = planned("qemu", undefined, "[templates]\nmode = true\n");
  await expect(bad).rejects.toMatchObject({ code: "config.bad_value" });
  const unknown = planned("qemu", undefined, "[templates]\nsize = 1\n");
  await expect(unknown).rejects.toMatchObject({ code: "config.unknown_key" });
});

test("krun has none, whatever is said", async () => {
  for (const variable of [undefined, "require", "nonsense"])
    expect(await planned("krun", variable)).toBeUndefined();
});
