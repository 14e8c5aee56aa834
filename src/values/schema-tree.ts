/** What stands where in a schema: for suggestions, and for what is read before it is checked. */
import type { GenericSchema } from "valibot";

/** The schemas of a table's keys. */
export type Entries = Readonly<Record<string, GenericSchema>>;

/** The keys that a table may have; undefined for other schemas. */
export function entriesOf(schema: GenericSchema): Entries | undefined {
  const inner = unwrapped(schema);
  return "entries" in inner ? (inner.entries as Entries) : undefined;
}

/** What stands under each name of a table whose names are free; undefined for other schemas. */
export function freeOf(schema: GenericSchema): GenericSchema | undefined {
  const inner = unwrapped(schema);
  return inner.type === "record" && "value" in inner ? (inner.value as GenericSchema) : undefined;
}

/** What may stand under a key of a table; undefined when the key is unknown. */
export function belowOf(schema: GenericSchema, key: string): GenericSchema | undefined {
  const entries = entriesOf(schema);
  return entries === undefined ? freeOf(schema) : Object.hasOwn(entries, key) ? entries[key] : undefined;
}

/** Names of the keys of a table; none when it is another schema, or its names are free. */
export function keysOf(schema: GenericSchema | undefined): string[] {
  return schema === undefined ? [] : Object.keys(entriesOf(schema) ?? {});
}

/** Without what says that it may be left out, or be null. */
export function unwrapped(schema: GenericSchema): GenericSchema {
  return "wrapped" in schema ? unwrapped(schema.wrapped as GenericSchema) : schema;
}
