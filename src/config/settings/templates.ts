/**
 * Whether machines go on from saved guests. `auto`: where there is one, and one is made where it is missing. `require`:
 * or they do not start. `off`: they boot.
 */
export const templateModes = ["auto", "require", "off"] as const;
export type TemplateMode = (typeof templateModes)[number];
