import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHECKS } from '../../src/storage/conformance/checks.js';
import type { Subject } from '../../src/storage/conformance/subject.js';

export { names, object, type Subject, type TestObject } from '../../src/storage/conformance/subject.js';

/**
 * The contract of a store as tests, each on a subject of its own.
 *
 * @param except what a server behind the store cannot do, and why
 */
export function conformance(
  kind: string,
  open: () => Promise<Subject>,
  except: Readonly<Record<string, string>> = {},
): void {
  const excepted = new Set(Object.keys(except));
  for (const { what, run } of CHECKS) {
    excepted.delete(what);
    test(`${kind}: ${what}`, { skip: except[what] ?? false }, async () => {
      const subject = await open();
      try {
        await run(subject);
      } finally {
        await subject.store.close();
        await subject.other.close();
      }
    });
  }
  assert.deepEqual([...excepted], []);
}
