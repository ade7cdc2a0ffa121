import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoCode, errnoName, systemReason } from '../../src/errors/errors.js';

/** As `fs` throws it. */
const thrown = (errno: number): Error =>
  Object.assign(new Error(`Unknown system error -${errno}: Unknown system error -${errno}, read`), {
    code: `Unknown system error -${errno}`,
    errno: -errno,
  });

test('errnoCode names an error when libuv does not know it', { skip: process.platform !== 'linux' }, () => {
  assert.equal(errnoCode(thrown(116)), 'ESTALE');
  assert.equal(errnoCode(thrown(122)), 'EDQUOT');
  assert.equal(errnoCode(thrown(117)), 'EUCLEAN');
  assert.equal(errnoCode(thrown(999)), 'E999');
  assert.equal(errnoName(5), 'EIO');
});

test('systemReason says it in words when libuv does not know the error', { skip: process.platform !== 'linux' }, () => {
  assert.match(systemReason(thrown(116)), /^stale file handle/);
  assert.equal(systemReason(thrown(122)), 'disk quota exceeded');
  assert.equal(systemReason(thrown(37)), 'system error ENOLCK');
});

test('errnoCode finds the reason when a thread cannot start', () => {
  const cause = Object.assign(new Error('Worker initialization failure: EMFILE'), { code: 'ERR_WORKER_INIT_FAILED' });
  assert.equal(errnoCode(cause), 'EMFILE');
  assert.match(systemReason(cause), /^too many open files/);
});
