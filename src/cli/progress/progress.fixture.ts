import fc from "fast-check";
import type { PullProgress } from "../../image/index.ts";

/** For tests: digests and events of a pull. */
export const digestOf = (index: number) => `sha256:${(index * 7919 + 0xa11ce).toString(16).padEnd(64, "5")}`;

const MIB = 2 ** 20;

export function resolved(
  sizes: readonly number[],
  present: readonly number[] = [],
  reference = "alpine:3.20",
): PullProgress {
  return {
    kind: "resolved",
    reference,
    digest: digestOf(1000),
    platform: "linux/amd64",
    layers: sizes.map((size, index) => ({
      digest: digestOf(index),
      size: size * MIB,
      present: present.includes(index),
    })),
  };
}

/** `mib` MiB of a layer of `size` MiB are there. */
export function layer(index: number, mib: number, size: number): PullProgress {
  return { kind: "layer", digest: digestOf(index), bytes: mib * MIB, size: size * MIB };
}

export const resolving = (reference = "alpine:3.20"): PullProgress => ({ kind: "resolving", reference });
export const stored = (index: number): PullProgress => ({ kind: "stored", digest: digestOf(index) });
export const waiting = (index: number): PullProgress => ({ kind: "waiting", digest: digestOf(index) });
export const merging: PullProgress = { kind: "merging" };

export function retry(reason: string, delayMs: number): PullProgress {
  return { kind: "retry", what: "layer", attempt: 2, delayMs, reason };
}

export function done(reference = "alpine:3.20", changed = false): PullProgress {
  return { kind: "done", reference, digest: digestOf(1000), id: digestOf(1001), changed };
}

/** Something to write to that keeps what was written, at once. */
export class Paper {
  text = "";
  readonly send = async (bytes: Uint8Array) => {
    this.text += Buffer.from(bytes).toString();
  };
}

const anyDigest = fc.oneof(
  { weight: 5, arbitrary: fc.nat(130).map((n) => `sha256:${n.toString(16).padStart(64, "0")}`) },
  fc.string({ unit: "binary" }),
);
export const anySize = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e308),
  fc.double(),
);
export const anyText = fc.string({ unit: "binary" });
/** Also what no registry and no client should ever come up with. */
export const anyEvent: fc.Arbitrary<PullProgress> = fc.oneof(
  fc.record({ kind: fc.constant("resolving" as const), reference: anyText }),
  fc.record({
    kind: fc.constant("resolved" as const),
    reference: anyText,
    digest: anyDigest,
    platform: anyText,
    layers: fc.array(fc.record({ digest: anyDigest, size: anySize, present: fc.boolean() }), {
      maxLength: 130,
    }),
  }),
  fc.record({ kind: fc.constant("layer" as const), digest: anyDigest, bytes: anySize, size: anySize }),
  fc.record({ kind: fc.constant("waiting" as const), digest: anyDigest }),
  fc.record({ kind: fc.constant("stored" as const), digest: anyDigest }),
  fc.record({
    kind: fc.constant("retry" as const),
    what: anyText,
    attempt: fc.nat(),
    delayMs: anySize,
    reason: anyText,
  }),
  fc.constant(merging),
  fc.record({
    kind: fc.constant("done" as const),
    reference: anyText,
    digest: anyDigest,
    id: anyDigest,
    changed: fc.boolean(),
  }),
);
