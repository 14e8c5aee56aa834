/**
 * Builds an image from a folder with a Dockerfile, where there is no Docker: the engine runs in a machine, which ends
 * with this program. What the Dockerfile does stays in there.
 *
 *     bun build.ts ENGINE FOLDER IMAGE.tar
 *     smolvm machine run --image IMAGE.tar
 *
 * ENGINE is an image with Docker's engine and client, such as docker:28-dind.
 */
import { Machine } from "smolvm";

/** An engine, a build and its compiler have room; a machine takes only the memory that it uses. */
const MEMORY_MIB = 2048;

const [engine, folder, output] = process.argv.slice(2);
if (engine === undefined || folder === undefined || output === undefined)
  throw new Error("usage: bun build.ts ENGINE FOLDER IMAGE.tar");

await using machine = await Machine.create({
  image: engine,
  memoryMiB: MEMORY_MIB,
  // overlayfs refuses another overlayfs for its changes: the engine's data goes to the machine's second disk.
  entrypoint: ["dockerd"],
  command: ["--data-root", "/storage/docker"],
  // What FROM and RUN download. `{ allowHosts: [...] }` is a network with nothing else in it.
  network: process.env.BUILD_NETWORK !== "none",
  startTimeoutMs: 300_000,
});
await engineAnswers(machine);

await machine.copyIn(folder, "/storage/context");
const built = await machine.exec(["docker", "build", "--tag", "built", "/storage/context"]);
process.stderr.write(built.stdout + built.stderr);
if (built.ok) {
  await machine.exec(["docker", "save", "--output", "/storage/image.tar", "built"], { check: true });
  await machine.copyOut("/storage/image.tar", output);
}
process.exitCode = built.exitCode;

/** Waits for the line that the engine prints once it answers. */
async function engineAnswers(machine: Machine): Promise<void> {
  for await (const { text } of machine.logs({ follow: true }))
    if (text.includes("API listen on /var/run/docker.sock")) return;
  throw new Error("the engine has ended; `smolvm machine logs` would say why");
}
