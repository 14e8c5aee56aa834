/** The sizes that the built-in templates are formatted for, in GiB. The recipe reads them too. */
export const TEMPLATE_GIB = {
  /** Those of a machine about which nothing was said: nothing has to grow at its start. */
  overlay: 10,
  storage: 20,
  /** For every disk below these; there is no smaller one. */
  small: 1,
} as const;
