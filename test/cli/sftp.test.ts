import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { SSHD_MISSING, type Sshd, startSshd } from '../servers/sshd.js';
import { Playground } from './varve.js';

const servers: Sshd[] = [];
after(async () => {
  for (const each of servers) await each.stop();
});

test('a repository on an SFTP server: made, written, checked, pruned and restored', {
  skip: SSHD_MISSING,
}, async () => {
  const sshd = await startSshd();
  servers.push(sshd);
  const play = new Playground();
  const place = `sftp:server:${join(sshd.directory, 'repository')}`;
  const options = ['-r', place, '-o', `sftp.args=-F ${sshd.clientConfig}`];
  const run = (...args: string[]) => play.ok([...args, ...options]);
  const source = play.files('source', { 'a file': 'one', 'below/another': Buffer.alloc(3_000_000, 'two') });
  assert.match((await run('init')).out, new RegExp(place));
  await run('backup', source);
  writeFileSync(join(source, 'a file'), 'changed');
  await run('backup', source);
  await run('forget', '--keep-last', '1', '--prune');
  await run('check', '--read-data');
  const target = play.path('target');
  await run('restore', 'latest', '--target', target);
  assert.equal(readFileSync(join(target, source, 'a file'), 'utf8'), 'changed');
  assert.equal(readFileSync(join(target, source, 'below/another')).length, 3_000_000);
  const again = await play.run(['init', ...options]);
  assert.equal(again.code, 1);
  assert.match(again.err, /already/);
  const missing = await play.run(['snapshots', ...options, '-r', `${place}-elsewhere`]);
  assert.equal(missing.code, 10);
});
