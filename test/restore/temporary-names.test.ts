import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { Leftovers, partName } from '../../src/restore/temporary-names.js';

test("what a restore of another user's is writing is not taken for left", (t) => {
  const name = Buffer.from('file');
  const part = partName(name, '12345-0a');
  let code = 'EPERM';
  t.mock.method(process, 'kill', () => {
    throw Object.assign(new Error(code), { code });
  });
  const theirs = new Leftovers([part]);
  assert.equal(theirs.take(name), undefined);
  assert.deepEqual(theirs.rest, []);
  code = 'ESRCH';
  assert.deepEqual(new Leftovers([part]).take(name), part);
});
