import { run } from "../build/host.ts";
import { runInLab } from "./support/in-lab.ts";

/**
 * Requests through a published port of a machine on krun in the lab, smolvm's and upstream's (its virtio-net). With 3
 * rounds about 5 minutes.
 *
 *     bun bench/net-lab.ts [rounds]
 */

const rounds = Number(process.argv[2] ?? 3);
await runInLab(["net-inside.ts", String(rounds)], async (stage) => {
  await run(["cc", "-O2", "-static", "-o", `${stage}/net-peer`, `${import.meta.dir}/support/net-peer.c`]);
});
