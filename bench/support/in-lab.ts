import { cpSync } from "node:fs";
import { runLab } from "../../test/lab/machine.ts";
import { linkOrCopy, withScratch } from "../../test/lab/scratch.ts";
import { program } from "../../test/support/program.ts";
import { upstream } from "./upstream.ts";

/**
 * Runs a part of a benchmark in the lab, with smolvm, upstream's program (upstream-inside.ts) and the runtime beside it.
 * What it prints goes to our own streams, and its exit code becomes ours.
 *
 * @param script a file of bench/support, and its arguments
 * @param prepare puts more into the folder that is `/project` there
 */
export async function runInLab(
  script: readonly string[],
  prepare?: (stage: string) => Promise<void>,
): Promise<void> {
  const checkout = new URL("../..", import.meta.url).pathname;
  await withScratch(async (stage) => {
    linkOrCopy(program, `${stage}/smolvm`);
    linkOrCopy(process.execPath, `${stage}/bun`);
    for (const folder of ["bench/support", "test/support"])
      cpSync(`${checkout}/${folder}`, `${stage}/${folder}`, { recursive: true });
    await prepare?.(stage);
    Bun.spawnSync(["cp", "-al", await upstream(), `${stage}/upstream`]);
    const settings =
      "SMOLVM_TEST_ENGINE=krun SMOLVM_TEST_PROGRAM=/project/smolvm SMOLVM_TEST_BUILD=/project/build";
    const { exitCode } = await runLab({
      directory: stage,
      command: ["bash", "-c", `${settings} exec ./bun bench/support/${script.join(" ")}`],
      memoryMib: 6144,
      limitSeconds: 720,
      onStdout: (bytes) => process.stdout.write(bytes),
      onStderr: (bytes) => process.stderr.write(bytes),
    });
    process.exitCode = exitCode;
  });
}
