/** Roots: named places for workloads in the guest (docs/protocol.md, "Roots"). */
import { printable } from "./codec.ts";
import { FieldReader, type FieldWriter } from "./fields.ts";
import { request, Verb } from "./link.ts";
import { encodeStep, type Step } from "./steps.ts";

/** A root to make. */
export interface RootRequest {
  readonly name: string;
  readonly hostname: string;
  readonly steps: readonly Step[];
  /** `FILE=VALUE` for the root's cgroup. */
  readonly cgroup?: readonly string[] | undefined;
  /** The cgroup below the root's that its first process starts in, and daemons move to. Absent: the root's. */
  readonly home?: string | undefined;
  /** Bytes of the guest's memory that its processes may not have. */
  readonly reservedBytes?: number | undefined;
}

/** Something about a step that went on all the same. */
export interface Note {
  /** The step's number, from 0. */
  readonly step: number;
  readonly text: string;
}

function withSteps(fields: FieldWriter, steps: readonly Step[]): FieldWriter {
  for (const step of steps) fields.bytes(3, encodeStep(step));
  return fields;
}

export function encodeRoot({ name, hostname, steps, cgroup, reservedBytes, home }: RootRequest): Uint8Array {
  const fields = request(Verb.root).text(1, name).text(2, hostname);
  return withSteps(fields, steps).texts(4, cgroup).int(5, reservedBytes).text(6, home).finish();
}

export function encodeSteps(root: string | undefined, steps: readonly Step[]): Uint8Array {
  return withSteps(request(Verb.steps).text(1, root), steps).finish();
}

export const encodeDrop = (name: string): Uint8Array => request(Verb.drop).text(1, name).finish();

const MAX_NOTE_BYTES = 4096;

export function decodeNotes(payload: Uint8Array): Note[] {
  const fields = new FieldReader(payload, "answer to steps");
  return fields.all(1).map((value) => {
    const [head, text] = fields.headAndText(1, value, 2, MAX_NOTE_BYTES);
    return { step: head.getUint16(0), text: printable(text) };
  });
}
