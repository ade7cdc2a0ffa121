import { LISTING } from './listing.js';
import { PARTS, READING } from './reading.js';
import type { Check } from './subject.js';
import { WRITING } from './writing.js';

/** The contract of the Store interface as checks. The store is empty before each. */
export const CHECKS: readonly Check[] = [...READING, ...PARTS, ...WRITING, ...LISTING];
