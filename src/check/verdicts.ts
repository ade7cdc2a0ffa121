// Sentences and judgements that several steps of a check share.
// findings.ts collects them.
import { VarveError } from '../errors/errors.js';

/** The reason for an object whose hash is not its name. */
export const OTHER_CONTENT = 'its content does not match its name';

/** How a check reports that it was interrupted. */
export const INTERRUPTED = 'interrupted: not everything was checked';

export const isGone = (cause: unknown): boolean => cause instanceof VarveError && cause.code === 'not-found';
