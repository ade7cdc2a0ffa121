import { VarveError } from '../errors/errors.js';

export function interrupted(): VarveError {
  return new VarveError('interrupted', 'interrupted; nothing that is needed is missing, and the next prune goes on');
}
