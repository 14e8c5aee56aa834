import type { GuestExec } from "../../guest/index.ts";
import { checkExecRequest, type ExecRequest, ProtocolError, StreamFailure } from "../../protocol/index.ts";
import { processIn, requireArguments, type StartOrder, surroundingsOf, workloadOf } from "../plan/index.ts";
import { MAIN_ROOT, withDefaultLimits } from "../root/index.ts";

/**
 * A client's process: the machine's surroundings, and over them what the client asks for.
 *
 * @throws StreamFailure `exec.bad_request`; SmolError `run.bad_workdir`
 */
export function clientExec(order: StartOrder, params: unknown): GuestExec {
  const { argv, env, cwd, user, tty, stdin, rlimits = [] } = checkedExec(params);
  if (argv.length === 0) throw badRequest("exec: argv");
  const process = processIn(surroundingsOf(order, "clients"), order.image, argv, {
    env,
    workdir: cwd,
    user,
    stdin,
    tty: tty !== undefined,
  });
  return { ...process, root: MAIN_ROOT, tty, rlimits: withDefaultLimits(rlimits) };
}

/**
 * The command of a throw-away machine: the first process of the root's PID namespace, as in a container, unless what
 * init commands have left running has one already.
 *
 * @param hasFirst there is one already, because init commands needed it
 * @throws StreamFailure `exec.bad_request`; SmolError `run.no_command`, `exec.not_found`, `run.bad_workdir`
 */
export function ownersExec(order: StartOrder, params: unknown, hasFirst: boolean): GuestExec {
  const { tty, stdin } = checkedExec(params);
  const argv = requireArguments(order.record, stdin || tty !== undefined, order.image);
  return (hasFirst ? ownExec : firstExec)(order, argv, { tty, stdin });
}

type OwnOrder = Pick<StartOrder, "record" | "image" | "lent">;

/** The machine's own command as the first process: what an init system needs. */
export function firstExec(
  order: OwnOrder,
  argv: readonly string[],
  session: Pick<ExecRequest, "tty" | "stdin">,
): GuestExec {
  const exec = ownExec(order, argv, session);
  return { ...exec, first: order.record.reaper ? "reaper" : "itself" };
}

/** The machine's own command, beside the process that keeps the namespace. */
export function ownExec(
  order: OwnOrder,
  argv: readonly string[],
  { tty, stdin }: Pick<ExecRequest, "tty" | "stdin">,
): GuestExec {
  const process = workloadOf(surroundingsOf(order), order.image, argv, { tty: tty !== undefined, stdin });
  return { ...process, root: MAIN_ROOT, tty, rlimits: withDefaultLimits(order.record.rlimits) };
}

/** @throws StreamFailure `exec.bad_request` */
export function checkedExec(params: unknown): ExecRequest {
  try {
    return checkExecRequest(params);
  } catch (error) {
    if (error instanceof ProtocolError) throw badRequest(error.message);
    throw error;
  }
}

const badRequest = (message: string) => new StreamFailure({ code: "exec.bad_request", message });
