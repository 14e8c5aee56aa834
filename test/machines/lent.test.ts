import { afterAll, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { useMachines } from "../support/machines.ts";
import { onBoth } from "../support/register.ts";

/** What the host lends a machine, in short: also for engines on which there is no time for more. */

const home = useMachines();
const own = mkdtempSync("/tmp/sv-own-");
const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
  rmSync(own, { recursive: true, force: true });
});

/** A server that answers whatever comes with these bytes. */
async function answer(name: string, bytes: string): Promise<string> {
  const path = `${own}/${name}`;
  const server = createServer((socket) => {
    socket.on("error", () => {}).on("data", () => void socket.write(bytes, "latin1"));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}

onBoth(
  "a machine has secrets, an SSH agent that it cannot change, and a socket of the host, again after a restart",
  async () => {
    writeFileSync(`${own}/token`, "from a file\n");
    // An agent without keys: a message of five bytes, type 12, no identities.
    const agent = await answer("agent", "\0\0\0\x05\x0c\0\0\0\0");
    const socket = await answer("socket", "of the host\n");
    const secrets = ["--secret-env", "A=HOST_A", "--secret-file", `B=${own}/token`];
    const env = { HOST_A: "from a variable", SSH_AUTH_SOCK: agent };
    await home.create("box", ...secrets, "--ssh-agent", "--mount-socket", `${socket}:/run/host.sock`);
    for (const _ of ["started", "started again"]) {
      const started = await home.machine(["start", "box"], { env });
      expect([started.exitCode, started.stderr]).toEqual([0, ""]);
      const say = (request: string, path: string) =>
        `(printf '${request}'; sleep 1) | nc local:${path} | od -An -tx1 | tr -d ' \\n'`;
      const script = [
        'echo "$A, $B"',
        "echo x | nc local:/run/host.sock | head -n 1",
        say("\\000\\000\\000\\001\\013", "$SSH_AUTH_SOCK"),
        "echo",
        say("\\000\\000\\000\\001\\023", "$SSH_AUTH_SOCK"),
      ].join("; ");
      const { output } = await home.machine(["exec", "--name", "box", "--", "sh", "-c", script], { env });
      expect(output.split("\n")).toEqual([
        "from a variable, from a file",
        "of the host",
        "000000050c00000000",
        "0000000105",
      ]);
      await home.ok("stop", "box");
    }
    await home.ok("delete", "-f", "box");
  },
  120,
);
