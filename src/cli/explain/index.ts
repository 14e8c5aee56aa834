import type { SmolError } from "../../errors.ts";
import type { NotInTable } from "../parse/index.ts";
import { explainCommand, explainIncomplete } from "./command.ts";
import { explainOption } from "./option.ts";

export { explainIncomplete };

/** What to tell somebody who used a word that the command table does not have. */
export function explain(unknown: NotInTable): SmolError {
  return unknown.kind === "option" ? explainOption(unknown) : explainCommand(unknown);
}
