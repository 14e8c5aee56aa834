/** Templates: saved guests that later machines go on from, on qemu (docs/design/boot.md). */
export { type Circumstances, decideStart, noTemplate } from "./decide.ts";
export { blankSpec, type MakeOrder } from "./order.ts";
export { type Template, TemplateStore, type TemplatesReport, templateName } from "./store.ts";
