import { cpSync } from "node:fs";
import { runLab } from "../test/lab/machine.ts";
import { linkOrCopy, withScratch } from "../test/lab/scratch.ts";
import { program } from "../test/support/program.ts";
import { upstream } from "./support/upstream.ts";

/** krun, in the lab: start and exec against upstream's own command line; memory of a machine. */

const checkout = new URL("..", import.meta.url).pathname;
await withScratch(async (stage) => {
  linkOrCopy(program, `${stage}/smolvm`);
  linkOrCopy(process.execPath, `${stage}/bun`);
  for (const folder of ["bench/support", "test/support"])
    cpSync(`${checkout}/${folder}`, `${stage}/${folder}`, { recursive: true });
  Bun.spawnSync(["cp", "-al", await upstream(), `${stage}/upstream`]);
  const settings =
    "SMOLVM_TEST_ENGINE=krun SMOLVM_TEST_PROGRAM=/project/smolvm SMOLVM_TEST_BUILD=/project/build";
  const { exitCode } = await runLab({
    directory: stage,
    command: ["bash", "-c", `${settings} exec ./bun bench/support/krun-inside.ts`],
    memoryMib: 6144,
    limitSeconds: 720,
    onStdout: (bytes) => process.stdout.write(bytes),
    onStderr: (bytes) => process.stderr.write(bytes),
  });
  process.exitCode = exitCode;
});
