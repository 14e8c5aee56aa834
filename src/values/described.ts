import { description, type GenericSchema, type InferOutput, optional, pipe } from "valibot";

/** What may be left out of a table, and what editors and documents say about it. */
export function described<const S extends GenericSchema>(schema: S, about: string) {
  return optional(pipe(schema, description<InferOutput<S>, string>(about)));
}
