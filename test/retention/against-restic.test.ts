import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { compareWithRestic } from './differential.js';
import { ResticRepository, resticVersion } from './restic-repository.js';

const POLICIES = 40;
const SEED = 20240229;

/** Later versions keep the oldest snapshot besides, while counts are left. */
const KNOWN = /^restic 0\.14\./;

function missing(): string | false {
  const version = resticVersion();
  if (version === undefined) return 'restic is not installed';
  return KNOWN.test(version) ? false : `rules are compared with those of restic 0.14, and this is ${version}`;
}

describe('applyPolicy agrees with restic on snapshots and reasons', { skip: missing() }, () => {
  it(`applyPolicy agrees with restic on ${POLICIES} random policies`, () => {
    const repository = new ResticRepository();
    after(() => repository.remove());
    const { kept, removed } = compareWithRestic(repository, POLICIES, SEED);
    assert.ok(kept > 0 && removed > 0);
  });
});
