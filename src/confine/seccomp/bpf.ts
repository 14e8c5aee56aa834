/**
 * Assembles a seccomp filter (seccomp(2), classic BPF of linux/filter.h) from a list of system calls.
 * The most frequent calls come first; the kernel remembers those that pass whatever their arguments (Linux 5.11).
 */

/** What happens with a call: SECCOMP_RET_*, with an errno where there is one. */
export const Action = {
  allow: 0x7fff0000,
  killProcess: 0x80000000,
  /** The warden is told. */
  notify: 0x7fc00000,
  errno: (errno: number): number => 0x00050000 | errno,
} as const;

/** Half of an argument, after the mask, is one of the values. */
export interface Check {
  /** 0 to 5. */
  readonly argument: number;
  /** Default: the low 32 bits, which are all that the kernel takes for an int. */
  readonly half?: "low" | "high" | undefined;
  readonly mask?: number | undefined;
  /** `ownProcess`: the id of the process for which the filter is installed, as it is in its own namespace. */
  readonly values: readonly number[] | "ownProcess";
}

/** A pointer to nothing: one to where only the low half of the address is zero can be had. */
export const noPointer = (argument: number): Check[] => [
  { argument, values: [0] },
  { argument, half: "high", values: [0] },
];

export interface Rule {
  readonly number: number;
  /** All of them. Without one the call passes. */
  readonly checks?: readonly Check[] | undefined;
  /** What does not pass its checks is the next rule's to judge, which is of the same call. */
  readonly orNext?: boolean | undefined;
  /** For a call that does not pass its checks, or that has `refused`. Default: as for one that is in no rule. */
  readonly otherwise?: number | undefined;
  /** Never passes. */
  readonly refused?: boolean | undefined;
}

export interface Filter {
  /** AUDIT_ARCH_*. */
  readonly architecture: number;
  readonly rules: readonly Rule[];
  /** For calls in no rule. */
  readonly otherwise: number;
  /** Calls from this number on did not exist when the list was made: ENOSYS lets a program do without. */
  readonly unknownFrom: number;
}

/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;
const argumentOffset = ({ argument, half }: Check): number => 16 + 8 * argument + (half === "high" ? 4 : 0);

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
/** The launcher writes the process id into instructions of this kind, which are for nothing else (launcher/seccomp.c). */
const OWN_PROCESS = 0x01; // BPF_LDX | BPF_IMM
const EQUAL_OWN = 0x1d; // BPF_JMP | BPF_JEQ | BPF_X
const AT_LEAST = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

const ENOSYS = 38;
/** System calls of x32 have this bit; on arm64 no call has such a number. */
const X32_BIT = 0x40000000;
/** Jumps have eight bits. */
const FARTHEST = 255;

interface Instruction {
  readonly code: number;
  readonly value: number;
  readonly ifTrue?: number;
  readonly ifFalse?: number;
}

/** The instructions, 8 bytes each. @throws Error for a rule with more values than a jump can pass */
export function assemble({ architecture, rules, otherwise, unknownFrom }: Filter): Buffer {
  const program: Instruction[] = [
    { code: LOAD, value: ARCHITECTURE },
    { code: EQUAL, value: architecture, ifTrue: 1 },
    { code: RETURN, value: Action.killProcess },
    { code: LOAD, value: NUMBER },
    { code: AT_LEAST, value: X32_BIT, ifFalse: 1 },
    { code: RETURN, value: Action.killProcess },
    ...rules.flatMap((rule) => block(rule, otherwise)),
    { code: AT_LEAST, value: unknownFrom, ifFalse: 1 },
    { code: RETURN, value: Action.errno(ENOSYS) },
    { code: RETURN, value: otherwise },
  ];
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, { code, value, ifTrue = 0, ifFalse = 0 }] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes[index * 8 + 2] = ifTrue;
    bytes[index * 8 + 3] = ifFalse;
    bytes.writeUInt32LE(value >>> 0, index * 8 + 4);
  }
  return bytes;
}

/** What is done with one call; for another one it is jumped over. */
function block(rule: Rule, byDefault: number): Instruction[] {
  const { number, checks = [], orNext = false, refused = false, otherwise = byDefault } = rule;
  const body: Instruction[] = [];
  // From the end: each check jumps to what follows it, or to the last instruction.
  if (!refused) body.push({ code: RETURN, value: Action.allow });
  if (orNext) body.push({ code: LOAD, value: NUMBER });
  else if (refused || checks.length > 0) body.push({ code: RETURN, value: otherwise });
  for (const check of [...checks].reverse()) {
    const { mask, values } = check;
    body.unshift(
      { code: LOAD, value: argumentOffset(check) },
      ...(mask === undefined ? [] : [{ code: AND, value: mask }]),
      ...comparisons(values, body.length - 1),
    );
  }
  if (body.length > FARTHEST) throw new Error(`the rule of system call ${number} is too long`);
  return [{ code: EQUAL, value: number, ifFalse: body.length }, ...body];
}

/** Goes on behind itself when the accumulator is one of the values, else jumps `toFailure` instructions from there. */
function comparisons(values: Check["values"], toFailure: number): Instruction[] {
  if (values === "ownProcess")
    return [
      { code: OWN_PROCESS, value: 0 },
      { code: EQUAL_OWN, value: 0, ifFalse: toFailure },
    ];
  return values.map((value, index) => {
    const left = values.length - 1 - index;
    return { code: EQUAL, value, ifTrue: left, ifFalse: left === 0 ? toFailure : 0 };
  });
}
