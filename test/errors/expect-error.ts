import assert from 'node:assert/strict';
import { type ErrorCode, VarveError } from '../../src/errors/errors.js';

/** For assert.throws and assert.rejects: a VarveError with this code. */
export function isVarveError(code: ErrorCode, message?: RegExp): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof VarveError, `expected a VarveError, got ${String(error)}`);
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}
