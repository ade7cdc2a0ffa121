import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { VarveError } from '../../../src/errors/errors.js';
import { openRest } from '../../../src/storage/rest/open.js';
import type { StoreSettings } from '../../../src/storage/settings.js';
import type { Store } from '../../../src/storage/store.js';
import { isVarveError } from '../../errors/expect-error.js';
import { RCLONE_MISSING, type RestServer, startRclone } from '../../servers/rclone.js';
import { REST_SERVER_MISSING, startRestServer } from '../../servers/rest-server.js';
import { object } from '../conformance.js';
import { makeCertificates } from '../transport/certificates.js';
import { settings } from '../transport/settings.js';

const scratch = mkdtempSync(join(tmpdir(), 'varve-rest-servers-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let directories = 0;

function directory(): string {
  const path = join(scratch, `${directories++}`);
  mkdirSync(path);
  return path;
}

const USERS = { ann: 'secret', bob: 'hidden' };

async function running(context: TestContext, starting: Promise<RestServer>): Promise<RestServer> {
  const server = await starting;
  context.after(() => server.stop());
  return server;
}

async function opened(context: TestContext, place: string, given: Partial<StoreSettings> = {}): Promise<Store> {
  const store = await openRest(place, settings({ environment: {}, ...given }));
  context.after(() => store.close());
  return store;
}

/** Asserts that a request is refused without retries, and that the error shows no password. */
async function denied(doing: Promise<unknown>, message: RegExp): Promise<void> {
  await assert.rejects(doing, (error) => {
    isVarveError('denied', message)(error);
    assert.ok(error instanceof VarveError && !error.retryable);
    assert.doesNotMatch(error.message, /secret|hidden/);
    return true;
  });
}

/** Append-only servers, over what a store that may do all has put there. */
async function appendsOnly(all: Store, appends: Store): Promise<void> {
  await all.create();
  const [old, fresh] = [object(3_000_000), object(3_000_000)];
  await all.put('config', 'config', [Buffer.from('config')]);
  await all.put('data', old.name, [old.bytes]);
  await appends.create();
  await appends.put('data', fresh.name, [fresh.bytes]);
  await appends.put('data', fresh.name, [fresh.bytes]);
  await appends.put('locks', old.name, [old.bytes]);
  await appends.remove('locks', old.name);
  assert.deepEqual(await appends.get('data', fresh.name), fresh.bytes);
  await denied(appends.remove('data', old.name), /cannot remove data\/.* append-only/);
  await denied(appends.replace('data', old.name, [old.bytes]), /cannot remove data\/.* append-only/);
  await assert.rejects(appends.put('config', 'config', [Buffer.from('other')]), isVarveError('exists'));
  assert.deepEqual(await all.get('data', old.name), old.bytes);
}

describe('rest-server', { skip: REST_SERVER_MISSING }, () => {
  test('every request fails with a wrong password', async (context) => {
    const { host } = await running(context, startRestServer(directory(), USERS));
    const store = await opened(context, `http://ann:wrong@${host}/`);
    const { name, bytes } = object(32_000_000);
    const asked = [
      () => store.now(),
      () => store.create(),
      () => store.put('data', name, [bytes]),
      () => store.get('config', 'config'),
      () => store.stat('data', name),
      () => store.list('data')[Symbol.asyncIterator]().next(),
      () => store.remove('data', name),
    ];
    for (const doing of asked)
      await denied(doing(), /the server does not know the user "ann", or not with this password/);
    await denied((await opened(context, `http://${host}/`)).now(), /requires a user and a password/);
  });

  test('an append-only server refuses removals', async (context) => {
    const path = directory();
    const all = await running(context, startRestServer(path, undefined));
    const appends = await running(context, startRestServer(path, undefined, '--append-only'));
    await appendsOnly(await opened(context, `http://${all.host}/`), await opened(context, `http://${appends.host}/`));
  });

  test('the repository of another user is refused', async (context) => {
    const { host } = await running(context, startRestServer(directory(), USERS, '--private-repos'));
    await (await opened(context, `http://ann:secret@${host}/ann/`)).create();
    const other = await opened(context, `http://bob:hidden@${host}/ann/`);
    await denied(other.create(), /user "bob".* or the repository is another user’s/);
    await denied(other.get('config', 'config'), /user "bob".* or the repository is another user’s/);
  });

  test('a changed upload is refused', async (context) => {
    const { host } = await running(context, startRestServer(directory(), undefined));
    const store = await opened(context, `http://${host}/`);
    await store.create();
    const { name, bytes } = object(1000);
    const changed = Buffer.from(bytes).fill(0, 10, 20);
    await assert.rejects(store.put('data', name, [changed]), isVarveError('storage', /the server answers 400/));
    assert.equal(await store.stat('data', name), undefined);
  });

  test('a used-up quota is a full store', async (context) => {
    const { host } = await running(context, startRestServer(directory(), undefined, '--max-size', '5000000'));
    const store = await opened(context, `http://${host}/`);
    await store.create();
    const [small, large] = [object(1_000_000), object(32_000_000)];
    await store.put('data', small.name, [small.bytes]);
    await assert.rejects(store.put('data', large.name, [large.bytes]), isVarveError('full', /free some space there/));
    assert.deepEqual(await store.get('data', small.name), small.bytes);
  });
});

describe('rclone serve restic', { skip: RCLONE_MISSING }, () => {
  test('a wrong password is an error', async (context) => {
    const { host } = await running(context, startRclone(directory(), '--user', 'ann', '--pass', 'secret'));
    const store = await opened(context, `http://ann:wrong@${host}/`);
    const { name, bytes } = object(32_000_000);
    await denied(store.now(), /does not know the user "ann"/);
    await denied(store.put('data', name, [bytes]), /does not know the user "ann"/);
  });

  test('an append-only server refuses removals', async (context) => {
    const path = directory();
    const all = await running(context, startRclone(path));
    const appends = await running(context, startRclone(path, '--append-only'));
    await appendsOnly(await opened(context, `http://${all.host}/`), await opened(context, `http://${appends.host}/`));
  });

  test('TLS', async (context) => {
    const { ca, server } = makeCertificates(scratch);
    const { host } = await running(context, startRclone(directory(), '--cert', server.cert, '--key', server.key));
    const store = await opened(context, `https://${host}/x/`, { caCertificate: ca });
    await store.create();
    const { name, bytes } = object(20_000_000);
    await store.put('data', name, [bytes]);
    assert.deepEqual(await store.get('data', name), bytes);
  });
});
