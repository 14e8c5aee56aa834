import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { assetPath } from "../../src/assets/index.ts";
import { findLayers } from "../../src/confine/layers.ts";

/** What is kept about a host's layers is kept for that host, and only when it says something about it. */

const directory = mkdtempSync(`${tmpdir()}/smolvm-kept-`);
afterAll(() => rmSync(directory, { recursive: true }));
const launcher = await assetPath("launcher", `${directory}/assets`);

/**
 * Runs a script in a user namespace of its own, whose limits of namespaces are nobody else's. Its `ask` prints which
 * namespaces a start there would have.
 *
 * @returns what it printed
 */
function inside(cacheDir: string, script: string): string {
  const ask = `
    const { findLayers } = await import("${import.meta.dir}/../../src/confine/layers.ts");
    console.log((await findLayers(${JSON.stringify({ launcher, cacheDir })})).namespaces);`;
  const shell = ["sh", "-euc", `program=$1; ask() { "$0" -e "$program"; }; ${script}`, process.execPath, ask];
  const { stdout, stderr } = Bun.spawnSync(["unshare", "--user", "--map-root-user", ...shell]);
  return stdout.toString() + stderr.toString();
}

test("a shortage of namespaces counts for the start that meets it, and for no later one", () => {
  const limit = "/proc/sys/user/max_mnt_namespaces";
  const script = `echo 0 > ${limit}; ask; echo 1000 > ${limit}; ask`;
  expect(inside(`${directory}/shortage`, script)).toBe("none\nroot\n");
});

test("what was found out in a container is not believed outside of it", async () => {
  const cacheDir = `${directory}/container`;
  const limit = "/proc/sys/user/max_user_namespaces";
  // All else that decides is alike.
  expect(inside(cacheDir, `echo ${readFileSync(limit, "utf8").trim()} > ${limit}; ask`)).toBe("root\n");
  const path = `${cacheDir}/confine.json`;
  const kept = JSON.parse(readFileSync(path, "utf8"));
  // As a container leaves it that may not have namespaces.
  writeFileSync(path, JSON.stringify({ ...kept, layers: { ...kept.layers, namespaces: "none" } }));
  expect(await findLayers({ launcher, cacheDir })).toMatchObject({ namespaces: "root" });
});
