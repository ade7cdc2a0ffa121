import { after, before, describe } from 'node:test';
import { openStore } from '../../../src/storage/open-store.js';
import type { ObjectType, Store } from '../../../src/storage/store.js';
import { CEPH_MISSING, type CephServer, startCeph } from '../../servers/ceph.js';
import { s3Settings } from '../../servers/s3-settings.js';
import { conformance } from '../conformance.js';
import { putRaw } from './raw.js';

describe('S3, by a real server', { skip: CEPH_MISSING }, () => {
  let ceph: CephServer;
  let number = 0;
  before(async () => {
    ceph = await startCeph();
  });
  after(() => ceph?.stop());

  conformance('s3', async () => {
    const path = `some folder/${number++}`;
    const open = (): Promise<Store> => openStore(`s3:${ceph.endpoint}/stores/${path}`, s3Settings(ceph.user));
    const store = await open();
    await store.create();
    const plant = (type: ObjectType, name: string, bytes: Uint8Array): Promise<void> =>
      putRaw(ceph, 'stores', `${path}/${type}/${name}`, bytes);
    return { store, other: await open(), plant };
  });
});
