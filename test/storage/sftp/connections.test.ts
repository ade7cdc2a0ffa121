import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VarveError } from '../../../src/errors/errors.js';
import type { SftpClient } from '../../../src/storage/sftp/client.js';
import { Connections } from '../../../src/storage/sftp/connections.js';
import { isVarveError } from '../../errors/expect-error.js';

/** What connections look at of a client. */
class Stub {
  readonly window = { full: true };
  roundTrip = 50;
  #end = (): void => undefined;
  readonly ended = new Promise<void>((resolve) => {
    this.#end = resolve;
  });
  disconnect(): void {
    this.#end();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Connections of stubs; the further ones as `refusing` has it. */
function stubs(most = 5, refusing = false): { connections: Connections; opened: Stub[]; asked: boolean[] } {
  const opened: Stub[] = [];
  const asked: boolean[] = [];
  const connect = async (further: boolean): Promise<SftpClient> => {
    asked.push(further);
    if (further && refusing) throw new VarveError('denied', 'a password is needed');
    const stub = new Stub();
    opened.push(stub);
    return stub as unknown as SftpClient;
  };
  return { connections: new Connections('sftp:host:/x', connect, most), opened, asked };
}

/** So many operations that do not end. @returns how many use each client */
async function occupy(connections: Connections, count: number): Promise<Map<unknown, number>> {
  const users = new Map<unknown, number>();
  for (let i = 0; i < count; i++) {
    connections.use((client) => {
      users.set(client, (users.get(client) ?? 0) + 1);
      return new Promise(() => undefined);
    });
    await settled();
  }
  return users;
}

test('operations that begin at once share one connection', async () => {
  const { connections, asked } = stubs();
  await Promise.all(Array.from({ length: 8 }, () => connections.use(async () => undefined)));
  assert.deepEqual(asked, [false]);
});

test('a distant server gets more connections under load, with equal shares', async () => {
  const { connections, opened, asked } = stubs();
  const users = await occupy(connections, 12);
  assert.deepEqual(asked, [false, true, true, true, true]);
  assert.ok(Math.max(...users.values()) <= 4);
  assert.equal(opened.length, 5);
});

test('a near or idle server gets one connection', async () => {
  for (const change of [{ roundTrip: 1 }, { window: { full: false } }]) {
    const { connections, opened, asked } = stubs();
    await connections.use(async () => undefined);
    Object.assign(opened[0] as Stub, change);
    await occupy(connections, 12);
    assert.deepEqual(asked, [false]);
  }
  const { connections, asked } = stubs(1);
  await occupy(connections, 12);
  assert.deepEqual(asked, [false]);
});

test('a refused further connection is not tried again', async () => {
  const { connections, asked } = stubs(5, true);
  const users = await occupy(connections, 12);
  assert.deepEqual(asked, [false, true]);
  assert.deepEqual([...users.values()], [12]);
});

test('an ended connection is replaced on demand, but not after close', async () => {
  const { connections, opened, asked } = stubs();
  await connections.use(async () => undefined);
  opened[0]?.disconnect();
  await settled();
  assert.equal(asked.length, 1);
  await connections.use(async () => undefined);
  assert.deepEqual(asked, [false, false]);
  connections.close();
  await assert.rejects(
    connections.use(async () => undefined),
    isVarveError('storage', /sftp:host:\/x: the store is closed/),
  );
});
