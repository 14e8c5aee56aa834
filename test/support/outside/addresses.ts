/** Where an allowed name leads. */
export const OUTER = "203.0.113.10";
export const OUTER6 = "2001:db8::10";
/** Of somebody whom no rule names. */
export const EVIL = "198.51.100.66";
/** In the host's surroundings. */
export const INNER = "10.9.9.9";
/** Closed to all machines. */
export const CLOSED = "169.254.169.254";

export const ADDRESSES = [OUTER, "203.0.113.11", EVIL, INNER, CLOSED, "100.64.0.1"];
