/** A program with machines, that does not end by itself: `embedder.ts POLICY NAME…`. A line for each machine that runs. */
import { Smolvm } from "../../sdk/src/index.ts";

const [policy, ...names] = process.argv.slice(2);
const client = new Smolvm();

async function begin(name: string): Promise<void> {
  const machine = await client.create({
    name,
    cpus: 1,
    memoryMiB: 256,
    startTimeoutMs: 300_000,
    start: policy !== "unstarted",
    detached: policy === "detached",
    onDispose: policy === "stop" ? "stop" : "delete",
  });
  console.log(`running ${name}`);
  // Something that is pending when somebody dies.
  const ended = await machine.exec(["sleep", "100000"]).then(
    ({ exitCode }) => `exit ${exitCode}`,
    (error: { code?: string }) => error.code ?? String(error),
  );
  console.log(`pending ${ended}`);
}

void Promise.all(names.map(begin));
// A machine that does not run has nothing pending.
setInterval(() => {}, 2 ** 30);
