/**
 * Whether machines go on from saved guests. `auto`: where there is one; where it is missing, a machine that lives for a
 * while has one made beside it. `eager`: each machine has one made at once, by a process that may outlive it. `require`:
 * or they do not start. `off`: they boot.
 */
export const templateModes = ["auto", "eager", "require", "off"] as const;
export type TemplateMode = (typeof templateModes)[number];
