/** Images out of what lies on this machine: archives, layouts, directories, standard input. */
export { type MadeImage, makeLocalImage } from "./make.ts";
