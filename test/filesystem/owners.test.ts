import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { OwnerNames } from '../../src/filesystem/owners.js';
import { scratchDirectory } from './scratch.js';

describe('names of owners', () => {
  const base = scratchDirectory();
  const users = join(base, 'passwd');
  const groups = join(base, 'group');

  it('come from the files, the first line for an id or a name', () => {
    writeFileSync(
      users,
      'root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n# note\n+::::::\nmé:x:4294967294:1::/:\nroot:x:7:7\n',
    );
    writeFileSync(groups, 'wheel:x:0:root\nbad:x:y:\nshort:x\n:x:9:\n');
    const names = new OwnerNames(users, groups);
    assert.deepEqual(
      [names.userName(0), names.userName(4294967294), names.userName(5), names.userName(7)],
      ['root', 'mé', '', 'root'],
    );
    assert.deepEqual([names.groupName(0), names.groupName(9)], ['wheel', '']);
    assert.deepEqual([names.uidOf('root'), names.uidOf('toor'), names.uidOf('nobody')], [0, 0, undefined]);
    assert.deepEqual([names.gidOf('wheel'), names.gidOf('bad')], [0, undefined]);
    writeFileSync(users, '');
    assert.equal(names.userName(0), 'root');
  });

  it('are empty where there are no files', () => {
    const names = new OwnerNames(join(base, 'no'), join(base, 'no'));
    assert.deepEqual(
      [names.userName(0), names.groupName(0), names.uidOf('root'), names.gidOf('root')],
      ['', '', undefined, undefined],
    );
  });

  it("are this machine's by default", () => {
    assert.equal(new OwnerNames().userName(0), 'root');
    assert.equal(new OwnerNames().uidOf('root'), 0);
  });
});
