import { statSync } from "node:fs";
import type { Context } from "../../context.ts";
import { errnoOf, SmolError } from "../../errors.ts";
import type { MachineSpec } from "../model/index.ts";
import type { Lent } from "../plan/index.ts";

/**
 * What a machine that is about to start gets of the one who starts it. Nothing of it is written anywhere: the machine's
 * process keeps it in memory, for the starts that it makes itself.
 *
 * @throws SmolError `secret.*`, `ssh_agent.none`, `ssh_agent.unreachable`
 */
export async function lend(
  { environment }: Context,
  spec: Pick<MachineSpec, "name" | "ephemeral" | "secrets" | "sshAgent">,
): Promise<Lent> {
  // Loaded by those who need it: most starts lend nothing.
  const secrets =
    spec.secrets.length === 0
      ? []
      : await (await import("./secrets.ts")).resolveSecrets(spec.secrets, environment);
  return { secrets, sshAgent: spec.sshAgent ? await agentOf(environment, spec) : null };
}

/** The socket of the SSH agent, which somebody answers at. */
async function agentOf(
  { SSH_AUTH_SOCK: path }: Context["environment"],
  { name, ephemeral }: Pick<MachineSpec, "name" | "ephemeral">,
): Promise<string> {
  const without = ephemeral
    ? "leave --ssh-agent out"
    : `take it away: smolvm machine update ${name} --ssh-agent=off`;
  const hint = `start one and add a key, eval "$(ssh-agent)" && ssh-add, or ${without}`;
  if (path === undefined || path === "")
    throw new SmolError("ssh_agent.none", "there is no SSH agent to lend: SSH_AUTH_SOCK is not set", {
      hint,
    });
  const why = await whyUnreachable(path);
  if (why === undefined) return path;
  throw new SmolError(
    "ssh_agent.unreachable",
    `the SSH agent that SSH_AUTH_SOCK names does not answer: ${path}: ${why}`,
    { hint },
  );
}

async function whyUnreachable(path: string): Promise<string | undefined> {
  if (!path.startsWith("/")) return "it is no absolute path";
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) return "there is no socket";
  const { connect } = await import("node:net");
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({ path });
  socket.once("connect", () => resolve(undefined));
  socket.once("error", (error) => resolve(errnoOf(error) ?? "it cannot be connected to"));
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
