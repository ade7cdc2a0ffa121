import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Playground } from '../cli/varve.js';
import type { RestServer } from '../servers/rclone.js';
import { startVarveServe } from '../servers/varve-serve.js';
import { scratchDirectory } from './running.js';

const servers: RestServer[] = [];
after(async () => {
  for (const server of servers) await server.stop();
});

const USERS = { web1: 'w', admin: 'secret' };

test('varve works with varve serve when its user is append-only', async () => {
  const playground = new Playground();
  const directory = scratchDirectory();
  const server = await startVarveServe(directory, USERS, '--append-only-user', 'web1', '--log', '-');
  servers.push(server);
  const location = (user: keyof typeof USERS): string => `rest:http://${user}:${USERS[user]}@${server.host}/shared/`;
  const contents = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`f${at}`, randomBytes(at * 20_000)]));
  const source = playground.files('source', contents);
  const web1 = { env: { VARVE_REPOSITORY: location('web1') } };
  const admin = { env: { VARVE_REPOSITORY: location('admin') } };
  await playground.ok(['init'], admin);
  await playground.ok(['backup', source], web1);
  playground.files('source', { f3: randomBytes(300_000) });
  await playground.ok(['backup', source], web1);
  const refused = await playground.run(['forget', '--keep-last', '1', '--prune', '--grace', '0'], web1);
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /append-only/);
  assert.doesNotMatch(refused.err + refused.out + server.output(), /:w@|:secret@|Basic/);
  assert.equal((await playground.json<unknown[]>(['snapshots'], web1)).length, 2);

  await playground.ok(['forget', '--keep-last', '1', '--prune', '--grace', '0'], admin);
  await playground.ok(['check', '--read-data'], admin);
  const target = playground.path('restored');
  await playground.ok(['restore', 'latest', '--target', target], web1);
  for (const name of Object.keys(contents))
    assert.deepEqual(readFileSync(join(target, source, name)), readFileSync(join(source, name)), name);

  const local = { env: { VARVE_REPOSITORY: join(directory, 'shared') } };
  await playground.ok(['check', '--read-data'], local);
  await playground.ok(['backup', source], local);
  assert.equal((await playground.json<unknown[]>(['snapshots'], web1)).length, 2);
});
