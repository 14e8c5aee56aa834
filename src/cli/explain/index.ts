import type { SmolError } from "../../errors.ts";
import type { NotInTable } from "../parse/index.ts";
import type { Program } from "../program/types.ts";
import { explainCommand, explainIncomplete } from "./command.ts";
import { explainOption } from "./option.ts";

export { explainIncomplete };

/** What to tell somebody who used a word that the program does not have. */
export function explain(program: Program, unknown: NotInTable): SmolError {
  return unknown.kind === "option" ? explainOption(program, unknown) : explainCommand(program, unknown);
}
