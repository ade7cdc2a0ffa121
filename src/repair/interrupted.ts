import { VarveError } from '../errors/errors.js';

export function interrupted(): VarveError {
  return new VarveError('interrupted', 'interrupted; the repository is as good as it was before');
}
