import { flag } from "../program/types.ts";

export const jsonObject = flag({ long: "json", description: "Print a JSON object" });
export const jsonArray = flag({ long: "json", description: "Print a JSON array" });
