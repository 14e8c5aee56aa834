import type { CommandSpec } from "../program/types.ts";

/**
 * A word that the table does not have. What to say about it (a later release's, another tool's name for it,
 * the nearest one) takes long lists, so `explain/` makes the message, and only then.
 */
export class NotInTable extends Error {
  /** `--nett` or `-x`; the first unknown word of a command. */
  readonly word: string;
  /** What the word was looked up in: a command's options, or the commands below a path. */
  readonly where: CommandSpec | { readonly path: readonly string[] };
  /** What came after it. */
  readonly following: readonly string[];
  readonly kind: "option" | "command";

  constructor(
    kind: NotInTable["kind"],
    word: string,
    where: NotInTable["where"],
    following: readonly string[] = [],
  ) {
    super(`unknown ${kind}: ${word}`);
    this.kind = kind;
    this.word = word;
    this.where = where;
    this.following = following;
  }
}
