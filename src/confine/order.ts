/** The order that the launcher carries out: steps as bytes (launcher/main.c). */

/** In the order of `steps` in launcher/main.c. */
const kinds = [
  "limit",
  "keepDescriptors",
  "open",
  "connect",
  "noNewPrivileges",
  "become",
  "dropCapabilities",
  "cgroup",
  "enter",
  "write",
  "mount",
  "bind",
  "directory",
  "pivot",
  "unmount",
  "landlock",
  "allowPath",
  "landlockEnforce",
  "seccomp",
  "execute",
  "serve",
  "unlink",
  "removeEmpty",
  "removeAll",
  "finish",
] as const;
type Kind = (typeof kinds)[number];

type Field = Buffer;
export const u32 = (value: number): Field => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
};
export const u64 = (value: number | bigint): Field => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
export const text = (value: string): Field => {
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes, Buffer.alloc(1)]);
};
const texts = (values: readonly string[]): Field =>
  Buffer.concat([u32(values.length), ...values.map((value) => text(value))]);

/** Takes steps one after the other, and knows afterwards what each was about. */
export class OrderWriter {
  readonly #steps: Buffer[] = [];
  readonly #subjects: string[] = [];

  /** @param subject what people would call it when it fails: a path, a limit */
  step(kind: Kind, subject: string, ...fields: readonly Field[]): this {
    const body = Buffer.concat(fields);
    this.#steps.push(u32(kinds.indexOf(kind)), u32(body.length), body);
    this.#subjects.push(subject);
    return this;
  }

  /** @param path of the program, where its first word does not say it */
  execute(
    command: readonly [string, ...string[]],
    environment: readonly string[],
    path = command[0],
  ): LaunchOrder {
    this.step("execute", command[0], text(path), texts(command), texts(environment));
    return this.finish();
  }

  /** Of steps of which the last one does not return. */
  finish(): LaunchOrder {
    const body = Buffer.concat(this.#steps);
    return { bytes: Buffer.concat([u32(body.length), body]), subjects: this.#subjects };
  }
}

export interface LaunchOrder {
  readonly bytes: Buffer;
  /** Of each step, from 0: a failure names the step's number. */
  readonly subjects: readonly string[];
}
