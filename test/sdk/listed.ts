/** A program with a machine that has a list: `listed.ts NETWORK SCRIPT`, the first as JSON. Says what the script says in it. */
import { Smolvm } from "../../sdk/src/index.ts";

const [network = "", script = ""] = process.argv.slice(2);

async function main(): Promise<void> {
  await using client = new Smolvm();
  const limits = { cpus: 1, memoryMiB: 256, startTimeoutMs: 300_000 };
  const machine = await client.create({ ...limits, network: JSON.parse(network) });
  console.log((await machine.run(script)).output);
}

void main();
