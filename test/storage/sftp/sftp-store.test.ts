import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before } from 'node:test';
import type { StoreSettings } from '../../../src/storage/settings.js';
import { openSftp } from '../../../src/storage/sftp/open.js';
import type { ObjectType } from '../../../src/storage/store.js';
import { type Sshd, startSshd, whyNoSshd } from '../../servers/sshd.js';
import { conformance } from '../conformance.js';

let sshd: Sshd;
let number = 0;
const skip = whyNoSshd() ?? false;

before(async () => {
  if (skip === false) sshd = await startSshd();
});
after(() => sshd?.stop());

const settings = (): StoreSettings => ({
  environment: process.env,
  extended: new Map([['sftp.args', `-F ${sshd.clientConfig}`]]),
  stuckSeconds: 60,
  retrySeconds: 0,
});

conformance('sftp', async () => {
  const path = join(sshd.folder, `repository-${number++}`);
  const store = await openSftp(`server:${path}`, settings());
  await store.create();
  const plant = async (type: ObjectType, name: string, bytes: Uint8Array): Promise<void> => {
    const folder = type === 'data' ? join(path, type, name.slice(0, 2)) : join(path, type);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, name), bytes);
    if (type === 'data') writeFileSync(join(path, type, name), bytes);
    mkdirSync(dirname(join(path, 'data', 'zz', name)), { recursive: true });
    writeFileSync(join(path, 'data', 'zz', name), bytes);
  };
  return { store, other: await openSftp(`server:${path}`, settings()), plant };
});
