/**
 * A web service of somebody else's in a machine, behind a port of this host's loopback: it sees no file and no network of
 * the host, and ends with this program.
 *
 *     bun service.ts IMAGE PORT [COMMAND...]
 *
 * PORT is where the service listens in the machine. Prints the address once the service answers, then what it logs, until
 * Ctrl-C.
 */
import { Machine } from "smolvm";

const [image, port, ...command] = process.argv.slice(2);
const guestPort = Number(port);
if (image === undefined || !Number.isInteger(guestPort))
  throw new Error("usage: bun service.ts IMAGE PORT [COMMAND...]");

await using machine = await Machine.create({
  image,
  // No address to reach: whoever talks to the service comes in by the published port. The host chooses a free one.
  ports: [{ guest: guestPort }],
  ...(command.length > 0 ? { command } : {}),
});
await machine.waitForPort(guestPort, { timeoutMs: 60_000 });
console.log(machine.url(guestPort));

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.abort());
try {
  for await (const { text } of machine.logs({ follow: true, signal: interrupted.signal }))
    process.stdout.write(text);
} catch (error) {
  if (!interrupted.signal.aborted) throw error;
}
