/** Milliseconds since the epoch with fractions, comparable between the processes of one host. */
export const now = (): number => performance.timeOrigin + performance.now();
