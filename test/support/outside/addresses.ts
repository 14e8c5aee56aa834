/** Where an allowed name leads. */
export const OUTER = "203.0.113.10";
export const OUTER6 = "2001:db8::10";
/** Of others, whom no rule names. */
export const EVIL = "198.51.100.66";
export const EVIL2 = "198.51.100.67";
export const EVIL3 = "198.51.100.68";
/** In the host's surroundings. */
export const INNER = "10.9.9.9";
/** Closed to all machines. */
export const CLOSED = "169.254.169.254";

export const ADDRESSES = [OUTER, "203.0.113.11", EVIL, EVIL2, EVIL3, INNER, CLOSED, "100.64.0.1"];
