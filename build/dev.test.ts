import { expect, test } from "bun:test";
import { root } from "./host.ts";

/** `./dev`, in this checkout and with its build, which is up to date when `./dev test` runs this. */

function milliseconds(command: string[]): number {
  const start = performance.now();
  const { exitCode } = Bun.spawnSync(command, { stdout: "ignore", stderr: "inherit" });
  expect(exitCode).toBe(0);
  return performance.now() - start;
}

test("running an up-to-date smolvm through ./dev costs less than 50 ms", () => {
  const best = (command: string[]) => Math.min(...Array.from({ length: 10 }, () => milliseconds(command)));
  const through = best([`${root}/dev`, "smolvm", "--version"]);
  expect(through - best([`${root}/dist/smolvm`, "--version"])).toBeLessThan(50);
}, 120_000);

test("stdout belongs to smolvm, whatever the directory it is called from", () => {
  const version = Bun.spawnSync([`${root}/dist/smolvm`, "--version"]).stdout.toString();
  const { stdout } = Bun.spawnSync([`${root}/dev`, "smolvm", "--version"], { cwd: "/" });
  expect(stdout.toString()).toBe(version);
}, 120_000);

test("an unknown command is a usage error that shows the commands", () => {
  const { exitCode, stdout, stderr } = Bun.spawnSync([`${root}/dev`, "nonsense"]);
  expect([exitCode, stdout.toString()]).toEqual([2, ""]);
  expect(stderr.toString()).toContain("./dev test");
});
