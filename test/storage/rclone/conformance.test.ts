import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import { openRclone } from '../../../src/storage/rclone/open.js';
import type { ObjectType } from '../../../src/storage/store.js';
import { RCLONE_MISSING } from '../../servers/rclone.js';
import { conformance } from '../conformance.js';
import { settings } from '../transport/settings.js';
import { NOT_OF_RCLONE } from './exceptions.js';

describe('rclone', { skip: RCLONE_MISSING }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'varve-rclone-'));
  after(() => rmSync(scratch, { recursive: true, force: true }));
  const configuration = join(scratch, 'rclone.conf');
  writeFileSync(configuration, `[there]\ntype = alias\nremote = ${scratch}\n`);
  const given = settings({ environment: { ...process.env, RCLONE_CONFIG: configuration } });
  let number = 0;

  conformance(
    'rclone',
    async () => {
      const name = `repository-${number++}`;
      const store = await openRclone(`there:${name}`, given);
      await store.create();
      const plant = async (type: ObjectType, name_: string, bytes: Uint8Array): Promise<void> => {
        const directory = type === 'data' ? join(scratch, name, type, name_.slice(0, 2)) : join(scratch, name, type);
        mkdirSync(directory, { recursive: true });
        writeFileSync(join(directory, name_), bytes);
      };
      return { store, other: await openRclone(`there:${name}`, given), plant };
    },
    NOT_OF_RCLONE,
  );
});
