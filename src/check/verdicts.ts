import { VarveError } from '../errors/errors.js';

/** What is said of an object whose hash is not its name. */
export const OTHER_CONTENT = 'its content does not match its name';

/** @throws VarveError `interrupted` */
export function stopIf(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new VarveError('interrupted', 'interrupted: not all was checked');
}

export const isGone = (cause: unknown): boolean => cause instanceof VarveError && cause.code === 'not-found';
