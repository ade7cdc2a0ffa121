import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { openRclone } from '../../src/storage/rclone/open.js';
import { openRest } from '../../src/storage/rest/open.js';
import { openS3 } from '../../src/storage/s3/open.js';
import type { StoreSettings } from '../../src/storage/settings.js';
import { openSftp } from '../../src/storage/sftp/open.js';
import type { Store } from '../../src/storage/store.js';
import { idleSecondsOf } from '../../src/storage/transport/idle-timeout.js';
import { FakeServer, handle, status } from './sftp/fake-server.js';
import { settings } from './transport/settings.js';

const SILENT = '/bin/sh -c "exec sleep 600" sh';
const KEYS = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };

/** Each opens a store at a server that takes what is sent and says nothing. */
const OPEN: Readonly<Record<string, (port: number, given: StoreSettings) => Promise<Store>>> = {
  rest: (port, given) => openRest(`http://127.0.0.1:${port}/repository/`, given),
  s3: (port, given) => openS3(`http://127.0.0.1:${port}/bucket`, given),
  sftp: (_, given) => openSftp('server:repository', given),
  rclone: (_, given) => openRclone('remote:repository', given),
};

for (const [kind, open] of Object.entries(OPEN)) {
  test(`${kind}: a request uses the idle timeout of its start`, async () => {
    const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    let seconds = 60;
    const extended = new Map([
      ['sftp.command', SILENT],
      ['rclone.program', SILENT],
    ]);
    const environment = { ...process.env, ...KEYS };
    const given = Object.defineProperty({ ...settings({ extended, environment }) }, 'idleTimeoutSeconds', {
      get: () => seconds,
    });
    const { port } = server.address() as AddressInfo;
    if (kind === 'sftp') seconds = 0.3;
    const asked = open(port, given).then((store) => {
      seconds = 0.3;
      return store.stat('config', 'config').finally(() => store.close());
    });
    await assert.rejects(asked, (error) => {
      assert.equal(idleSecondsOf(error), 0.3, String(error));
      return true;
    });
    server.close();
  });
}

test('sftp: a connection ends with the shortest idle timeout of its requests', async () => {
  const server = new FakeServer();
  const idleTimeout = { idleTimeoutSeconds: 60 };
  const client = await server.connect(idleTimeout);
  server.answer = ({ id, type }) => (type === 3 ? handle(id) : status(id, 0));
  await client.close(await client.open('file', 1));
  server.answer = () => undefined;
  const first = client.stat('file');
  idleTimeout.idleTimeoutSeconds = 0.3;
  const second = client.stat('other');
  for (const each of [first, second])
    await assert.rejects(each, (error) => {
      assert.equal(idleSecondsOf(error), 0.3, String(error));
      return true;
    });
});
