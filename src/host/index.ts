/** What all processes of a user on this host share: which boot it is, files that they lock for each other, pins, answers. */
export { keepAnswer, keptAnswer } from "./answer.ts";
export { bootId } from "./boot.ts";
export { tryForAMoment, untilLocked } from "./lock.ts";
export { namesIn } from "./names-in.ts";
export { addPin, type Pin, type Pins, pinnedIds, pinsOf, removePin, sweepPins } from "./pin.ts";
export { removeIfAllowed } from "./remove-if-allowed.ts";
