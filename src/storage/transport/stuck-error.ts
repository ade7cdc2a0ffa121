import { VarveError } from '../../errors/errors.js';

/** Nothing came and nothing went for so long. */
export function stuckError(server: string, seconds: number): VarveError {
  const time = seconds >= 120 ? `${Math.round(seconds / 60)} min` : `${seconds} s`;
  return new VarveError('storage', `${server}: no answer for ${time}`, { retryable: true });
}
