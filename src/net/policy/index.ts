/** What a machine may reach: rules, and the one decision about each flow and name. Knows no sockets and no machines. */
export { type Address, contains, formatAddress, formatRange, parseAddress, parseRange } from "./address.ts";
export { type Destination, decide, decideName, type NameDecision } from "./decide.ts";
export { type ExplainedFlow, type Explanation, explain } from "./explain.ts";
export { type Answered, Gatekeeper, MAX_TTL_S } from "./gatekeeper.ts";
export { type Learned, learn, type UsedFlow } from "./learned.ts";
export { HOST_NAME, isHostName, normalName } from "./names.ts";
export { OpenedAddresses } from "./opened.ts";
export { type Policy, type PolicySettings, reachesHost, readPolicy } from "./policy.ts";
export { PRESET_NAMES, PRESETS } from "./presets.ts";
export { BadRule, parseHostRule, parseRangeRule, type Rule } from "./rules.ts";
