import { cpSync } from "node:fs";
import { runLab } from "../test/lab/machine.ts";
import { linkOrCopy, withScratch } from "../test/lab/scratch.ts";
import { program } from "../test/support/program.ts";
import { Contender } from "./support/contender.ts";
import { compareCopies } from "./support/copying.ts";
import { upstream } from "./support/upstream.ts";

/**
 * Copies into machines and out of them: on qemu beside the bytes alone, and on krun in the lab beside upstream's. With 3
 * rounds about 15 minutes.
 *
 *     bun bench/copy.ts [rounds]
 */

const rounds = Number(process.argv[2] ?? 3);

const here = new Contender("smolvm", program, "qemu");
try {
  const tool = { name: "smolvm", command: [program], env: here.env, directories: true };
  await compareCopies("qemu: copies", [tool], { megabytes: 256, files: 20_000, rounds });
} finally {
  here.remove();
}
await lab();

async function lab(): Promise<void> {
  const checkout = new URL("..", import.meta.url).pathname;
  await withScratch(async (stage) => {
    linkOrCopy(program, `${stage}/smolvm`);
    linkOrCopy(process.execPath, `${stage}/bun`);
    for (const folder of ["bench/support", "test/support"])
      cpSync(`${checkout}/${folder}`, `${stage}/${folder}`, { recursive: true });
    Bun.spawnSync(["cp", "-al", await upstream(), `${stage}/upstream`]);
    const settings =
      "SMOLVM_TEST_ENGINE=krun SMOLVM_TEST_PROGRAM=/project/smolvm SMOLVM_TEST_BUILD=/project/build";
    const inside = `bench/support/copying-inside.ts ${Math.max(2, Math.floor(rounds / 2))}`;
    const { exitCode } = await runLab({
      directory: stage,
      command: ["bash", "-c", `${settings} exec ./bun ${inside}`],
      memoryMib: 6144,
      limitSeconds: 720,
      onStdout: (bytes) => process.stdout.write(bytes),
      onStderr: (bytes) => process.stderr.write(bytes),
    });
    process.exitCode = exitCode;
  });
}
