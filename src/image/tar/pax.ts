import { damaged } from "./error.ts";

/** Records of PAX extended headers: keyword to value, both byte strings. */
export type PaxRecords = Map<string, string>;

/** Keywords that may stand more than once; GNU tar 0.0 sparse maps are a list of them. */
const repeated = new Set(["GNU.sparse.offset", "GNU.sparse.numbytes"]);

/**
 * Reads the body of an extended header (POSIX pax: `LENGTH KEYWORD=VALUE\n`, the length counts itself).
 * Of repeated keywords the last one counts, except for sparse maps, whose values are joined by commas in order.
 *
 * @throws SmolError when a record is not exactly as long as it says, or a keyword is empty.
 */
export function parsePax(body: Buffer, into: PaxRecords): void {
  let at = 0;
  let map = "";
  while (at < body.length) {
    const blank = body.indexOf(0x20, at);
    if (blank === -1 || blank - at > 10) throw damaged("an extended header has no length");
    const digits = body.toString("latin1", at, blank);
    const end = at + (/^[0-9]+$/.test(digits) ? Number(digits) : 0);
    const equals = body.indexOf(0x3d, blank);
    if (
      end <= blank + 2 ||
      end > body.length ||
      body[end - 1] !== 0x0a ||
      equals === -1 ||
      equals >= end - 1
    ) {
      throw damaged("an extended header has a wrong length");
    }
    const keyword = body.toString("latin1", blank + 1, equals);
    const value = body.toString("latin1", equals + 1, end - 1);
    if (keyword === "") throw damaged("an extended header has no keyword");
    if (repeated.has(keyword)) map += map === "" ? value : `,${value}`;
    else into.set(keyword, value);
    at = end;
  }
  if (map !== "") into.set("GNU.sparse.map", map);
}
