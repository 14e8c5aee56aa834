import { existsSync, readFileSync } from "node:fs";
import { root, run, say } from "../../build/host.ts";
import { part } from "../../build/parts.ts";

/** The last commit whose guests ran Bun: what a start took then is what it is compared with. */
const COMMIT = "fa89a9c809d560a103bb2d1a50715374669eec2a";

/**
 * The program of that commit, built once from its own sources by its own recipes; what those have in common with ours
 * comes out of the build's cache.
 *
 * @returns its path
 * @throws Error when this clone does not have the commit
 */
export async function programBefore(): Promise<string> {
  const directory = await part("bench-before", { recipe: import.meta.path, pins: COMMIT }, async (out) => {
    await requireCommit();
    say(`bench: building the program of ${COMMIT.slice(0, 7)}, to compare with`);
    const source = `${out}/source`;
    const archive = `${out}/source.tar`;
    await run([
      "git",
      "-C",
      root,
      "archive",
      "--format=tar",
      `--output=${archive}`,
      `--prefix=source/`,
      COMMIT,
    ]);
    await run(["tar", "-xf", archive, "-C", out]);
    await installPackages(source);
    await run([process.execPath, "build.ts", "full"], { cwd: source });
    await run(["cp", `${source}/dist/smolvm`, `${out}/smolvm`]);
    await run(["rm", "-r", source, archive]);
  });
  return `${directory}/smolvm`;
}

async function requireCommit(): Promise<void> {
  try {
    await run(["git", "-C", root, "cat-file", "-e", `${COMMIT}^{commit}`]);
  } catch {
    throw new Error(
      `this clone does not have commit ${COMMIT}, which the benchmark builds to compare with: git fetch --unshallow`,
    );
  }
}

/** Those of this checkout, where they are the same. */
async function installPackages(source: string): Promise<void> {
  const same = readFileSync(`${source}/bun.lock`).equals(readFileSync(`${root}/bun.lock`));
  if (same && existsSync(`${root}/node_modules`)) {
    await run(["ln", "-s", `${root}/node_modules`, `${source}/node_modules`]);
    return;
  }
  await run([process.execPath, "install", "--frozen-lockfile"], { cwd: source });
}
