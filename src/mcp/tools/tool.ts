/** What a tool is, and the parts that several share. */
import {
  array,
  description,
  type GenericSchema,
  type InferOutput,
  maxLength,
  maxValue,
  minLength,
  minValue,
  number,
  pipe,
  record,
  regex,
  string,
  union,
} from "valibot";
import type { Machine } from "../../machine/index.ts";
import { guestPath, words } from "../../serve/schema/fields.ts";
import { described } from "../../values/described.ts";
import { DEFAULT_MACHINE, type Machines } from "../machines.ts";

/** Where a tool works, for one call. */
export interface Call {
  readonly machines: Machines;
  /** Aborted when nobody waits for the result any more. */
  readonly signal: AbortSignal;
  /** Milliseconds that are left of `MAX_WAIT_S`: what waits waits no longer. */
  readonly leftMs: () => number;
}

export interface Outcome {
  /** For models whose client shows them text. */
  readonly text: string;
  readonly structured: Readonly<Record<string, unknown>>;
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly schema: GenericSchema;
  readonly annotations: {
    readonly title: string;
    readonly readOnlyHint?: boolean;
    readonly destructiveHint?: boolean;
    readonly idempotentHint?: boolean;
  };
  /** @throws SmolError, Refused */
  readonly run: (args: never, call: Call) => Promise<Outcome>;
}

/** A tool whose arguments have the type of its schema. */
export function tool<const S extends GenericSchema>(
  made: Omit<Tool, "run" | "schema"> & {
    readonly schema: S;
    readonly run: (args: InferOutput<S>, call: Call) => Promise<Outcome>;
  },
): Tool {
  return made;
}

/**
 * Seconds of a call, the start of its machine included: some clients give a call up after a minute. What takes longer goes
 * on, and is asked for again.
 */
export const MAX_WAIT_S = 50;

export const field = described;

export const waitSeconds = pipe(number(), minValue(0), maxValue(MAX_WAIT_S));

const SHORT_NAME = /^[a-z0-9](?:[a-z0-9]|-(?!-|$))*$/;

/** Of a machine of this server: the host puts a prefix before it. */
export const shortName = pipe(
  string(),
  maxLength(40),
  regex(SHORT_NAME, "must be lower-case letters, digits and single dashes"),
);

export const machineField = field(shortName, "Default: `default`, made on first use.");

/** A machine that a tool works in. */
interface Reached {
  readonly machine: Machine;
  /** Nothing that was in an earlier machine of its name is there. */
  readonly isNew: boolean;
}

/** Does something in the machine that a call names, and leaves it. @throws SmolError as `Machines.reach` */
export async function inMachine<T>(
  { machines, signal, leftMs }: Call,
  named: string | undefined,
  work: (reached: Reached) => Promise<T>,
): Promise<T> {
  const reached = await machines.reach(nameOf(named), leftMs(), signal);
  // A machine that answers nothing any more holds up nobody.
  const close = () => reached.machine.close();
  signal.addEventListener("abort", close, { once: true });
  try {
    return await work(reached);
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
}

export const nameOf = (given: string | undefined): string => given ?? DEFAULT_MACHINE;

/** A path of the guest that is what it seems to be. */
export const path = pipe(
  guestPath,
  regex(/^(?!.*(?:^|\/)\.\.?(?:\/|$))/s, "must not contain . or .. as a part"),
);

/** Text for a shell, or a program with its arguments. */
export const commandField = pipe(
  union([pipe(string(), minLength(1), maxLength(65_536)), pipe(words, minLength(1))]),
  description("For sh -c; or an array: program and arguments."),
);

export const argvOf = (command: string | readonly string[]): readonly string[] =>
  typeof command === "string" ? ["/bin/sh", "-c", command] : command;

export const envField = field(
  record(pipe(string(), regex(/^[A-Za-z_][A-Za-z0-9_]{0,255}$/)), pipe(string(), maxLength(65_536))),
  "Variables.",
);

export const variablesOf = (
  env: Readonly<Record<string, string>> | undefined,
): readonly string[] | undefined => env && Object.entries(env).map(([name, value]) => `${name}=${value}`);

export const hosts = pipe(array(pipe(string(), maxLength(300))), maxLength(100));
