/** Bytes of one message: a file of a megabyte as base64, and room for what is around it. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

/** Requests that are worked on at once. Each holds at most some output and a connection to a machine. */
export const MAX_REQUESTS = 64;
