import { program } from "../test/support/program.ts";
import { Contender } from "./support/contender.ts";
import { compareCopies } from "./support/copying.ts";
import { runInLab } from "./support/in-lab.ts";

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
await runInLab(["copying-inside.ts", String(Math.max(2, Math.floor(rounds / 2)))]);
