/**
 * Whether SMOLVM_DEBUG asks for more than users want to see: stack traces, the guest's console, what the machine
 * process has to say. Everything but an empty value and 0 does.
 */
export function isDebugging(env: Readonly<Record<string, string | undefined>> = process.env): boolean {
  const value = env.SMOLVM_DEBUG;
  return value !== undefined && value !== "" && value !== "0";
}
